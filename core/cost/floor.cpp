// SPDX-License-Identifier: Apache-2.0
#include "core/cost/floor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

#include "core/base/error.h"

namespace photon {
namespace {

/// Adds up phases; what the cache holds is remembered from prefill to decode.
class Clock {
 public:
  Clock(const Ceilings& ceilings, MemoryLevels levels) : c_(ceilings), levels_(levels) {
    if (!(c_.bandwidth > 0.0) || !(c_.matrix_rate > 0.0)) {
      throw Error(fmt::format("no floor without ceilings: bandwidth {} B/s, matrix rate {} FLOP/s",
                              c_.bandwidth, c_.matrix_rate));
    }
  }

  void add(const Forwards& forwards) {
    double memory = 0.0;
    double arithmetic = 0.0;
    for (const Forward& forward : forwards) {
      for (const Operation& op : forward) {
        const double bytes = memory_seconds(op);
        const double flops = op.work.flops / c_.matrix_rate;
        sum_.serial_seconds += std::max(bytes, flops);
        memory += bytes;
        arithmetic += flops;
        sum_.launches += op.launches;
        sum_.work += op.work;
      }
    }
    sum_.seconds += std::max(memory, arithmetic);
    memory_ += memory;
    arithmetic_ += arithmetic;
  }

  /// Of what was added since the last call.
  PhaseFloor take() {
    const double launching = sum_.launches * c_.launch_seconds;
    sum_.bound = launching > memory_ && launching > arithmetic_ ? Bound::launch
                 : arithmetic_ > memory_                        ? Bound::compute
                                                                : Bound::bandwidth;
    memory_ = arithmetic_ = 0.0;
    return std::exchange(sum_, {});
  }

 private:
  double memory_seconds(const Operation& op) {
    double weights = op.work.weight_bytes / c_.bandwidth;
    if (levels_ == MemoryLevels::two && c_.cache_bandwidth > c_.bandwidth &&
        op.work.weight_bytes <= static_cast<double>(c_.cache_bytes)) {
      const bool first = seen_.insert({op.kind, op.level, op.decoder}).second;
      if (!first) weights = op.work.weight_bytes / c_.cache_bandwidth;
    }
    return weights + op.work.kv_bytes() / c_.bandwidth;
  }

  const Ceilings& c_;
  MemoryLevels levels_;
  std::set<std::tuple<Operation::Kind, int, bool>> seen_;
  PhaseFloor sum_;
  double memory_ = 0.0;
  double arithmetic_ = 0.0;
};

}  // namespace

std::string_view to_string(Bound bound) {
  switch (bound) {
    case Bound::bandwidth:
      return "bandwidth";
    case Bound::compute:
      return "compute";
    case Bound::launch:
      return "launch";
  }
  return "";
}

RequestFloor request_floor(const RequestCost& cost, const Ceilings& ceilings, MemoryLevels levels) {
  Clock clock(ceilings, levels);
  RequestFloor floor;
  clock.add(cost.prefill);
  floor.prefill = clock.take();
  for (const Forwards& forwards : cost.decode) clock.add(forwards);
  floor.decode = clock.take();
  return floor;
}

RequestFloor request_floor(const ModelSpec& spec, const Workload& workload, const Ceilings& ceilings,
                           MemoryLevels levels) {
  Clock clock(ceilings, levels);
  RequestFloor floor;
  visit_request(
      spec, workload,
      [&](const Forwards& prefill) {
        clock.add(prefill);
        floor.prefill = clock.take();
      },
      [&](const Forwards& forwards) { clock.add(forwards); });
  floor.decode = clock.take();
  return floor;
}

int64_t fitting_batch(const ModelSpec& spec, Workload workload, int64_t memory_bytes) {
  workload.batch = 1;
  const double prompt = kv_bytes_ideal(spec, workload) * static_cast<double>(workload.samples);
  const double room =
      usable_share * static_cast<double>(memory_bytes) - weights_bytes(spec, workload.weight_bytes);
  if (room < prompt) return 0;
  // A request whose caches hold nothing at its end is bounded by nothing but good sense.
  return prompt == 0.0 ? int64_t{1} << 20 : static_cast<int64_t>(std::min(room / prompt, 0x1p32));
}

int64_t largest_batch(const ModelSpec& spec, const Workload& workload, int64_t memory_bytes) {
  const int64_t batch = fitting_batch(spec, workload, memory_bytes);
  if (batch > 0) return batch;
  throw Error(
      fmt::format("model '{}': weights of {:.2f} GiB and {:.2f} GiB of cache for one prompt do not fit "
                  "{:.2g} of {:.2f} GiB",
                  spec.name, weights_bytes(spec, workload.weight_bytes) / 0x1p30,
                  kv_bytes_ideal(spec, workload) * static_cast<double>(workload.samples) / 0x1p30,
                  usable_share, static_cast<double>(memory_bytes) / 0x1p30));
}

}  // namespace photon
