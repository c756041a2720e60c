// SPDX-License-Identifier: Apache-2.0
#include "trainer/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/error.h"

namespace photon::trainer {
namespace {

struct Window {
  int64_t begin = 0;
  int64_t length = 0;
  int64_t first_scored = 1;  ///< index in the window
};

std::vector<Window> windows_of(int64_t tokens, int64_t context, int64_t stride) {
  std::vector<Window> windows;
  int64_t scored = 0;  // tokens before this one are done
  for (int64_t begin = 0; begin < tokens && scored < tokens; begin += stride) {
    const Window w{begin, std::min(context, tokens - begin), std::max<int64_t>(1, scored - begin)};
    if (w.first_scored < w.length) windows.push_back(w);
    scored = begin + w.length;
  }
  return windows;
}

void require_multiple(const ModelSpec& spec, std::string_view name, int64_t value) {
  const int64_t unit = spec.meta_context();
  if (value < 1 || value % unit != 0) {
    throw Error(fmt::format("{} = {} is no multiple of the meta-context of {}, {} tokens", name, value,
                            spec.name, unit));
  }
}

struct WindowSum {
  double nll = 0.0;
  int64_t tokens = 0;
  int64_t bytes = 0;
};

/// Of sum(value) / sum(size) over windows.
template <class Value, class Size>
std::optional<double> ratio_error(const std::vector<WindowSum>& windows, Value value, Size size) {
  double values = 0.0;
  double sizes = 0.0;
  for (const WindowSum& w : windows) {
    values += value(w);
    sizes += static_cast<double>(size(w));
  }
  if (windows.size() < 2 || sizes == 0.0) return {};
  double squares = 0.0;
  for (const WindowSum& w : windows) {
    const double residual = value(w) - values / sizes * static_cast<double>(size(w));
    squares += residual * residual;
  }
  const auto n = static_cast<double>(windows.size());
  return std::sqrt(n / (n - 1.0) * squares) / sizes;
}

class Sum {
 public:
  explicit Sum(const TokenBytes& bytes) : bytes_(bytes) {
    if (!bytes_.empty()) score_.bytes = 0;
  }
  void begin_window() { windows_.emplace_back(); }
  /// The token at `place` of the text.
  void add(int64_t place, double log_prob) {
    // Kahan: a long text sums many small numbers.
    const double term = -log_prob - carry_;
    const double next = score_.nll + term;
    carry_ = (next - score_.nll) - term;
    score_.nll = next;
    ++score_.tokens;
    WindowSum& window = windows_.back();
    window.nll -= log_prob;
    ++window.tokens;
    if (!score_.bytes) return;
    const int32_t bytes = bytes_.at(place);
    if (bytes < 0) {
      score_.bytes.reset();
    } else {
      *score_.bytes += bytes;
      window.bytes += bytes;
    }
  }
  const std::vector<WindowSum>& windows() const { return windows_; }
  Score result() const {
    if (!std::isfinite(score_.nll)) throw Error("a scored token has no finite log-probability");
    Score score = score_;
    score.windows = std::ssize(windows_);
    const auto nll = [](const WindowSum& w) { return w.nll; };
    score.token_nll_error = ratio_error(windows_, nll, [](const WindowSum& w) { return w.tokens; });
    if (score.bytes) {
      const auto error = ratio_error(windows_, nll, [](const WindowSum& w) { return w.bytes; });
      if (error) score.bits_per_byte_error = *error / std::numbers::ln2;
    }
    return score;
  }

 private:
  const TokenBytes& bytes_;
  Score score_;
  std::vector<WindowSum> windows_;
  double carry_ = 0.0;
};

std::optional<double> difference_error(const Sum& a, const Sum& b) {
  std::vector<WindowSum> differences = a.windows();
  for (size_t w = 0; w < differences.size(); ++w) differences[w].nll -= b.windows()[w].nll;
  return ratio_error(
      differences, [](const WindowSum& w) { return w.nll; }, [](const WindowSum& w) { return w.tokens; });
}

TokenBatch gather(std::span<const int32_t> tokens, std::span<const Window> windows, int64_t length) {
  TokenBatch batch{.sequences = std::ssize(windows), .length = length, .ids = {}};
  batch.ids.resize(windows.size() * static_cast<size_t>(length));
  for (size_t r = 0; r < windows.size(); ++r) {
    const auto from = tokens.subspan(windows[r].begin, static_cast<size_t>(windows[r].length));
    std::copy(from.begin(), from.end(), batch.ids.begin() + static_cast<int64_t>(r) * length);
  }
  return batch;
}

}  // namespace

double Score::perplexity() const {
  return std::exp(token_nll());
}

std::optional<double> Score::perplexity_error() const {
  if (!token_nll_error) return {};
  return perplexity() * *token_nll_error;
}

std::optional<double> Score::bits_per_byte() const {
  if (!bytes || *bytes == 0) return {};
  return nll / std::numbers::ln2 / static_cast<double>(*bytes);
}

Score score(InferenceModel& model, std::span<const int32_t> tokens, const ScoreOptions& options,
            const TokenBytes& bytes, const std::function<void(int64_t, int64_t)>& progress) {
  const ModelSpec& spec = model.spec();
  const int64_t unit = spec.meta_context();
  const int64_t stride = options.stride == 0 ? options.context : options.stride;
  require_multiple(spec, "context", options.context);
  require_multiple(spec, "stride", stride);
  if (stride > options.context) {
    throw Error(fmt::format("stride = {} leaves tokens out between windows of {}", stride, options.context));
  }
  const auto windows = windows_of(std::ssize(tokens), options.context, stride);
  if (windows.empty()) throw Error(fmt::format("{} tokens leave none to score", tokens.size()));

  Sum sum(bytes);
  const auto total = std::ssize(windows);
  for (int64_t first = 0; first < total;) {
    // Only windows at the end are short; they share a batch with none of another padded length.
    const auto padded = [&](int64_t w) { return (windows[w].length + unit - 1) / unit * unit; };
    const int64_t length = padded(first);
    int64_t end = first;
    while (end < total && end - first < options.batch && padded(end) == length) ++end;
    const auto part = std::span(windows).subspan(first, static_cast<size_t>(end - first));
    const TokenBatch batch = gather(tokens, part, length);
    const auto log_probs = model.token_log_probs(batch);
    for (size_t r = 0; r < part.size(); ++r) {
      sum.begin_window();
      for (int64_t t = part[r].first_scored; t < part[r].length; ++t) {
        const size_t at = r * static_cast<size_t>(length) + static_cast<size_t>(t);
        sum.add(part[r].begin + t, log_probs.at(at));
      }
    }
    first = end;
    if (progress) progress(first, total);
  }
  return sum.result();
}

GenerationScores score_recgen(InferenceModel& model, std::span<const int32_t> tokens,
                              const ScoreOptions& options, int64_t prompt, Schedule schedule,
                              const TokenBytes& bytes,
                              const std::function<void(int64_t, int64_t)>& progress) {
  const ModelSpec& spec = model.spec();
  require_multiple(spec, "context", options.context);
  if (spec.depth() < 2) {
    throw Error(
        fmt::format("recgen needs a hierarchy of two levels or more; {} has {}", spec.name, spec.depth()));
  }
  if (prompt < 1 || prompt >= options.context) {
    throw Error(fmt::format("prompt = {}: 1 to {} tokens leave something to score in a window of {}", prompt,
                            options.context - 1, options.context));
  }
  const int64_t total = std::ssize(tokens) / options.context;
  if (total == 0)
    throw Error(fmt::format("{} tokens are less than one window of {}", tokens.size(), options.context));

  Sum recgen(bytes);
  Sum hiergen(bytes);
  for (int64_t first = 0; first < total; first += options.batch) {
    const int64_t rows = std::min(options.batch, total - first);
    const auto ids = tokens.subspan(first * options.context, static_cast<size_t>(rows * options.context));
    const TokenBatch batch{.sequences = rows, .length = options.context, .ids = {ids.begin(), ids.end()}};
    GenerationRequest request;
    request.new_tokens = options.context - prompt;
    request.generation = Generation::recgen;
    request.schedule = schedule;
    for (int64_t r = 0; r < rows; ++r) {
      const auto row = batch.sequence(r);
      request.prompts.emplace_back(row.begin(), row.begin() + prompt);
      request.forced.emplace_back(row.begin() + prompt, row.end());
    }
    const GenerationResult generated = model.generate(request);
    const auto teacher = model.token_log_probs(batch);
    for (int64_t r = 0; r < rows; ++r) {
      recgen.begin_window();
      hiergen.begin_window();
      for (int64_t t = prompt; t < options.context; ++t) {
        const auto at = static_cast<size_t>(r * options.context + t);
        const int64_t place = (first + r) * options.context + t;
        recgen.add(place, generated.log_probs.at(r).at(t - prompt));
        hiergen.add(place, teacher.at(at));
      }
    }
    if (progress) progress(first + rows, total);
  }
  return {recgen.result(), hiergen.result(), difference_error(recgen, hiergen)};
}

}  // namespace photon::trainer
