// Generation on the device (PHOTON, appendix A). One meta-context (vanilla: one token) with all its chunks,
// steps, picks, cache writes and encoder steps is one graph (runtime/graph): the first runs launch by launch,
// the second is recorded, the rest are replayed. Where rows stand and what they say lies on the device, and
// the host reads each meta-context's tokens while the next is made.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/generation.h"
#include "cuda_impl/generation/generation_buffers.h"
#include "cuda_impl/generation/row_clock.h"
#include "cuda_impl/kernels/latents.h"
#include "cuda_impl/runtime/graph.h"
#include "cuda_impl/runtime/weights.h"

namespace photon::PHOTON_GPU {

class Generator {
 public:
  /// All must outlive the generator.
  Generator(const ModelSpec& spec, const ModelWeights& weights, Stream& stream, Linears& linear,
            const EngineLimits& limits);
  ~Generator();
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  /// Bytes on the device for this request beside the weights; refuses what cannot be served.
  Arena measure(const GenerationRequest& request) const;
  /// Throws Error on a request that cannot be served, before any work.
  GenerationResult run(const GenerationRequest& request);

  /// Launches one by one instead of graphs, for profiling. Graphs recorded so far are forgotten.
  void set_eager(bool eager);
  /// Kernels of each graph, none of one that was not recorded; its name is the scope that its launches stand
  /// in.
  std::map<std::string, std::vector<const void*>> graph_kernels() const;

 private:
  struct Row {
    int64_t prompt_length = 0;
    int64_t target = 0;
    int64_t emitted = 0;
    bool finished = false;
    std::vector<int32_t> tokens;  // new ones
    std::vector<double> log_probs;
  };
  /// Rows of one chunk that stand where a strided product reads them.
  struct Strided {
    bf16* at = nullptr;
    int64_t stride = 0;
  };
  /// Everything that the graphs were recorded with.
  struct Session {
    GenerationMode mode;
    GenerationPlan plan;
    Sampling sampling;
    int64_t first_row = 0;
    bool operator==(const Session& o) const;
  };

  struct PendingBurst {
    int slot = 0;
    int64_t tokens = 0;
    std::vector<int64_t> first;  // a row: position of its first token, -1: none
  };
  /// Tokens of one row, and where they stand; first < 0: none.
  struct Span {
    int64_t first = -1;
    int64_t tokens = 0;
    const int32_t* ids = nullptr;
    const float* log_probs = nullptr;
  };

  // Set-up and the loop (generator.cpp).
  void place(const Session& session);
  void set_up(const GenerationRequest& request);
  void set_up_prompts(const GenerationRequest& request);
  void upload_prompts(int64_t first, int64_t count, int64_t length);
  void decode();
  void decode_unrolled();
  void repeat(const std::string& name, const std::function<void()>& work);
  void read_burst(int64_t ahead);
  bool hand_out();
  bool hand_out(const PendingBurst& burst);
  bool emit(const std::function<Span(int64_t row)>& span);
  GenerationResult finish();
  int64_t kv_bytes_held() const;

  // Prefill (generator_prefill.cpp).
  void prefill();
  void prefill_vanilla(int64_t first, int64_t count, int64_t length);
  void prefill_prompts(int64_t first, int64_t count, int64_t meta_contexts);
  void prefill_decoders(int64_t first, int64_t count, int64_t meta_contexts);
  void prefill_stack(int l, const StackWeights& w, int64_t first, int64_t count, int64_t units);

  // One meta-context (generator_decode.cpp).
  void meta_context();
  void vanilla_step();
  void unrolled_latents();
  void unrolled_chunks(int64_t first_row, int64_t rows);
  void chunk_and_encode(int l, Strided conditioning, std::optional<Strided> into,
                        std::optional<Strided> also);
  void decode_level(int l, int64_t first_row, int64_t rows, int64_t chunks, const bf16* latents);
  void encode_emitted();
  void encode_reconstructed();

  // Parts of both (generator_parts.cpp).
  void convert(int l, Strided conditioning, int64_t chunks);
  void run_window(int l, int64_t chunks, int32_t length, int32_t rows);
  void window_output(int l, int64_t chunks, int32_t rows, Strided to, std::optional<Strided> also = {});
  void chunk(int l, const bf16* below, int64_t units, bf16* to);
  void encoder_step(const StackWeights& w, const EncoderStep& step, bf16* x);
  void norm(const StackWeights& w, const bf16* x, int64_t x_stride, int64_t rows, Strided to,
            std::optional<Strided> also = {});
  void append_top(const bf16* x);
  struct HeadInput {
    const bf16* states = nullptr;
    int64_t stride = 0;
    const bf16* gain = nullptr;  // null: the states are normalised
  };
  void pick(const HeadInput& in, int64_t states, const Pick& how);
  TokenRows token_rows(int64_t first_row) const;
  void embed_tokens(const bf16* table, int64_t width, const TokenSlots& slots, int64_t rows, int64_t count,
                    Strided to);
  bf16* residual() const { return b_.x[current_]; }
  bf16* next_residual() const { return b_.x[1 - current_]; }
  const float* rotations(const StackShape& shape) const { return b_.rotations.at(shape.head_size()); }
  EncoderStep step_of(int l, int32_t units) const;

  int depth() const { return spec_.depth(); }
  LevelBuffers& buffers(int l) { return b_.levels[static_cast<size_t>(l)]; }
  const CachePlan& cache_plan(int l) const { return session_->plan.caches[static_cast<size_t>(l)]; }
  int32_t& made(int l) { return made_[static_cast<size_t>(l)]; }

  const ModelSpec& spec_;
  const ModelWeights& w_;
  Stream& stream_;
  Linears& linear_;
  EngineLimits limits_;
  bool eager_ = false;

  std::optional<Session> session_;
  DeviceBuffer memory_;
  Arena planned_;  // as measured
  GenerationBuffers b_;
  PinnedBuffer bursts_;  // two of them: (rows, B_m) tokens, then log probabilities
  std::map<std::string, Graph> graphs_;

  const GenerationRequest* request_ = nullptr;
  std::vector<Row> rows_;
  std::vector<int32_t> order_;                      // prompts by length
  std::vector<int64_t> prompt_lengths_;             // in that order
  std::vector<std::vector<int64_t>> prompt_units_;  // by level: of each prompt, what prefill ran through
  RowClock clock_;
  int current_ = 0;                 // of the two residual buffers
  std::vector<int32_t> made_;       // by level: units of this meta-context already encoded
  std::vector<EncoderStep> steps_;  // of the meta-context being run or recorded
  std::map<std::string, std::vector<EncoderStep>> repeated_steps_;
  std::vector<CacheRows> moved_;
  std::vector<CacheRows> prefill_moved_;
  std::optional<PendingBurst> pending_;
  int next_slot_ = 0;
  cudaEvent_t burst_ready_[2] = {nullptr, nullptr};
  double started_ = 0.0;
  double prefilled_ = 0.0;
  double first_burst_ = 0.0;
  double last_burst_ = 0.0;
  std::vector<double> burst_seconds_;
};

}  // namespace photon::PHOTON_GPU
