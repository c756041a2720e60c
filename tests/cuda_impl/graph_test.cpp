// SPDX-License-Identifier: Apache-2.0
// Graphs do each time what their work would, once; and what they record was loaded and chosen before, from a
// cold start as well.
#include "cuda_impl/device/graph.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/base/error.h"
#include "core/cost/kernel.h"
#include "cuda_impl/backend/ceilings.h"
#include "cuda_impl/backend/timed_kernel.h"
#include "cuda_impl/device/device.h"
#include "cuda_impl/device/device_array.h"
#include "cuda_impl/generation/generator.h"
#include "cuda_impl/training/trainable.h"
#include "tests/cuda_impl/device_models.h"

namespace photon::PHOTON_GPU {
namespace {

using photon::testing::device_spec;
using photon::testing::random_batch;
using photon::testing::rounded_parameters;
using photon::testing::test_seed;

/// As in a process that has just started; a GPU's cannot be set back.
void start_cold() {
#ifndef PHOTON_CUDA
  forget_loaded_code();
#endif
}

TEST(Graph, DoesItsWorkOnceEachTime) {
  start_cold();
  Stream stream;
  Matmul matmul;
  // out += x Wᵀ: a run that is left out or done twice is seen.
  const DeviceArray<bf16> x(std::vector<bf16>{to_bf16(1.0f), to_bf16(2.0f)});
  const DeviceArray<bf16> weight(std::vector<bf16>{to_bf16(3.0f), to_bf16(4.0f)});
  const DeviceArray<float> out(std::vector<float>{0.0f});
  Graph graph;
  int calls = 0;
  for (int run = 1; run <= 5; ++run) {
    graph.run(stream, [&] {
      ++calls;
      matmul(stream, "product",
             Product{.x = x.data(),
                     .x_stride = 2,
                     .weight = weight.data(),
                     .accumulate = true,
                     .out_float = out.data(),
                     .out_stride = 1,
                     .rows = 1,
                     .in = 2,
                     .out_width = 1});
    });
    stream.synchronize();
    EXPECT_EQ(out.read()[0], 11.0f * static_cast<float>(run));
    EXPECT_EQ(graph.empty(), run == 1);
    EXPECT_EQ(graph.kernels().empty(), run == 1);
  }
  EXPECT_EQ(calls, 2) << "launch by launch, and recorded";
}

TEST(Graph, TriesAgainAfterAFirstRunThatFailed) {
  start_cold();
  Stream stream;
  Graph graph;
  int calls = 0;
  const auto work = [&] {
    if (++calls == 1) throw photon::Error("no");
  };
  EXPECT_THROW(graph.run(stream, work), photon::Error);
  graph.run(stream, work);
  EXPECT_TRUE(graph.empty()) << "what failed has loaded nothing";
}

// Kernels are loaded lazily, and a library chooses when it is first asked: neither goes while a stream is
// captured. Rows above and below the crossover between own kernels and cuBLASLt.
TEST(ColdStart, Generation) {
  for (const int depth : {0, 1, 3}) {
    const ModelSpec spec = device_spec(depth);
    const std::vector<float> parameters = rounded_parameters(spec);
    for (const int64_t gemv_rows : {0, 4}) {
      for (const Generation generation : {Generation::hiergen, Generation::recgen}) {
        for (const Schedule schedule : {Schedule::streamed, Schedule::unrolled}) {
          if (generation == Generation::recgen ? depth < 2 : schedule == Schedule::unrolled) continue;
          SCOPED_TRACE(fmt::format("depth {}, matrix-vector kernels up to {} rows, {} {}", depth, gemv_rows,
                                   to_string(generation), to_string(schedule)));
          start_cold();
          Stream stream;
          const Weights weights(spec, parameters);
          Linears linear(static_cast<float>(spec.norm_eps), gemv_rows);
          Generator generator(spec, weights.view(), stream, linear, {.gemv_rows = gemv_rows});
          GenerationRequest request;
          request.prompts = {random_batch(spec, 1, spec.meta_context() + 1, test_seed()).ids,
                             random_batch(spec, 1, 2 * spec.meta_context(), test_seed()).ids};
          request.new_tokens = 3 * spec.meta_context();
          request.generation = generation;
          request.schedule = schedule;
          const GenerationResult cold = generator.run(request);
          for (const auto& [name, kernels] : generator.graph_kernels()) {
            EXPECT_FALSE(kernels.empty()) << name << " was not recorded";
          }
          const GenerationResult warm = generator.run(request);
          EXPECT_EQ(cold.tokens, warm.tokens);
          EXPECT_EQ(cold.log_probs, warm.log_probs);
          EXPECT_EQ(cold.decode_rows, warm.decode_rows);
        }
      }
    }
  }
}

TEST(ColdStart, Training) {
  for (const int depth : {0, 2}) {
    const ModelSpec spec = device_spec(depth);
    const TokenBatch batch = random_batch(spec, 2, 2 * spec.meta_context(), test_seed());
    start_cold();
    const auto model = make_trainable(spec, rounded_parameters(spec), Recompute::inner);
    const Losses cold = model->evaluate(batch, {});
    for (int run = 0; run < 3; ++run) EXPECT_EQ(model->evaluate(batch, {}).token, cold.token);
    const auto step = [&] {
      const Losses losses = model->accumulate_gradients(batch, {}, 1.0);
      const double norm = model->gradient_norm();
      model->adamw_step({.learning_rate = 0.0});
      return std::pair(losses.token, norm);
    };
    const auto first = step();
    EXPECT_EQ(first.first, cold.token);
    for (int run = 0; run < 3; ++run) EXPECT_EQ(step(), first) << "depth " << depth << ", run " << run;
  }
}

TEST(ColdStart, Ceilings) {
  start_cold();
  EXPECT_GT(measure_ceilings(Device(), DType::bfloat16).launch_seconds, 0.0);
}

TEST(ColdStart, TimedKernels) {
  const Workload workload{.prompt = 16, .new_tokens = 8, .batch = 6};
  for (const KernelPlace& place : kernels_of(device_spec(2), workload)) {
    start_cold();
    EXPECT_GT(make_timed_kernel(place.kernel, DType::bfloat16, 0, 2)->seconds(3), 0.0)
        << describe(place.kernel);
  }
}

}  // namespace
}  // namespace photon::PHOTON_GPU
