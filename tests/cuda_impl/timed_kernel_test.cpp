// SPDX-License-Identifier: Apache-2.0
// Kernels run by themselves: every kind on the device, and together as many launches as the cost model says
// that a request has.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "core/base/error.h"
#include "core/cost/kernel.h"
#include "cuda_impl/backend/timed_kernel.h"
#include "cuda_impl/device/stream.h"
#include "tests/cuda_impl/device_models.h"
#include "tests/support.h"

namespace photon::PHOTON_GPU {
namespace {

TEST(TimedKernel, RunsEveryKindOfARequest) {
  for (int depth = 0; depth <= 2; ++depth) {
    for (const int64_t batch : {2, 6}) {
      const ModelSpec spec = testing::device_spec(depth);
      const Workload workload{
          .prompt = 2 * spec.meta_context(), .new_tokens = spec.meta_context(), .batch = batch};
      for (const KernelPlace& place : kernels_of(spec, workload)) {
        const auto timed = make_timed_kernel(place.kernel, DType::bfloat16, 0, 2);
        const double seconds = timed->seconds(3);
        EXPECT_TRUE(std::isfinite(seconds) && seconds > 0.0) << describe(place.kernel) << ": " << seconds;
      }
    }
  }
}

TEST(TimedKernel, ComputesInBfloat16Alone) {
  EXPECT_TRUE(testing::holds(
      testing::message_of<UsageError>([] { make_timed_kernel({}, DType::float32, 0, 1); }), {"bfloat16"}));
}

}  // namespace
}  // namespace photon::PHOTON_GPU
