// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/emulation/block.h"

#include <algorithm>
#include <array>
#include <bit>
#include <exception>
#include <numeric>
#include <utility>

#include "cuda_impl/emulation/early_access.h"
#include "cuda_impl/emulation/kernel_name.h"
#include "cuda_impl/emulation/lane_order.h"
#include "cuda_impl/emulation/memory.h"
#include "cuda_impl/emulation/shared_memory.h"

namespace photon::emulation {
namespace {

constexpr unsigned lanes_per_warp = 32;
constexpr unsigned most_warps = 32;

struct Warp {
  unsigned exists = 0;
  unsigned exited = 0;
  unsigned meeting = 0;     ///< wait for others of their warp
  unsigned at_barrier = 0;  ///< wait for the block
  unsigned parked = 0;      ///< have waited for the kernel before and go on when all have
};

struct Block {
  const KernelRun* run = nullptr;
  unsigned threads = 0;
  std::vector<Lane> lanes;
  std::array<Warp, most_warps> warps;
  LaneOrder order;
  unsigned exited = 0;
  bool locked = false;   ///< device memory, until all threads have waited for the kernel before
  unsigned parked = 0;   ///< those that have
  unsigned arrived = 0;  ///< at the barrier
  unsigned predicates = 0;
  unsigned barrier_result = 0;
  std::source_location barrier;  ///< that the first thread arrived at
  Fiber host;
  std::exception_ptr error;
};

Block block;

unsigned bit_of(const Lane& lane) {
  return 1u << lane.index;
}

/// "lanes 0-15, 31"
std::string list_of_lanes(unsigned mask) {
  std::string text = std::has_single_bit(mask) ? "lane " : "lanes ";
  bool first = true;
  for (unsigned i = 0; i < lanes_per_warp;) {
    if ((mask >> i & 1u) == 0) {
      ++i;
      continue;
    }
    unsigned end = i;
    while (end + 1 < lanes_per_warp && (mask >> (end + 1) & 1u)) ++end;
    if (!first) text += ", ";
    text += std::to_string(i);
    if (end > i) text += "-" + std::to_string(end);
    first = false;
    i = end + 1;
  }
  return text;
}

std::string hexadecimal(unsigned x) {
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[x >> shift & 15u];
  return text;
}

std::string describe(const Meeting& meeting) {
  std::string text = meeting.name;
  if (meeting.mask != 0) text += " (mask " + hexadecimal(meeting.mask) + ")";
  return text + " at " + place(meeting.where);
}

/// Where the lanes of `mask` wait, those at one place together.
std::string describe_waiting(unsigned warp, unsigned mask) {
  std::string text;
  while (mask != 0) {
    const Meeting& first = *block.lanes[warp * lanes_per_warp + std::countr_zero(mask)].meeting;
    unsigned together = 0;
    for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
      const auto i = static_cast<unsigned>(std::countr_zero(rest));
      const Meeting& other = *block.lanes[warp * lanes_per_warp + i].meeting;
      if (other.mask == first.mask && same_place(other.where, first.where)) together |= 1u << i;
    }
    if (!text.empty()) text += "; ";
    text += list_of_lanes(together) + " in " + describe(first);
    mask &= ~together;
  }
  return text;
}

/// Where every thread of the block is, for the report of a deadlock.
std::string describe_block() {
  std::string text;
  for (unsigned w = 0; w * lanes_per_warp < block.threads; ++w) {
    const Warp& warp = block.warps[w];
    text += "\n  warp " + std::to_string(w) + ": ";
    std::string waiting = describe_waiting(w, warp.meeting | warp.at_barrier);
    if (warp.exited != 0) {
      if (!waiting.empty()) waiting += "; ";
      waiting += list_of_lanes(warp.exited) + " returned";
    }
    text += waiting;
  }
  return text;
}

void resume(Lane& next) {
  running_lane = &next;
  emulated::threadIdx = next.thread;
}

/// All threads have waited for the kernel before, or those that have not depend on those that have.
void unlock_block() {
  block.locked = false;
  unlock_device_memory();
  for (unsigned w = 0; w * lanes_per_warp < block.threads; ++w) {
    block.order.make_ready(w, block.warps[w].parked);
    block.warps[w].parked = 0;
  }
}

/// The next lane to run; null if all wait or have returned.
Lane* next_lane() {
  int next = block.order.next();
  if (next < 0 && block.locked) {
    unlock_block();
    next = block.order.next();
  }
  if (next < 0) return nullptr;
  if (const int later = block.order.peek(); later >= 0) {
    const char* stack =
        static_cast<const char*>(block.lanes[static_cast<unsigned>(later)].fiber.stack_pointer);
    for (int line = 0; line < 4; ++line) __builtin_prefetch(stack + line * 64, 1);
  }
  return &block.lanes[static_cast<unsigned>(next)];
}

/// Hands over to the next lane, or to the host if there is none.
void yield() {
  Lane& self = *running_lane;
  Lane* next = next_lane();
  if (next == &self) return;  // unlocking made it ready again
  if (next == nullptr) {
    switch_fiber(self.fiber, block.host);
  } else {
    resume(*next);
    switch_fiber(self.fiber, next->fiber);
  }
}

// The rest of meet_warp and meet_block, out of line: frames of waiting lanes stay small, of which a block has
// up to a thousand in the cache.

[[noreturn, gnu::noinline]] void meets_nobody(const Meeting& meeting) {
  fault(describe(meeting) + ", outside a kernel");
}

[[noreturn, gnu::noinline]] void wrong_mask(const Warp& warp, const Meeting& meeting) {
  if ((meeting.mask & bit_of(*running_lane)) == 0) {
    fault(describe(meeting) + ": the mask does not name the calling lane");
  }
  const unsigned missing = meeting.mask & ~(warp.exists & ~warp.exited);
  fault(describe(meeting) + ": the mask names " + list_of_lanes(missing) +
        ", which returned or never existed");
}

[[noreturn, gnu::noinline]] void wrong_barrier() {
  if (block.exited == 0) fault("threads of one block meet at different barriers:" + describe_block());
  fault("this thread comes to a barrier that others will not reach; no return before a barrier:" +
        describe_block());
}

[[noreturn, gnu::noinline]] void different_meetings(unsigned warp, unsigned mask) {
  fault("lanes of one mask meet at different places: " + describe_waiting(warp, mask));
}

/// All lanes of the mask are there, the running one last.
[[gnu::noinline]] void complete_meeting(Warp& warp, const Meeting& meeting) {
  const Lane& self = *running_lane;
  const unsigned mask = meeting.mask;
  void* arguments[lanes_per_warp];
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const unsigned i = std::countr_zero(rest);
    const Meeting& other = *block.lanes[self.warp * lanes_per_warp + i].meeting;
    if (other.mask != mask || other.apply != meeting.apply || !same_place(other.where, meeting.where)) {
      different_meetings(self.warp, mask);
    }
    arguments[i] = other.argument;
  }
  if (meeting.apply != nullptr) meeting.apply(arguments, mask);
  warp.meeting &= ~mask;
  block.order.make_ready(self.warp, mask & ~bit_of(self));
}

/// All threads of the block are there, the running one last.
[[gnu::noinline]] void complete_barrier() {
  const Lane& self = *running_lane;
  block.barrier_result = block.predicates;
  block.arrived = block.predicates = 0;
  for (unsigned w = 0; w * lanes_per_warp < block.threads; ++w) {
    Warp& warp = block.warps[w];
    warp.at_barrier = 0;
    block.order.make_ready(w, w == self.warp ? warp.exists & ~bit_of(self) : warp.exists);
  }
}

void exit_lane() {
  Lane& self = *running_lane;
  Warp& warp = block.warps[self.warp];
  warp.exited |= bit_of(self);
  ++block.exited;
  if (block.locked && block.parked + block.exited == block.threads) unlock_block();
  if (block.arrived > 0) {
    fault("this thread returns while others wait at a barrier; no return before a barrier:" +
          describe_block());
  }
  for (unsigned rest = warp.meeting; rest != 0; rest &= rest - 1) {
    const unsigned other = std::countr_zero(rest);
    const Meeting& meeting = *block.lanes[self.warp * lanes_per_warp + other].meeting;
    if (meeting.mask & bit_of(self)) {
      fault("lane " + std::to_string(other) + " waits in " + describe(meeting) +
            ", whose mask names this lane, which returns without it");
    }
  }
  if (block.run->overlaps_previous && !self.waited) {
    fault(
        "this thread returns without wait_for_previous_kernel(), which every thread of a kernel launched "
        "with "
        "programmatic serialisation calls before its first access to global memory");
  }
}

/// The body of every fiber.
void lane_main() {
  fiber_entered(block.host.stack == nullptr ? &block.host : nullptr);
  bool failed = false;
  try {
    block.run->invoke(block.run->call);
    exit_lane();
  } catch (...) {
    block.error = std::current_exception();
    failed = true;
  }
  Lane& self = *running_lane;
  Lane* next = failed ? nullptr : next_lane();
  if (next != nullptr) resume(*next);
  leave_fiber(self.fiber, next != nullptr ? next->fiber : block.host);
  __builtin_unreachable();
}

/// A launch, from its first block to its last or to the exception that ends it.
class Launch {
 public:
  explicit Launch(const KernelRun& run) {
    if (running_lane != nullptr) fault("a kernel cannot launch another one");
    block.run = &run;
    emulated::blockDim = run.block;
    emulated::gridDim = run.grid;
  }
  ~Launch() { block.run = nullptr; }
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;
};

void prepare_block(const KernelRun& run, LaneOrder order) {
  block.threads = run.block.x * run.block.y * run.block.z;
  if (block.lanes.size() < block.threads) block.lanes.resize(block.threads);
  block.warps = {};
  block.order = order;
  block.exited = block.parked = block.arrived = block.predicates = 0;
  block.host = {};
  block.error = nullptr;
  for (unsigned i = 0; i < block.threads; ++i) {
    Lane& lane = block.lanes[i];
    lane.fiber = make_fiber(i, lane_main);
    lane.thread = {i % run.block.x, i / run.block.x % run.block.y, i / (run.block.x * run.block.y)};
    lane.warp = i / lanes_per_warp;
    lane.index = i % lanes_per_warp;
    lane.copies.clear();
    lane.open_group = 0;
    lane.waited = false;
    block.warps[lane.warp].exists |= bit_of(lane);
  }
  for (unsigned w = 0; w * lanes_per_warp < block.threads; ++w)
    block.order.make_ready(w, block.warps[w].exists);
}

void run_block(bool locked) {
  block.locked = locked;
  if (locked) lock_device_memory();
  Lane* first = next_lane();
  resume(*first);
  switch_fiber(block.host, first->fiber);
  running_lane = nullptr;
  unlock_device_memory();
  if (!block.error && block.exited < block.threads) {
    try {
      fault("deadlock: no thread can go on:" + describe_block());
    } catch (...) {
      block.error = std::current_exception();
    }
  }
  if (block.error) {
    abandon_fibers();
    std::rethrow_exception(block.error);
  }
}

}  // namespace

void meet_warp(const Meeting& meeting) {
  if (running_lane == nullptr) meets_nobody(meeting);
  Lane& self = *running_lane;
  Warp& warp = block.warps[self.warp];
  const unsigned mask = meeting.mask;
  if ((mask & bit_of(self)) == 0 || (mask & ~(warp.exists & ~warp.exited)) != 0) wrong_mask(warp, meeting);
  self.meeting = &meeting;
  warp.meeting |= bit_of(self);
  if ((warp.meeting & mask) == mask) {
    complete_meeting(warp, meeting);
  } else {
    yield();
  }
}

unsigned meet_block(bool predicate, const char* name, const std::source_location& where) {
  const Meeting meeting{name, 0, nullptr, nullptr, where};
  if (running_lane == nullptr) meets_nobody(meeting);
  Lane& self = *running_lane;
  self.meeting = &meeting;
  block.warps[self.warp].at_barrier |= bit_of(self);
  if (block.arrived == 0) block.barrier = where;
  if (block.exited > 0 || !same_place(block.barrier, where)) wrong_barrier();
  block.predicates += predicate;
  ++block.arrived;
  if (block.arrived == block.threads) {
    complete_barrier();
  } else {
    yield();
  }
  return block.barrier_result;
}

void wait_for_kernel_before() {
  if (running_lane == nullptr) fault("wait_for_previous_kernel outside a kernel");
  Lane& self = *running_lane;
  self.waited = true;
  if (!block.locked) return;
  ++block.parked;
  if (block.parked + block.exited == block.threads) {
    unlock_block();
  } else {
    block.warps[self.warp].parked |= bit_of(self);
    yield();
  }
}

void abandon_lane(std::exception_ptr error) {
  block.error = std::exchange(error, nullptr);  // nothing of this lane will be destroyed
  leave_fiber(running_lane->fiber, block.host);
  __builtin_unreachable();
}

void run_kernel(const KernelRun& run, uint64_t seed) {
  const Launch launch(run);
  Random random(seed);
  const uint64_t blocks = uint64_t{run.grid.x} * run.grid.y * run.grid.z;
  std::vector<uint64_t> order(blocks);
  std::iota(order.begin(), order.end(), uint64_t{0});
  for (uint64_t i = blocks; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  shared_memory().begin_launch(run.dynamic_shared_bytes);
  try {
    for (const uint64_t b : order) {
      const uint64_t row = b / run.grid.x;
      emulated::blockIdx = {static_cast<unsigned>(b % run.grid.x), static_cast<unsigned>(row % run.grid.y),
                            static_cast<unsigned>(row / run.grid.y)};
      shared_memory().begin_block();
      prepare_block(run, LaneOrder(random.next()));
      run_block(run.locks_memory && b == order[0]);
      shared_memory().check_guard_zones();
    }
  } catch (...) {
    device_memory().overruns();  // what else it broke is not to be blamed on the next launch
    throw;
  }
  const std::string overruns = device_memory().overruns();
  if (!overruns.empty()) fault(overruns);
}

std::string running_place() {
  if (block.run == nullptr) return {};
  std::string text = "kernel " + kernel_name(block.run->function) + ", block (" +
                     std::to_string(emulated::blockIdx.x) + ", " + std::to_string(emulated::blockIdx.y) +
                     ", " + std::to_string(emulated::blockIdx.z) + ")";
  if (running_lane != nullptr) {
    text += ", warp " + std::to_string(running_lane->warp) + ", lane " + std::to_string(running_lane->index);
  }
  return text;
}

}  // namespace photon::emulation
