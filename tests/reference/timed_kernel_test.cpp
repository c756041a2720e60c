// SPDX-License-Identifier: Apache-2.0
// Every kernel of the traffic model runs by itself on the CPU, at odd sizes, on one copy of its operands and
// on several.
#include <gtest/gtest.h>

#include <cmath>

#include "core/base/error.h"
#include "reference/backend.h"
#include "tests/support.h"

namespace photon {
namespace {

TEST(TimedKernel, RunsEveryKind) {
  BackendRegistry registry;
  reference::add_backend(registry);
  const auto backend = registry.make("cpu");
  const StackShape shape{.width = 24, .ffn = 40, .heads = 4, .kv_heads = 2};
  const StackShape attends{.width = 24, .ffn = 0, .heads = 4, .kv_heads = 2};
  using Kind = Kernel::Kind;
  for (const Kernel& kernel :
       {Kernel{.kind = Kind::layer, .shape = shape, .rows = 1},
        Kernel{.kind = Kind::layer, .shape = shape, .rows = 13},
        Kernel{.kind = Kind::attention, .shape = attends, .rows = 3, .keys = 0},
        Kernel{.kind = Kind::attention, .shape = attends, .rows = 2, .queries = 3, .keys = 17},
        Kernel{.kind = Kind::prefill_attention, .shape = attends, .rows = 2, .queries = 9},
        Kernel{.kind = Kind::prefill_attention, .shape = attends, .queries = 11, .window = 4},
        Kernel{.kind = Kind::local_attention, .shape = attends, .rows = 5, .queries = 2},
        Kernel{.kind = Kind::local_attention, .shape = attends, .rows = 5, .keys = 4},
        Kernel{.kind = Kind::chunker, .in = 48, .out = 24, .rows = 3},
        Kernel{.kind = Kind::converter, .in = 24, .out = 48, .rows = 1},
        Kernel{.kind = Kind::head, .in = 24, .out = 101, .rows = 9}}) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      for (const int64_t footprint : {int64_t{0}, int64_t{1} << 18}) {
        const auto timed = backend->timed_kernel(kernel, dtype, footprint);
        for (const int64_t runs : {1, 7}) {
          const double seconds = timed->seconds(runs);
          EXPECT_TRUE(std::isfinite(seconds) && seconds > 0.0) << describe(kernel) << ": " << seconds;
        }
      }
    }
  }
}

TEST(TimedKernel, RefusesWhatDoesNotFit) {
  BackendRegistry registry;
  reference::add_backend(registry);
  const auto backend = registry.make("cpu");
  const Kernel kernel{.kind = Kernel::Kind::head, .in = int64_t{1} << 20, .out = int64_t{1} << 20};
  EXPECT_TRUE(
      testing::holds(testing::message_of<Error>([&] { backend->timed_kernel(kernel, DType::float32, 0); }),
                     {"head/1048576x1048576", "4096.00 GiB"}));
}

}  // namespace
}  // namespace photon
