// SPDX-License-Identifier: Apache-2.0
#include "bench/agreement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "bench/training.h"
#include "core/base/error.h"
#include "core/base/random.h"
#include "core/model/parameters.h"

namespace photon::bench {
namespace {

GenerationRequest forced_text(const ModelSpec& spec, const AgreementCase& c) {
  const Philox random(c.seed ^ stable_hash("agreement"));
  const auto text = [&](int64_t row, int64_t from, int64_t count) {
    std::vector<int32_t> out;
    for (int64_t i = from; i < from + count; ++i) {
      const double u = random.uniform(static_cast<uint64_t>(row), static_cast<uint64_t>(i));
      out.push_back(static_cast<int32_t>(u * static_cast<double>(spec.vocab)));
    }
    return out;
  };
  GenerationRequest request;
  request.new_tokens = c.new_tokens;
  request.generation = c.generation;
  request.schedule = c.schedule;
  for (int64_t row = 0; row < c.rows; ++row) {
    request.prompts.push_back(text(row, 0, c.prompt));
    request.forced.push_back(text(row, c.prompt, c.new_tokens));
  }
  return request;
}

std::vector<double> log_probs(InferenceModel& model, const GenerationRequest& request) {
  const GenerationResult result = model.generate(request);
  std::vector<double> out;
  for (const auto& row : result.log_probs) out.insert(out.end(), row.begin(), row.end());
  const size_t wanted = request.prompts.size() * static_cast<size_t>(request.new_tokens);
  if (out.size() != wanted) {
    throw Error(fmt::format("model '{}' gave {} log-probabilities where {} were asked for", model.spec().name,
                            out.size(), wanted));
  }
  return out;
}

struct Trained {
  std::vector<double> losses;
  std::vector<float> mean_gradients;
  bool operator==(const Trained&) const = default;
};

Trained train(Backend& backend, const ModelSpec& spec, std::span<const float> parameters,
              const TrainingAgreementCase& c) {
  const auto model = backend.trainable(spec, parameters);
  const LossConfig loss{.alpha = spec.depth() >= 2 ? 0.1 : 0.0, .beta = spec.depth() >= 1 ? 0.1 : 0.0};
  Trained out;
  for (int64_t step = 1; step <= c.steps; ++step) {
    const TokenBatch batch = random_tokens(spec, c.rows, c.length, c.seed + static_cast<uint64_t>(step));
    out.losses.push_back(model->accumulate_gradients(batch, loss, 1.0).total(loss));
    AdamWStep update{.step = step, .learning_rate = 1e-3};
    update.gradient_scale = std::min(1.0, 1.0 / model->gradient_norm());
    model->adamw_step(update);
  }
  out.mean_gradients.resize(parameters.size());
  std::vector<float> second(parameters.size());
  model->read_moments(out.mean_gradients, second);
  return out;
}

/// NaN or infinite where there is nothing to compare.
template <class T>
double relative_difference(std::span<const T> found, std::span<const T> wanted) {
  double error = 0.0;
  double squares = 0.0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const auto w = static_cast<double>(wanted[i]);
    error += (static_cast<double>(found[i]) - w) * (static_cast<double>(found[i]) - w);
    squares += w * w;
  }
  return std::sqrt(error / squares);
}

/// NaN if either is.
double larger_error(double a, double b) {
  return std::isnan(a) || a > b ? a : b;
}

/// Of the tensor that is furthest off: a mistake in a small one is not lost among large ones.
double gradient_difference(const ModelSpec& spec, const Trained& found, const Trained& wanted) {
  double worst = 0.0;
  for (const ParameterInfo& p : parameter_list(spec)) {
    if (!p.trained) continue;
    const auto part = [&](const Trained& of) {
      return std::span(of.mean_gradients).subspan(p.offset, static_cast<size_t>(p.size()));
    };
    worst = larger_error(worst, relative_difference<float>(part(found), part(wanted)));
  }
  return worst;
}

}  // namespace

Agreement compare_training(Backend& tested, Backend& reference, const ModelSpec& spec,
                           std::span<const float> parameters, const TrainingAgreementCase& c) {
  const Trained wanted = train(reference, spec, parameters, c);
  const Trained found = train(tested, spec, parameters, c);
  const double losses = relative_difference<double>(found.losses, wanted.losses);
  return {.relative_error = larger_error(losses, gradient_difference(spec, found, wanted)),
          .repeatable = train(tested, spec, parameters, c) == found};
}

Agreement compare(InferenceModel& tested, InferenceModel& reference, const AgreementCase& c) {
  const GenerationRequest request = forced_text(tested.spec(), c);
  const std::vector<double> wanted = log_probs(reference, request);
  const std::vector<double> found = log_probs(tested, request);
  Agreement out;
  out.repeatable = log_probs(tested, request) == found;
  double sum = 0.0;
  double squares = 0.0;
  double error = 0.0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    sum += wanted[i];
    squares += wanted[i] * wanted[i];
    error += (found[i] - wanted[i]) * (found[i] - wanted[i]);
  }
  const auto n = static_cast<double>(wanted.size());
  const double variance = squares / n - sum / n * (sum / n);
  out.relative_error = std::sqrt(error / n / variance);
  if (!(variance > 0.0)) out.relative_error = std::numeric_limits<double>::infinity();  // nothing to compare
  return out;
}

}  // namespace photon::bench
