#include "cuda_impl/generation/generator.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "cuda_impl/kernels/advance.h"
#include "cuda_impl/runtime/rotations.h"

namespace photon::PHOTON_GPU {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

bool Generator::Session::operator==(const Session& o) const {
  const auto same = [](const Sampling& a, const Sampling& b) {
    return a.temperature == b.temperature && a.top_k == b.top_k && a.top_p == b.top_p && a.seed == b.seed;
  };
  return mode == o.mode && plan == o.plan && same(sampling, o.sampling) && first_row == o.first_row;
}

Generator::Generator(const ModelSpec& spec, const ModelWeights& weights, Stream& stream, Linears& linear,
                     const EngineLimits& limits)
    : spec_(spec), w_(weights), stream_(stream), linear_(linear), limits_(limits) {
  for (cudaEvent_t& event : burst_ready_) {
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  }
}

Generator::~Generator() {
  for (cudaEvent_t event : burst_ready_) cudaEventDestroy(event);
}

Arena Generator::measure(const GenerationRequest& request) const {
  check_request(spec_, request);
  const GenerationMode mode(request);
  Arena arena;
  GenerationBuffers::lay_out(arena, spec_, mode, plan_generation(spec_, request, limits_));
  return arena;
}

void Generator::set_eager(bool eager) {
  eager_ = eager;
  graphs_.clear();
  repeated_steps_.clear();
}

GenerationResult Generator::run(const GenerationRequest& request) {
  check_request(spec_, request);
  const Session session{GenerationMode(request), plan_generation(spec_, request, limits_), request.sampling,
                        request.first_row};
  if (!session_.has_value() || !(*session_ == session)) place(session);
  started_ = last_burst_ = now();
  set_up(request);
  prefill();
  stream_.synchronize();
  prefilled_ = now();
  prefill_moved_ = moved_;
  const Stream::Scope scope(stream_, "decode");
  decode();
  return finish();
}

// Memory for a request of this shape; what was done or recorded for another is void.
void Generator::place(const Session& session) {
  graphs_.clear();
  repeated_steps_.clear();
  session_.reset();
  Arena measured;
  GenerationBuffers::lay_out(measured, spec_, session.mode, session.plan);
  if (measured.bytes() > memory_.bytes()) {
    memory_ = DeviceBuffer();
    memory_ = DeviceBuffer(measured.bytes());
  }
  Arena arena(memory_.data());
  b_ = GenerationBuffers::lay_out(arena, spec_, session.mode, session.plan);
  planned_ = measured;
  const int64_t burst = session.plan.rows * spec_.meta_context();
  bursts_ = PinnedBuffer(2 * burst * static_cast<int64_t>(sizeof(int32_t) + sizeof(float)));
  for (const auto& [head_size, table] : b_.rotations) {
    stream_.upload(table, rotation_table(session.plan.positions, head_size, spec_.rope_theta));
  }
  session_ = session;
}

void Generator::set_up(const GenerationRequest& request) {
  request_ = &request;
  const GenerationPlan& plan = session_->plan;
  const int64_t meta = spec_.meta_context();
  rows_.clear();
  burst_seconds_.clear();
  first_burst_ = 0.0;
  pending_.reset();
  moved_.assign(static_cast<size_t>(depth()) + 1, {});
  made_.assign(static_cast<size_t>(depth()) + 1, 0);

  std::vector<int32_t> tokens(static_cast<size_t>(plan.rows * plan.capacity), 0);
  bool text_given = false;  // beyond what prefill reads
  std::vector<int32_t> known;
  std::vector<int32_t> target;
  std::vector<int64_t> start;
  std::vector<int64_t> end;
  for (int64_t r = 0; r < plan.rows; ++r) {
    const auto& prompt = request.prompts[static_cast<size_t>(r / plan.samples)];
    Row row;
    row.prompt_length = std::ssize(prompt);
    row.target = row.prompt_length + request.new_tokens;
    row.emitted = row.prompt_length;
    int32_t* to = tokens.data() + r * plan.capacity;
    std::copy(prompt.begin(), prompt.end(), to);
    int64_t given = row.prompt_length;
    if (!request.forced.empty()) {
      const auto& forced = request.forced[static_cast<size_t>(r)];
      std::copy(forced.begin(), forced.end(), to + given);
      given += std::ssize(forced);
    }
    known.push_back(static_cast<int32_t>(given));
    target.push_back(static_cast<int32_t>(row.target));
    const int64_t begin = row.prompt_length / meta * meta;
    text_given = text_given || given > begin;
    start.push_back(begin < row.target ? begin : -1);
    end.push_back(row.target);
    rows_.push_back(std::move(row));
  }
  clock_ = RowClock(start, end, plan.samples);
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
  set_up_prompts(request);
  for (int l = 1; l <= depth(); ++l) {
    reset_latents(stream_,
                  {.history = buffers(l).history,
                   .rows = plan.rows,
                   .context = static_cast<int32_t>(spec_.level(l).converter_context),
                   .width = static_cast<int32_t>(spec_.shape(l).width)},
                  w_.level(l).start);
  }
  if (b_.answer_latents != nullptr) {
    // Rows with shorter answers leave some of theirs unmade.
    const int64_t count =
        plan.rows * plan.answer * spec_.level(depth()).chunk * spec_.shape(depth() - 1).width;
    check(cudaMemsetAsync(b_.answer_latents, 0, static_cast<size_t>(count) * sizeof(bf16), stream_.handle()),
          "cudaMemsetAsync");
  }
}

// The order in which prefill takes the prompts, and what each level's cache will hold of them.
void Generator::set_up_prompts(const GenerationRequest& request) {
  const GenerationPlan& plan = session_->plan;
  const int64_t meta = spec_.meta_context();
  order_.resize(static_cast<size_t>(plan.prompts));
  std::iota(order_.begin(), order_.end(), 0);
  const auto length = [&](int32_t p) { return std::ssize(request.prompts[static_cast<size_t>(p)]); };
  std::stable_sort(order_.begin(), order_.end(),
                   [&](int32_t a, int32_t b) { return length(a) / meta < length(b) / meta; });
  std::vector<int32_t> order = order_;
  prompt_lengths_.clear();
  for (const int32_t p : order_) {
    prompt_lengths_.push_back(length(p));
    for (int64_t s = 0; s < plan.samples; ++s) order.push_back(static_cast<int32_t>(p * plan.samples + s));
  }
  stream_.upload(b_.order, order);
  prompt_units_.assign(static_cast<size_t>(depth()) + 1, {});
  for (int l = depth() == 0 ? 0 : 1; l <= depth(); ++l) {
    auto& units = prompt_units_[static_cast<size_t>(l)];
    std::vector<int32_t> first;
    std::vector<int32_t> count;
    std::vector<int32_t> own_first;
    for (int32_t p = 0; p < plan.prompts; ++p) {
      units.push_back(length(p) / meta * (l == 0 ? 1 : spec_.units_per_meta_context(l)));
      first.push_back(static_cast<int32_t>(first_kept(spec_, l, cache_plan(l).kept, units.back())));
      count.push_back(static_cast<int32_t>(units.back()) - first.back());
      own_first.insert(own_first.end(), static_cast<size_t>(plan.samples),
                       static_cast<int32_t>(units.back()));
    }
    if (buffers(l).own_first == nullptr) continue;
    stream_.upload(buffers(l).shared_first, first);
    stream_.upload(buffers(l).shared_count, count);
    stream_.upload(buffers(l).own_first, own_first);
  }
}

void Generator::upload_prompts(int64_t first, int64_t count, int64_t length) {
  std::vector<int32_t> ids;
  for (int64_t i = first; i < first + count; ++i) {
    const auto& prompt = request_->prompts[static_cast<size_t>(order_[static_cast<size_t>(i)])];
    ids.insert(ids.end(), prompt.begin(), prompt.begin() + length);
  }
  stream_.upload(b_.prompt_ids, ids);
}

// Does what `work` starts, the same each time, as a graph of this name; its cache traffic is counted anew.
void Generator::repeat(const std::string& name, const std::function<void()>& work) {
  const auto scoped = [&] {
    const Stream::Scope scope(stream_, name);
    work();
    repeated_steps_[name] = steps_;
  };
  if (eager_) {
    scoped();
  } else {
    graphs_[name].run(stream_, scoped);
  }
  for (const EncoderStep& step : repeated_steps_[name]) {
    const CacheTraffic traffic = clock_.traffic(step, prompt_units_[static_cast<size_t>(step.level)]);
    const int64_t layers = step.level == 0 ? spec_.layers : spec_.level(step.level).encoder_layers;
    CacheRows& moved = moved_[static_cast<size_t>(step.level)];
    moved.read += layers * static_cast<int64_t>(traffic.rows_read);
    moved.written += layers * static_cast<int64_t>(traffic.rows_written);
  }
}

void Generator::decode() {
  const auto meta = static_cast<int64_t>(spec_.meta_context());
  if (session_->mode.schedule == Schedule::unrolled) {
    decode_unrolled();
    return;
  }
  const bool wait_for_text = request_->end_of_text.has_value();
  if (depth() == 0 && !clock_.all_idle()) {
    advance(stream_, {.rows = b_.tokens,
                      .count = session_->plan.rows,
                      .tokens = 1,
                      .burst = b_.burst,
                      .burst_log_probs = b_.burst_log_probs});
    read_burst(0);
    if (!hand_out()) return;
  }
  while (!clock_.all_idle()) {
    repeat("meta_context", [&] { meta_context(); });
    std::optional<PendingBurst> earlier = std::exchange(pending_, std::nullopt);
    read_burst(depth() == 0 ? 1 : 0);
    clock_.advance(meta);
    if (earlier.has_value() && !hand_out(*earlier)) return;
    if (wait_for_text && !hand_out()) return;
  }
  hand_out();
}

void Generator::decode_unrolled() {
  const GenerationPlan& plan = session_->plan;
  while (!clock_.all_idle()) {
    repeat("latents", [&] { unrolled_latents(); });
    clock_.advance(spec_.meta_context());
  }
  check(cudaMemcpyAsync(b_.tokens.start, b_.begin, static_cast<size_t>(plan.rows) * sizeof(int32_t),
                        cudaMemcpyDeviceToDevice, stream_.handle()),
        "cudaMemcpyAsync");
  if (plan.answer > 0) {
    for (int64_t first = 0; first < plan.rows; first += plan.slice_rows) {
      unrolled_chunks(first, std::min(plan.slice_rows, plan.rows - first));
    }
  }
  stream_.synchronize();
  std::vector<int32_t> tokens(static_cast<size_t>(plan.rows * plan.capacity));
  std::vector<float> log_probs(tokens.size());
  check(cudaMemcpy(tokens.data(), b_.tokens.tokens, tokens.size() * sizeof(int32_t), cudaMemcpyDeviceToHost),
        "cudaMemcpy");
  check(cudaMemcpy(log_probs.data(), b_.tokens.log_probs, log_probs.size() * sizeof(float),
                   cudaMemcpyDeviceToHost),
        "cudaMemcpy");
  emit([&](int64_t r) {
    const auto at = static_cast<size_t>(r * plan.capacity);
    return Span{0, plan.capacity, tokens.data() + at, log_probs.data() + at};
  });
}

// Starts the copy of the burst that the last launch left; `ahead` tokens before where the rows stand.
void Generator::read_burst(int64_t ahead) {
  const int64_t tokens = spec_.meta_context();
  const int64_t count = session_->plan.rows * tokens;
  PendingBurst burst{next_slot_, tokens, {}};
  for (int64_t r = 0; r < session_->plan.rows; ++r) {
    burst.first.push_back(clock_.idle(r) ? -1 : clock_.start(r) + ahead);
  }
  next_slot_ = 1 - next_slot_;
  auto* slot = static_cast<int32_t*>(bursts_.data()) + burst.slot * 2 * count;
  const size_t bytes = static_cast<size_t>(count) * sizeof(int32_t);
  check(cudaMemcpyAsync(slot, b_.burst, bytes, cudaMemcpyDeviceToHost, stream_.handle()), "cudaMemcpyAsync");
  check(cudaMemcpyAsync(slot + count, b_.burst_log_probs, bytes, cudaMemcpyDeviceToHost, stream_.handle()),
        "cudaMemcpyAsync");
  check(cudaEventRecord(burst_ready_[burst.slot], stream_.handle()), "cudaEventRecord");
  pending_ = std::move(burst);
}

bool Generator::hand_out() {
  if (!pending_.has_value()) return true;
  const PendingBurst burst = *std::exchange(pending_, std::nullopt);
  return hand_out(burst);
}

// Waits for a burst and gives it to whoever asked. False: the receiver wants no more.
bool Generator::hand_out(const PendingBurst& burst) {
  check(cudaEventSynchronize(burst_ready_[burst.slot]), "cudaEventSynchronize");
  const int64_t count = session_->plan.rows * burst.tokens;
  const auto* ids = static_cast<const int32_t*>(bursts_.data()) + burst.slot * 2 * count;
  const auto* log_probs = reinterpret_cast<const float*>(ids + count);
  return emit([&](int64_t r) {
    const int64_t at = r * burst.tokens;
    return Span{burst.first[static_cast<size_t>(r)], burst.tokens, ids + at, log_probs + at};
  });
}

// Hands out what lies between a row's last emitted token and the end of what span(row) holds.
bool Generator::emit(const std::function<Span(int64_t row)>& span) {
  bool more = true;
  bool any = false;
  for (int64_t r = 0; r < std::ssize(rows_); ++r) {
    Row& row = rows_[static_cast<size_t>(r)];
    const Span s = span(r);
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
  result.prefill_rows = prefill_moved_;
  for (size_t l = 0; l < moved_.size(); ++l) {
    result.decode_rows.push_back(
        {moved_[l].read - prefill_moved_[l].read, moved_[l].written - prefill_moved_[l].written});
  }
  result.kv_bytes_planned = planned_.bytes(Arena::Use::cache);
  result.kv_bytes_held = kv_bytes_held();
  result.local_bytes = planned_.bytes(Arena::Use::local_cache);
  return result;
}

// Units in the growing caches at the end: what was encoded, as far as windows and rings keep it.
int64_t Generator::kv_bytes_held() const {
  const GenerationPlan& plan = session_->plan;
  const int64_t meta = spec_.meta_context();
  int64_t bytes = 0;
  for (int l = depth() == 0 ? 0 : 1; l <= depth(); ++l) {
    if (!plan.caches[static_cast<size_t>(l)].kept) continue;
    const VisibleUnits visible = visible_units(spec_, l);
    const int64_t most = visible.block > 0    ? visible.block
                         : visible.window > 0 ? visible.window
                                              : plan.capacity;
    int64_t held = 0;
    for (int64_t r = 0; r < plan.rows; ++r) {
      const Row& row = rows_[static_cast<size_t>(r)];
      const int64_t prompt = prompt_units_[static_cast<size_t>(l)][static_cast<size_t>(r / plan.samples)];
      const int64_t last = (row.emitted + meta - 1) / meta;
      const int64_t units = l == 0 ? row.emitted : std::max(prompt, last * spec_.units_per_meta_context(l));
      held += std::min(most, plan.samples > 1 ? units - prompt : units);
      if (plan.samples > 1 && r % plan.samples == 0) held += prompt - first_kept(spec_, l, true, prompt);
    }
    const int64_t layers = l == 0 ? spec_.layers : spec_.level(l).encoder_layers;
    bytes += held * layers * 2 * spec_.shape(l).kv_width() * static_cast<int64_t>(sizeof(bf16));
  }
  return bytes;
}

std::map<std::string, std::vector<const void*>> Generator::graph_kernels() const {
  std::map<std::string, std::vector<const void*>> out;
  for (const auto& [name, graph] : graphs_) out[name] = graph.kernels();
  return out;
}

}  // namespace photon::PHOTON_GPU
