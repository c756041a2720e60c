#include "core/floor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "core/error.h"

namespace photon {
namespace {

class Clock {
 public:
  Clock(const Ceilings& ceilings, MemoryLevels levels) : c_(ceilings), levels_(levels) {}

  PhaseFloor phases(std::span<const Phase> list) {
    PhaseFloor sum;
    for (const Phase& phase : list) {
      double memory = 0.0;
      double arithmetic = 0.0;
      for (const Forward& forward : phase) {
        for (const Operation& op : forward) {
          const double bytes = memory_seconds(op);
          const double flops = op.work.flops / c_.matrix_rate;
          sum.serial_seconds += std::max(bytes, flops);
          memory += bytes;
          arithmetic += flops;
          sum.launches += op.launches;
          sum.work += op.work;
        }
      }
      sum.seconds += std::max(memory, arithmetic);
      memory_ += memory;
      arithmetic_ += arithmetic;
    }
    sum.bound = bound(sum.launches);
    return sum;
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

  Bound bound(double launches) const {
    const double launching = launches * c_.launch_seconds;
    if (launching > memory_ && launching > arithmetic_) return Bound::launch;
    return arithmetic_ > memory_ ? Bound::compute : Bound::bandwidth;
  }

  const Ceilings& c_;
  MemoryLevels levels_;
  std::set<std::tuple<Operation::Kind, int, bool>> seen_;
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
  if (!(ceilings.bandwidth > 0.0) || !(ceilings.matrix_rate > 0.0)) {
    throw Error(fmt::format("no floor without ceilings: bandwidth {} B/s, matrix rate {} FLOP/s",
                            ceilings.bandwidth, ceilings.matrix_rate));
  }
  return {Clock(ceilings, levels).phases({&cost.prefill, 1}), Clock(ceilings, levels).phases(cost.decode)};
}

int64_t largest_batch(const ModelSpec& spec, Workload workload, int64_t memory_bytes) {
  workload.batch = 1;
  const double weights = weights_bytes(spec, workload.weight_bytes);
  const double prompt = kv_bytes_ideal(spec, workload) * static_cast<double>(workload.samples);
  const double room = 0.95 * static_cast<double>(memory_bytes) - weights;
  if (room < prompt) {
    throw Error(fmt::format(
        "model '{}': weights of {:.2f} GiB and {:.2f} GiB of cache for one prompt do not fit "
        "0.95 of {:.2f} GiB",
        spec.name, weights / 0x1p30, prompt / 0x1p30, static_cast<double>(memory_bytes) / 0x1p30));
  }
  // A request whose caches hold nothing at its end is bounded by nothing but good sense.
  return prompt == 0.0 ? int64_t{1} << 20 : static_cast<int64_t>(std::min(room / prompt, 0x1p40));
}

}  // namespace photon
