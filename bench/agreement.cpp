#include "bench/agreement.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/random.h"

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

}  // namespace

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
