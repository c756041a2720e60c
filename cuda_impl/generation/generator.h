// SPDX-License-Identifier: Apache-2.0
// Generation on the device (PHOTON, appendix A). One meta-context (vanilla: one token) with all its chunks,
// steps, samples, cache writes and encoder steps is one graph (device/graph): the first runs launch by
// launch, the second is recorded, the rest are replayed. Where rows stand and what they say lies on the
// device, and the host reads each meta-context's tokens while the next is made.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/model/generation.h"
#include "cuda_impl/device/graph.h"
#include "cuda_impl/generation/bursts.h"
#include "cuda_impl/generation/machine.h"

namespace photon::PHOTON_GPU {

class Generator {
 public:
  /// All must outlive the generator.
  Generator(const ModelSpec& spec, const ModelWeights& weights, Stream& stream, Linears& linear,
            const EngineLimits& limits);
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

  // Set-up.
  void place(const Session& session);
  void set_up(const GenerationRequest& request);
  void set_up_rows(const GenerationRequest& request);
  void set_up_prompts();
  int64_t prefilled_meta_contexts(int32_t prompt) const;

  // What starts the walk.
  void prefill_prompts();
  void prefill_pass(int64_t first, int64_t count, int64_t meta_contexts);
  void decode_streamed();
  void decode_unrolled();
  void repeat(const std::string& name, const std::function<void()>& work);
  void make_meta_context();
  void make_latents();
  void make_rest_of_answer();
  void advance_rows(int64_t first, int64_t tokens, int64_t step);

  // What is handed out.
  void read_burst(int64_t ahead);
  bool hand_out();
  bool hand_out(const Bursts::Pending& burst);
  void hand_out_answers();
  bool emit(const std::function<Bursts::Span(int64_t row)>& span);
  GenerationResult finish();
  int64_t kv_bytes_held() const;

  int depth() const { return spec_.depth(); }
  const GenerationPlan& plan() const { return session_->plan; }
  LevelBuffers& buffers(int l) { return b_.levels[l]; }

  const ModelSpec& spec_;
  const ModelWeights& w_;
  Stream& stream_;
  EngineLimits limits_;
  bool eager_ = false;

  std::optional<Session> session_;
  DeviceBuffer memory_;
  Arena planned_;  // as measured
  GenerationBuffers b_;
  std::map<std::string, Graph> graphs_;

  const GenerationRequest* request_ = nullptr;
  std::vector<Row> rows_;
  std::vector<int32_t> order_;  // prompts by length
  RowClock clock_;
  CacheCounter counter_;
  Machine machine_;
  Bursts bursts_;
  std::optional<Bursts::Pending> pending_;
  double started_ = 0.0;
  double prefilled_ = 0.0;
  double first_burst_ = 0.0;
  double last_burst_ = 0.0;
  std::vector<double> burst_seconds_;
};

}  // namespace photon::PHOTON_GPU
