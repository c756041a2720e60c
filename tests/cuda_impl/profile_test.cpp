// SPDX-License-Identifier: Apache-2.0
// What a profiler is shown is what is measured: the graphs' own kernels, with the costs of the model.
#include "cuda_impl/device/profile.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/backend/backend.h"
#include "core/base/error.h"
#include "core/cost/cost.h"
#include "cuda_impl/backend/backend.h"
#include "tests/reference/support.h"

namespace photon::PHOTON_GPU {
namespace {

std::unique_ptr<InferenceModel> loaded(const ModelSpec& spec) {
  static BackendRegistry registry = [] {
    BackendRegistry r;
    add_backend(r);
    return r;
  }();
  static const auto backend = registry.make(registry.names().front());
  std::vector<float> parameters;
  for (const double v : photon::testing::random_parameters(spec, photon::testing::test_seed()))
    parameters.push_back(static_cast<float>(v));
  return backend->inference(spec, parameters, DType::bfloat16);
}

GenerationRequest request_for(const ModelSpec& spec, Generation generation, Schedule schedule) {
  GenerationRequest request;
  for (uint64_t row = 0; row < 2; ++row)
    request.prompts.push_back(photon::testing::random_batch(spec, 1, 2 * spec.meta_context() + 1, row).ids);
  request.new_tokens = 2 * spec.meta_context();
  request.generation = generation;
  request.schedule = schedule;
  return request;
}

TEST(Profile, ShowsEveryOpOfTheGraphsAndTheirCosts) {
  for (int depth = 0; depth <= 3; ++depth) {
    const ModelSpec spec = photon::testing::small_spec(depth);
    const auto model = loaded(spec);
    for (const Generation generation : {Generation::hiergen, Generation::recgen}) {
      for (const Schedule schedule : {Schedule::streamed, Schedule::unrolled}) {
        if (generation == Generation::recgen ? depth < 2 : schedule == Schedule::unrolled) continue;
        const std::string where =
            fmt::format("depth {}, {} {}", depth, to_string(generation), to_string(schedule));
        SCOPED_TRACE(where);
        const GenerationRequest request = request_for(spec, generation, schedule);
        const auto launches = model->profile(request, "a case");
        ASSERT_FALSE(launches.empty());
        Work sum;
        bool prefill = false, decode = false;
        for (const Launch& l : launches) {
          sum += l.work;
          EXPECT_TRUE(l.scope.starts_with("a case")) << l.scope;
          EXPECT_FALSE(l.op.empty());
          EXPECT_TRUE(l.file.starts_with("cuda_impl/")) << l.file;
          prefill = prefill || l.scope.starts_with("a case/prefill");
          decode = decode || l.scope.starts_with("a case/decode");
        }
        EXPECT_TRUE(prefill && decode);
        const RequestCost cost = request_cost(spec, {.prompt = std::ssize(request.prompts[0]),
                                                     .new_tokens = request.new_tokens,
                                                     .batch = 2,
                                                     .generation = generation,
                                                     .schedule = schedule});
        Work expected = total(cost.prefill);
        expected += total(cost.decode);
        EXPECT_EQ(sum.flops, expected.flops);
        EXPECT_EQ(sum.kv_write_bytes, expected.kv_write_bytes);
        EXPECT_EQ(model->generate(request).tokens, model->generate(request).tokens)
            << "graphs again afterwards";
      }
    }
  }
}

TEST(Profile, NoticesOtherKernels) {
  int a = 0, b = 0, c = 0;
  const auto launch = [](const char* scope, const void* kernel) {
    LaunchRecord r;
    r.op = "op";
    r.scope = scope;
    r.kernel = kernel;
    return r;
  };
  const std::vector<LaunchRecord> recorded{launch("decode/meta_context", &a),
                                           launch("decode/meta_context/head", &b)};
  std::vector<LaunchRecord> launched{launch("x/prefill", &c)};
  for (int times = 0; times < 3; ++times) {
    launched.push_back(launch("x/decode/meta_context", &a));
    launched.push_back(launch("x/decode/meta_context/encoder 1", nullptr));
    launched.push_back(launch("x/decode/meta_context/head", &b));
  }
  const std::map<std::string, std::vector<const void*>> graphs{{"meta_context", {&a, nullptr, nullptr, &b}}};
  EXPECT_NO_THROW(check_launches(graphs, recorded, launched));
  auto missing = launched;
  missing.pop_back();
  EXPECT_THROW(check_launches(graphs, recorded, missing), Error);
  auto swapped = launched;
  std::swap(swapped[1], swapped[3]);
  EXPECT_THROW(check_launches(graphs, recorded, swapped), Error);
  auto another = launched;
  another[1].kernel = &c;
  EXPECT_THROW(check_launches(graphs, recorded, another), Error);
  EXPECT_THROW(check_launches(graphs, recorded, {launch("x/prefill", &c)}), Error) << "none at all";
  EXPECT_THROW(check_launches({{"meta_context", {&a, &b, &a}}}, recorded, launched), Error);
}

}  // namespace
}  // namespace photon::PHOTON_GPU
