#include "reference/generator.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "core/error.h"
#include "reference/chunker.h"
#include "reference/head.h"

namespace photon::reference {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

template <class S>
Index Generator<S>::Chunks::total() const {
  Index sum = 0;
  for (const int64_t c : counts) sum += c;
  return sum;
}

template <class S>
Generator<S>::Generator(const ModelSpec& spec, const Weights<S>& weights) : spec_(spec), w_(weights) {
  const auto levels = static_cast<size_t>(spec.depth()) + 1;
  for (size_t l = 0; l < levels; ++l) {
    ropes_.emplace_back(spec.shape(static_cast<int>(l)).head_size(), spec.rope_theta);
  }
  windows_.resize(levels);
  encoders_.resize(levels);
  xhat_.resize(levels);
  encoded_.resize(levels);
  part_.resize(levels + 1);
}

template <class S>
void Generator<S>::check(const GenerationRequest& request) const {
  const auto refuse = [&](const std::string& why) {
    throw Error(fmt::format("model '{}': {}", spec_.name, why));
  };
  if (request.prompts.empty()) refuse("no prompt to continue");
  if (request.samples < 1) refuse(fmt::format("{} samples of a prompt; at least 1", request.samples));
  if (request.new_tokens < 0) refuse(fmt::format("{} new tokens; at least 0", request.new_tokens));
  if (request.generation == Generation::recgen && depth() < 2) {
    refuse(fmt::format("recgen needs two levels or more, this model has {}", depth()));
  }
  if (request.schedule == Schedule::unrolled && request.generation != Generation::recgen) {
    refuse("the unrolled schedule exists for recgen alone: hiergen's latents depend on the tokens");
  }
  const bool ablated = request.recgen_observes_upward || request.recgen_keeps_reading_feedback;
  if (ablated && (request.generation != Generation::recgen || request.schedule != Schedule::streamed)) {
    refuse("the two switches of recgen need recgen on the streamed schedule");
  }
  const Sampling& s = request.sampling;
  if (!(s.temperature >= 0.0) || !std::isfinite(s.temperature)) refuse("temperature must be 0 or more");
  if (!(s.top_p > 0.0 && s.top_p <= 1.0)) refuse("top_p must lie in (0, 1]");
  if (s.top_k < 0) refuse("top_k must be 0 (no limit) or more");
  const auto check_ids = [&](const std::vector<int32_t>& ids) {
    for (const int32_t id : ids) {
      if (id < 0 || id >= spec_.vocab) {
        refuse(fmt::format("token id {} is outside the vocabulary of {}", id, spec_.vocab));
      }
    }
  };
  for (const auto& prompt : request.prompts) {
    check_ids(prompt);
    if (depth() == 0 && prompt.empty())
      refuse("a vanilla model cannot predict a first token: give it a prompt");
  }
  for (const auto& forced : request.forced) check_ids(forced);
  const size_t rows = request.prompts.size() * static_cast<size_t>(request.samples);
  if (!request.forced.empty() && request.forced.size() != rows) {
    refuse(fmt::format("{} forced continuations for {} rows", request.forced.size(), rows));
  }
}

template <class S>
int64_t Generator<S>::new_units(int l) const {
  int64_t most = 0;
  for (const Row& row : rows_) {
    const int64_t begin = row.prompt_length / spec_.meta_context();
    const int64_t end = (row.target + spec_.meta_context() - 1) / spec_.meta_context();
    most = std::max(most, (end - begin) * (depth() == 0 ? 1 : spec_.units_per_meta_context(l)));
  }
  return most;
}

template <class S>
void Generator<S>::set_up(const GenerationRequest& request) {
  request_ = &request;
  sampler_ = Sampler(request.sampling);
  rows_.clear();
  start_.clear();
  burst_seconds_.clear();
  first_burst_ = 0.0;
  local_bytes_.assign(windows_.size(), 0);
  for (size_t p = 0; p < request.prompts.size(); ++p) {
    for (int64_t sample = 0; sample < request.samples; ++sample) {
      Row row;
      row.tokens = request.prompts[p];
      row.prompt_length = static_cast<int64_t>(row.tokens.size());
      row.target = row.prompt_length + request.new_tokens;
      row.emitted = row.prompt_length;
      if (!request.forced.empty()) {
        const auto& forced = request.forced[rows_.size()];
        row.tokens.insert(row.tokens.end(), forced.begin(), forced.end());
      }
      row.known = static_cast<int64_t>(row.tokens.size());
      const int64_t first = row.prompt_length / spec_.meta_context() * spec_.meta_context();
      const int64_t last =
          (row.target + spec_.meta_context() - 1) / spec_.meta_context() * spec_.meta_context();
      row.tokens.resize(static_cast<size_t>(std::max(last, row.known)) + 1, 0);
      row.log_probs.assign(row.tokens.size(), 0.0);
      rows_.push_back(std::move(row));
      start_.push_back(first);
    }
  }
  caches_.clear();
  for (int l = 0; l <= depth(); ++l) {
    if (l == 0 && depth() > 0) {
      caches_.emplace_back();
      continue;
    }
    typename KvCache<S>::Layout layout;
    layout.shape = spec_.shape(l);
    layout.layers = l == 0 ? spec_.layers : spec_.level(l).encoder_layers;
    if (l > 0) layout.visibility = visibility(l);
    for (const auto& prompt : request.prompts) {
      const auto length = static_cast<int64_t>(prompt.size());
      layout.prompt_units.push_back(length / spec_.meta_context() *
                                    (l == 0 ? 1 : spec_.units_per_meta_context(l)));
    }
    layout.samples = request.samples;
    const bool kept = l == depth() || observed_upward() || one_after_another();
    layout.keeps_prefill = kept;
    layout.new_units = kept ? new_units(l) : 0;
    caches_.emplace_back(std::move(layout));
  }
  histories_.resize(static_cast<size_t>(depth()) + 1);
  for (int l = 1; l <= depth(); ++l) {
    histories_[static_cast<size_t>(l)].reset(static_cast<Index>(rows_.size()),
                                             spec_.level(l).converter_context, w_.level(l).start);
  }
}

template <class S>
GenerationResult Generator<S>::run(const GenerationRequest& request) {
  check(request);
  started_ = now();
  last_burst_ = started_;
  set_up(request);
  prefill();
  prefilled_ = now();
  prefill_rows_.clear();
  for (const auto& cache : caches_) prefill_rows_.push_back(cache.moved());
  if (depth() == 0) {
    decode_vanilla();
  } else if (request.schedule == Schedule::unrolled) {
    decode_unrolled();
  } else {
    decode_streamed();
  }
  return finish();
}

template <class S>
GenerationResult Generator<S>::finish() {
  GenerationResult result;
  const double end = now();
  result.prefill_seconds = prefilled_ - started_;
  result.decode_seconds = end - prefilled_;
  result.ttft_seconds = first_burst_ > 0.0 ? first_burst_ - started_ : 0.0;
  result.burst_seconds = burst_seconds_;
  for (const Row& row : rows_) {
    result.tokens.emplace_back(row.tokens.begin() + row.prompt_length, row.tokens.begin() + row.emitted);
    result.log_probs.emplace_back(row.log_probs.begin() + row.prompt_length,
                                  row.log_probs.begin() + row.emitted);
  }
  result.prefill_rows = prefill_rows_;
  for (size_t l = 0; l < caches_.size(); ++l) {
    const CacheRows total = caches_[l].moved();
    result.decode_rows.push_back(
        {total.read - prefill_rows_[l].read, total.written - prefill_rows_[l].written});
    result.kv_bytes_planned += caches_[l].bytes_planned();
    result.kv_bytes_held += caches_[l].bytes_held();
  }
  for (const int64_t bytes : local_bytes_) result.local_bytes += bytes;
  return result;
}

template <class S>
std::vector<int64_t> Generator<S>::active_rows() const {
  std::vector<int64_t> rows;
  for (size_t r = 0; r < rows_.size(); ++r) {
    if (!rows_[r].finished && start_[r] < rows_[r].target) rows.push_back(static_cast<int64_t>(r));
  }
  return rows;
}

// Hands out what lies between a row's last emitted token and the start of its next meta-context.
template <class S>
bool Generator<S>::emit(std::span<const int64_t> rows) {
  bool more = true;
  bool any = false;
  for (const int64_t r : rows) {
    Row& state = row(r);
    const int64_t end = std::min(start_[static_cast<size_t>(r)], state.target);
    const int64_t begin = state.emitted;
    while (state.emitted < end && !state.finished) {
      const int32_t token = state.tokens[static_cast<size_t>(state.emitted++)];
      state.finished = request_->end_of_text.has_value() && token == *request_->end_of_text;
    }
    if (state.emitted == begin) continue;
    if (!any) {
      const double time = now();
      if (first_burst_ == 0.0) {
        first_burst_ = time;
      } else {
        burst_seconds_.push_back(time - last_burst_);
      }
      last_burst_ = time;
      any = true;
    }
    if (request_->on_burst) {
      const std::span<const int32_t> tokens(state.tokens.data() + begin,
                                            static_cast<size_t>(state.emitted - begin));
      more = request_->on_burst({r, tokens}) && more;
    }
  }
  return more;
}

template <class S>
void Generator<S>::chunk(int l, const Matrix<S>& below, Matrix<S>& out) {
  chunk_units(w_.level(l).chunker, spec_.norm_eps, below, spec_.level(l).chunk, normed_, out);
}

template <class S>
void Generator<S>::convert(int l, const Matrix<S>& conditioning, Matrix<S>& prefix) {
  const LevelWeights<S>& w = w_.level(l);
  affine<S>(conditioning, w.converter, w.converter_bias, normed_);
  prefix = reshaped(normed_, conditioning.rows() * spec_.level(l).prefix, spec_.shape(l - 1).width);
}

template <class S>
void Generator<S>::log_probs_of(const Matrix<S>& states) {
  head_log_probs(states, w_.head, logits_, log_probs_);
}

template <class S>
void Generator<S>::pick_token(Row& row, int64_t row_index, int64_t position,
                              std::span<const double> log_probs) {
  const auto at = static_cast<size_t>(position);
  if (position >= row.known) {
    row.tokens[at] = sampler_.pick(log_probs, request_->first_row + row_index, position);
  }
  row.log_probs[at] = log_probs[static_cast<size_t>(row.tokens[at])];
}

template class Generator<float>;
template class Generator<double>;

}  // namespace photon::reference
