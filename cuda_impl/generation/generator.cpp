// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/generation/generator.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/base/error.h"
#include "cuda_impl/kernels/advance.h"
#include "cuda_impl/model/rotations.h"

namespace photon::PHOTON_GPU {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Generator::Generator(const ModelSpec& spec, const ModelWeights& weights, Stream& stream, Linears& linear,
                     const EngineLimits& limits)
    : spec_(spec),
      w_(weights),
      stream_(stream),
      limits_(limits),
      machine_(spec, weights, stream, linear, clock_, counter_) {}

Arena Generator::measure(const GenerationRequest& request) const {
  check_request(spec_, request);
  const DecodePlan decode(spec_, request);
  Arena arena;
  GenerationBuffers::lay_out(arena, decode, plan_generation(decode, request, limits_));
  return arena;
}

void Generator::set_eager(bool eager) {
  eager_ = eager;
  graphs_.clear();
  counter_.forget();
}

GenerationResult Generator::run(const GenerationRequest& request) {
  check_request(spec_, request);
  const DecodePlan decode(spec_, request);
  const Session session{decode, plan_generation(decode, request, limits_), request.sampling,
                        request.first_sequence};
  if (!session_.has_value() || !(*session_ == session)) place(session);
  started_ = last_burst_ = now();
  set_up(request);
  prefill_prompts();
  stream_.synchronize();
  prefilled_ = now();
  counter_.end_prefill();
  const Stream::Scope scope(stream_, "decode");
  if (request.schedule == Schedule::unrolled) {
    decode_unrolled();
  } else {
    decode_streamed();
  }
  return finish();
}

// Memory for a request of this shape; what was done or recorded for another is void.
void Generator::place(const Session& session) {
  graphs_.clear();
  counter_.forget();
  session_.reset();
  Arena measured;
  GenerationBuffers::lay_out(measured, session.decode, session.plan);
  if (measured.bytes() > memory_.bytes()) {
    memory_ = DeviceBuffer();
    memory_ = DeviceBuffer(measured.bytes());
  }
  Arena arena(memory_.data());
  b_ = GenerationBuffers::lay_out(arena, session.decode, session.plan);
  planned_ = measured;
  bursts_.place(session.plan.rows, spec_.meta_context());
  for (const auto& [head_size, table] : b_.rotations) {
    stream_.upload(table, rotation_table(session.plan.positions, head_size, spec_.rope_theta));
  }
  session_.emplace(session);
  machine_.place(*session_, b_);
}

void Generator::set_up(const GenerationRequest& request) {
  request_ = &request;
  burst_seconds_.clear();
  first_burst_ = 0.0;
  pending_.reset();
  set_up_rows(request);
  set_up_prompts();
  for (int l = 1; l <= depth(); ++l) {
    reset_latents(stream_,
                  {.history = buffers(l).history,
                   .rows = plan().rows,
                   .context = static_cast<int32_t>(spec_.level(l).converter_context),
                   .width = static_cast<int32_t>(spec_.shape(l).width)},
                  w_.level(l).start);
  }
  if (b_.answer_latents != nullptr) {
    // Rows with shorter answers leave some of theirs unmade.
    const int64_t count =
        plan().rows * plan().answer * spec_.level(depth()).chunk * spec_.shape(depth() - 1).width;
    check(cudaMemsetAsync(b_.answer_latents, 0, static_cast<size_t>(count) * sizeof(bf16), stream_.handle()),
          "cudaMemsetAsync");
  }
}

// The text of every row, and where it stands behind prefill.
void Generator::set_up_rows(const GenerationRequest& request) {
  rows_.clear();
  std::vector<int32_t> tokens(static_cast<size_t>(plan().rows * plan().capacity), 0);
  bool text_given = false;  // beyond what prefill reads
  std::vector<int32_t> known;
  std::vector<int32_t> target;
  std::vector<int64_t> start;
  std::vector<int64_t> end;
  for (int64_t r = 0; r < plan().rows; ++r) {
    const auto& prompt = request.prompts[r / plan().samples];
    Row row;
    row.prompt_length = std::ssize(prompt);
    row.target = row.prompt_length + request.new_tokens;
    row.emitted = row.prompt_length;
    int32_t* to = tokens.data() + r * plan().capacity;
    std::copy(prompt.begin(), prompt.end(), to);
    int64_t given = row.prompt_length;
    if (!request.forced.empty()) {
      const auto& forced = request.forced[r];
      std::copy(forced.begin(), forced.end(), to + given);
      given += std::ssize(forced);
    }
    known.push_back(static_cast<int32_t>(given));
    target.push_back(static_cast<int32_t>(row.target));
    const int64_t begin = session_->decode.prefilled_meta_contexts(row.prompt_length) * spec_.meta_context();
    text_given = text_given || given > begin;
    start.push_back(begin < row.target ? begin : -1);
    end.push_back(row.target);
    rows_.push_back(std::move(row));
  }
  clock_ = RowClock(start, end, plan().samples);
  if (text_given) {
    stream_.upload(b_.tokens.tokens, tokens);
  } else {
    check(cudaMemsetAsync(b_.tokens.tokens, 0, tokens.size() * sizeof(int32_t), stream_.handle()),
          "cudaMemsetAsync");
  }
  stream_.upload(b_.tokens.start, std::vector<int32_t>(start.begin(), start.end()));
  stream_.upload(b_.begin, std::vector<int32_t>(start.begin(), start.end()));
  stream_.upload(const_cast<int32_t*>(b_.tokens.known), known);
  stream_.upload(const_cast<int32_t*>(b_.tokens.target), target);
}

int64_t Generator::prefilled_meta_contexts(int32_t prompt) const {
  return session_->decode.prefilled_meta_contexts(std::ssize(request_->prompts[prompt]));
}

// The order in which prefill takes the prompts, and what each level's cache will hold of them.
void Generator::set_up_prompts() {
  const DecodePlan& decode = session_->decode;
  const auto whole = [&](int32_t prompt) { return prefilled_meta_contexts(prompt); };
  order_.resize(plan().prompts);
  std::iota(order_.begin(), order_.end(), 0);
  std::stable_sort(order_.begin(), order_.end(), [&](int32_t a, int32_t b) { return whole(a) < whole(b); });
  std::vector<int32_t> order = order_;
  for (const int32_t p : order_) {
    for (int64_t s = 0; s < plan().samples; ++s)
      order.push_back(static_cast<int32_t>(p * plan().samples + s));
  }
  stream_.upload(b_.order, order);
  const auto levels = static_cast<size_t>(depth()) + 1;
  std::vector<std::vector<int64_t>> prompt_units(levels);
  std::vector<int64_t> layers(levels, 0);
  for (int l = spec_.first_encoder(); l <= depth(); ++l) {
    layers[l] = spec_.encoder_layers(l);
    auto& units = prompt_units[l];
    std::vector<int32_t> first;
    std::vector<int32_t> count;
    std::vector<int32_t> own_first;
    for (int32_t p = 0; p < plan().prompts; ++p) {
      units.push_back(whole(p) * decode.level(l).units);
      first.push_back(static_cast<int32_t>(decode.first_kept(l, units.back())));
      count.push_back(static_cast<int32_t>(units.back()) - first.back());
      own_first.insert(own_first.end(), static_cast<size_t>(plan().samples),
                       static_cast<int32_t>(units.back()));
    }
    if (buffers(l).own_first == nullptr) continue;
    stream_.upload(buffers(l).shared_first, first);
    stream_.upload(buffers(l).shared_count, count);
    stream_.upload(buffers(l).own_first, own_first);
  }
  counter_.set_up(std::move(prompt_units), std::move(layers));
}

// Prompts of equal length in whole meta-contexts run together, as many as a pass takes.
void Generator::prefill_prompts() {
  const Stream::Scope scope(stream_, "prefill");
  const auto whole = [&](int64_t i) { return prefilled_meta_contexts(order_[i]); };
  for (int64_t first = 0; first < plan().prompts;) {
    const int64_t length = whole(first);
    const int64_t most =
        std::max<int64_t>(1, limits_.prefill_tokens / std::max<int64_t>(1, length * spec_.meta_context()));
    int64_t count = 1;
    while (count < most && first + count < plan().prompts && whole(first + count) == length) ++count;
    if (length > 0) prefill_pass(first, count, length);
    first += count;
  }
}

void Generator::prefill_pass(int64_t first, int64_t count, int64_t meta_contexts) {
  std::vector<int32_t> ids;
  for (int64_t i = first; i < first + count; ++i) {
    const auto& prompt = request_->prompts[order_[static_cast<size_t>(i)]];
    ids.insert(ids.end(), prompt.begin(), prompt.begin() + meta_contexts * spec_.meta_context());
  }
  stream_.upload(b_.prompt_ids, ids);
  machine_.take(first, count);
  prefill(session_->decode, machine_, meta_contexts);
}

// Does what `work` starts, the same each time, as a graph of this name; its cache traffic is counted anew.
void Generator::repeat(const std::string& name, const std::function<void()>& work) {
  const auto scoped = [&] {
    const Stream::Scope scope(stream_, name);
    counter_.begin_steps();
    machine_.take(0, plan().rows);
    work();
    counter_.keep(name);
  };
  if (eager_) {
    scoped();
  } else {
    graphs_[name].run(stream_, scoped);
  }
  counter_.repeat(name, clock_);
}

void Generator::advance_rows(int64_t first, int64_t tokens, int64_t step) {
  advance(stream_, {.rows = b_.tokens,
                    .count = plan().rows,
                    .first = static_cast<int32_t>(first),
                    .tokens = static_cast<int32_t>(tokens),
                    .step = static_cast<int32_t>(step),
                    .burst = b_.burst,
                    .burst_log_probs = b_.burst_log_probs});
}

void Generator::make_meta_context() {
  decode_meta_context(session_->decode, machine_);
  advance_rows(spec_.target_shift(), spec_.meta_context(), spec_.meta_context());
}

// Unrolled: the latents of one meta-context of every row, and nothing to hand out yet.
void Generator::make_latents() {
  decode_meta_context(session_->decode, machine_);
  const UnitRows& latents = machine_.xhat(depth() - 1);
  keep_latents(stream_,
               {.latest = latents.at,
                .latest_stride = latents.count * latents.width,
                .rows = plan().rows,
                .count = static_cast<int32_t>(latents.count),
                .width = static_cast<int32_t>(latents.width)},
               {.all = b_.answer_latents,
                .capacity = plan().answer * latents.count,
                .begin = b_.begin,
                .start = b_.tokens.start,
                .meta_context = static_cast<int32_t>(spec_.meta_context())});
  advance_rows(0, 0, spec_.meta_context());
}

// Unrolled: every chunk of the answers of some rows together.
void Generator::make_rest_of_answer() {
  const int64_t count = plan().answer * session_->decode.level(depth() - 1).units;
  const int64_t width = spec_.shape(depth() - 1).width;
  for (int64_t first = 0; first < plan().rows && plan().answer > 0; first += plan().slice_rows) {
    machine_.take(first, std::min(plan().slice_rows, plan().rows - first));
    machine_.xhat(depth() - 1) = {b_.answer_latents + first * count * width, 0, count, width};
    decode_rest_of_answer(session_->decode, machine_);
  }
}

void Generator::decode_streamed() {
  const int64_t shift = spec_.target_shift();
  const bool wait_for_text = request_->end_of_text.has_value();
  if (shift > 0 && !clock_.all_idle()) {  // prefill has made the first token
    advance_rows(0, shift, 0);
    read_burst(0);
    if (!hand_out()) return;
  }
  while (!clock_.all_idle()) {
    repeat("meta_context", [&] { make_meta_context(); });
    std::optional<Bursts::Pending> earlier = std::exchange(pending_, std::nullopt);
    read_burst(shift);
    clock_.advance(spec_.meta_context());
    if (earlier.has_value() && !hand_out(*earlier)) return;
    if (wait_for_text && !hand_out()) return;
  }
  hand_out();
}

void Generator::decode_unrolled() {
  while (!clock_.all_idle()) {
    repeat("latents", [&] { make_latents(); });
    clock_.advance(spec_.meta_context());
  }
  check(cudaMemcpyAsync(b_.tokens.start, b_.begin, static_cast<size_t>(plan().rows) * sizeof(int32_t),
                        cudaMemcpyDeviceToDevice, stream_.handle()),
        "cudaMemcpyAsync");
  make_rest_of_answer();
  hand_out_answers();
}

// Starts the copy of the burst that the last launch left; `ahead` tokens before where the rows stand.
void Generator::read_burst(int64_t ahead) {
  std::vector<int64_t> first;
  for (int64_t r = 0; r < plan().rows; ++r) first.push_back(clock_.idle(r) ? -1 : clock_.start(r) + ahead);
  pending_ = bursts_.read(stream_, b_.burst, b_.burst_log_probs, std::move(first));
}

bool Generator::hand_out() {
  if (!pending_.has_value()) return true;
  const Bursts::Pending burst = *std::exchange(pending_, std::nullopt);
  return hand_out(burst);
}

// Waits for a burst and gives it to whoever asked. False: the receiver wants no more.
bool Generator::hand_out(const Bursts::Pending& burst) {
  bursts_.wait(burst);
  return emit([&](int64_t r) { return bursts_.of(burst, r); });
}

// Unrolled: all answers at once.
void Generator::hand_out_answers() {
  stream_.synchronize();
  std::vector<int32_t> tokens(static_cast<size_t>(plan().rows * plan().capacity));
  std::vector<float> log_probs(tokens.size());
  check(cudaMemcpy(tokens.data(), b_.tokens.tokens, tokens.size() * sizeof(int32_t), cudaMemcpyDeviceToHost),
        "cudaMemcpy");
  check(cudaMemcpy(log_probs.data(), b_.tokens.log_probs, log_probs.size() * sizeof(float),
                   cudaMemcpyDeviceToHost),
        "cudaMemcpy");
  emit([&](int64_t r) {
    const auto at = static_cast<size_t>(r * plan().capacity);
    return Bursts::Span{0, plan().capacity, tokens.data() + at, log_probs.data() + at};
  });
}

// Hands out what lies between a row's last emitted token and the end of what span(row) holds.
bool Generator::emit(const std::function<Bursts::Span(int64_t row)>& span) {
  bool more = true;
  bool any = false;
  for (int64_t r = 0; r < std::ssize(rows_); ++r) {
    Row& row = rows_[r];
    const Bursts::Span s = span(r);
    if (s.first < 0) continue;
    const int64_t end = std::min(s.first + s.tokens, row.target);
    const auto before = static_cast<size_t>(std::ssize(row.tokens));
    for (; row.emitted < end && !row.finished; ++row.emitted) {
      const int64_t at = row.emitted - s.first;
      row.tokens.push_back(s.ids[at]);
      row.log_probs.push_back(static_cast<double>(s.log_probs[at]));
      row.finished = request_->end_of_text.has_value() && row.tokens.back() == *request_->end_of_text;
    }
    if (row.finished) clock_.finish(r);
    if (row.tokens.size() == before) continue;
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
      more = request_->on_burst({r, std::span<const int32_t>(row.tokens).subspan(before)}) && more;
    }
  }
  return more;
}

GenerationResult Generator::finish() {
  stream_.synchronize();
  GenerationResult result;
  result.prefill_seconds = prefilled_ - started_;
  result.decode_seconds = now() - prefilled_;
  result.ttft_seconds = first_burst_ > 0.0 ? first_burst_ - started_ : 0.0;
  result.burst_seconds = burst_seconds_;
  for (Row& row : rows_) {
    result.tokens.push_back(std::move(row.tokens));
    result.log_probs.push_back(std::move(row.log_probs));
  }
  result.prefill_rows = counter_.of_prefill();
  result.decode_rows = counter_.of_decode();
  result.kv_bytes_planned = planned_.bytes(Arena::Use::cache);
  result.kv_bytes_held = kv_bytes_held();
  result.local_bytes = planned_.bytes(Arena::Use::local_cache);
  return result;
}

// Units in the growing caches at the end: what was encoded, as far as windows and rings keep it.
int64_t Generator::kv_bytes_held() const {
  const int64_t meta = spec_.meta_context();
  int64_t bytes = 0;
  for (int l = spec_.first_encoder(); l <= depth(); ++l) {
    if (!session_->decode.level(l).cached) continue;
    const Visibility visibility = spec_.visibility(l);
    int64_t held = 0;
    for (int64_t r = 0; r < plan().rows; ++r) {
      const int64_t prompt = counter_.prompt_units(l)[r / plan().samples];
      const int64_t last = (rows_[r].emitted + meta - 1) / meta;
      const int64_t units = std::max(prompt, last * session_->decode.level(l).units);
      held += visibility.held(plan().samples > 1 ? units - prompt : units);
      if (plan().samples > 1 && r % plan().samples == 0) held += prompt - visibility.first_kept(prompt);
    }
    bytes +=
        held * spec_.encoder_layers(l) * 2 * spec_.shape(l).kv_width() * static_cast<int64_t>(sizeof(bf16));
  }
  return bytes;
}

std::map<std::string, std::vector<const void*>> Generator::graph_kernels() const {
  std::map<std::string, std::vector<const void*>> out;
  for (const auto& [name, graph] : graphs_) out[name] = graph.kernels();
  return out;
}

}  // namespace photon::PHOTON_GPU
