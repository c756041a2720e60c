// SPDX-License-Identifier: Apache-2.0
#include "reference/generator.h"

#include <algorithm>
#include <chrono>
#include <map>

namespace photon::reference {
namespace {

// Tokens that one prefill pass takes at most, so that its activations fit whatever the batch.
constexpr int64_t prefill_tokens = 8192;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

template <class S>
GenerationResult Generator<S>::run(const GenerationRequest& request) {
  check_request(spec_, request);
  started_ = now();
  last_burst_ = started_;
  set_up(request);
  prefill_prompts();
  prefilled_ = now();
  prefill_rows_.clear();
  for (const auto& cache : machine_.caches()) prefill_rows_.push_back(cache.moved());
  if (request.schedule == Schedule::unrolled) {
    decode_unrolled();
  } else {
    decode_streamed();
  }
  return finish();
}

template <class S>
void Generator<S>::set_up(const GenerationRequest& request) {
  request_ = &request;
  plan_.emplace(spec_, request);
  burst_seconds_.clear();
  first_burst_ = 0.0;
  rows_.clear();
  std::vector<RowText> texts;
  for (const auto& prompt : request.prompts) {
    const auto length = std::ssize(prompt);
    const int64_t start = plan_->prefilled_meta_contexts(length) * spec_.meta_context();
    const int64_t end = start + plan_->new_meta_contexts(length, request.new_tokens) * spec_.meta_context();
    for (int64_t sample = 0; sample < request.samples; ++sample) {
      RowText text;
      text.tokens = prompt;
      if (!request.forced.empty()) {
        const auto& forced = request.forced[rows_.size()];
        text.tokens.insert(text.tokens.end(), forced.begin(), forced.end());
      }
      text.known = std::ssize(text.tokens);
      text.tokens.resize(std::max(end, text.known) + spec_.target_shift(), 0);
      text.log_probs.assign(text.tokens.size(), 0.0);
      texts.push_back(std::move(text));
      rows_.push_back({.prompt_length = length,
                       .start = start,
                       .target = length + request.new_tokens,
                       .emitted = length});
    }
  }
  machine_.set_up(request, *plan_, std::move(texts));
}

// Prompts of equal length in whole meta-contexts run together.
template <class S>
void Generator<S>::prefill_prompts() {
  std::map<int64_t, std::vector<Sequence>> by_length;
  for (int64_t r = 0; r < std::ssize(rows_); r += request_->samples) {
    const int64_t length = plan_->prefilled_meta_contexts(row(r).prompt_length);
    if (length > 0) by_length[length].push_back({.row = r});
  }
  for (const auto& [length, prompts] : by_length) {
    const int64_t step = std::max<int64_t>(1, prefill_tokens / (length * spec_.meta_context()));
    for (auto at = prompts.begin(); at != prompts.end();) {
      const auto end = at + std::min<int64_t>(step, prompts.end() - at);
      machine_.take(Stretch::prompt, {at, end}, length);
      prefill(*plan_, machine_, length);
      at = end;
    }
  }
  for (auto& cache : machine_.caches()) cache.finish_prefill();
}

template <class S>
std::vector<int64_t> Generator<S>::active_rows() const {
  std::vector<int64_t> rows;
  for (size_t r = 0; r < rows_.size(); ++r) {
    if (!rows_[r].finished && rows_[r].start < rows_[r].target) rows.push_back(static_cast<int64_t>(r));
  }
  return rows;
}

// The next meta-context of some rows.
template <class S>
void Generator<S>::advance(std::span<const int64_t> rows) {
  std::vector<Sequence> sequences;
  for (const int64_t r : rows) {
    sequences.push_back({.row = r, .start = row(r).start});
    row(r).start += spec_.meta_context();
  }
  machine_.take(Stretch::meta_context, std::move(sequences));
  decode_meta_context(*plan_, machine_);
}

// What is made of the last token, a vanilla model's state and any hierarchy's re-encoding, is not used.
template <class S>
void Generator<S>::decode_streamed() {
  if (!emit()) return;  // vanilla's prefill has made the first token
  for (auto rows = active_rows(); !rows.empty(); rows = active_rows()) {
    advance(rows);
    if (!emit()) return;
  }
}

// All latents of the answer first, then every chunk below the top together: the chunks are independent given
// the prompt, so nothing but the order of work differs from the streamed schedule.
template <class S>
void Generator<S>::decode_unrolled() {
  std::vector<Sequence> answer;  // meta-contexts, a row's one after another
  std::vector<Index> next;       // a row: which of them is its next
  for (int64_t r = 0; r < std::ssize(rows_); ++r) {
    next.push_back(std::ssize(answer));
    for (int64_t start = row(r).start; start < row(r).target; start += spec_.meta_context())
      answer.push_back({.row = r, .start = start});
  }
  if (answer.empty()) return;  // no new tokens, and no prompt that ends inside a meta-context
  const int below = spec_.depth() - 1;
  UnitRows<S> latents;
  latents.resize(std::ssize(answer), plan_->level(below).units, spec_.shape(below).width);
  for (auto rows = active_rows(); !rows.empty(); rows = active_rows()) {
    advance(rows);
    for (Index i = 0; i < std::ssize(rows); ++i) {
      const Index to = next[rows[static_cast<size_t>(i)]]++;
      for (Index u = 0; u < latents.count; ++u) latents.unit(to, u) = machine_.xhat(below).unit(i, u);
    }
  }
  machine_.take(Stretch::answer, std::move(answer));
  machine_.xhat(below) = std::move(latents);
  decode_rest_of_answer(*plan_, machine_);
  emit();
}

template <class S>
GenerationResult Generator<S>::finish() {
  GenerationResult result;
  const double end = now();
  result.prefill_seconds = prefilled_ - started_;
  result.decode_seconds = end - prefilled_;
  result.ttft_seconds = first_burst_ > 0.0 ? first_burst_ - started_ : 0.0;
  result.burst_seconds = burst_seconds_;
  for (int64_t r = 0; r < std::ssize(rows_); ++r) {
    const RowText& text = machine_.text(r);
    const auto [from, to] = std::pair(row(r).prompt_length, row(r).emitted);
    result.tokens.emplace_back(text.tokens.begin() + from, text.tokens.begin() + to);
    result.log_probs.emplace_back(text.log_probs.begin() + from, text.log_probs.begin() + to);
  }
  result.prefill_rows = prefill_rows_;
  for (size_t l = 0; l < prefill_rows_.size(); ++l) {
    const KvCache<S>& cache = machine_.caches()[l];
    const CacheRows total = cache.moved();
    result.decode_rows.push_back(
        {total.read - prefill_rows_[l].read, total.written - prefill_rows_[l].written});
    result.kv_bytes_planned += cache.bytes_planned();
    result.kv_bytes_held += cache.bytes_held();
  }
  for (const int64_t bytes : machine_.local_bytes()) result.local_bytes += bytes;
  return result;
}

// Hands out what is known behind a row's last emitted token.
template <class S>
bool Generator<S>::emit() {
  bool more = true;
  bool any = false;
  for (int64_t r = 0; r < std::ssize(rows_); ++r) {
    Row& state = row(r);
    const std::span<const int32_t> tokens = machine_.text(r).tokens;
    const int64_t end = std::min(state.start + spec_.target_shift(), state.target);
    const int64_t begin = state.emitted;
    while (state.emitted < end && !state.finished) {
      const int32_t token = tokens[state.emitted++];
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
      const auto burst = tokens.subspan(begin, static_cast<size_t>(state.emitted - begin));
      more = request_->on_burst({r, burst}) && more;
    }
  }
  return more;
}

template class Generator<float>;
template class Generator<double>;

}  // namespace photon::reference
