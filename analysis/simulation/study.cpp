// SPDX-License-Identifier: Apache-2.0
#include "analysis/simulation/study.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/simulation/capacity.h"
#include "core/base/error.h"

namespace photon::analysis::simulation {
namespace {

/// Requests a second that arrive, mean; NaN if they do so at once.
double offered(const Study& study, std::span<const Request> requests) {
  if (study.load.arrivals.rate > 0.0) return study.load.arrivals.rate;
  const double last = requests.back().arrival;
  return last > 0.0 ? static_cast<double>(requests.size() - 1) / last : Row::none;
}

std::string ceilings_of(const Study& study) {
  const Hardware::Origins origins = study.hardware.origins(study.dtype, study.data_sheet_only);
  if (origins.bandwidth == origins.matrix_rate) return std::string(origins.bandwidth);
  return fmt::format("bandwidth {}, matrix rate {}", origins.bandwidth, origins.matrix_rate);
}

ReplicaConfig replica_config(const Study& study, const ModelCosts& costs) {
  return {.room_bytes = costs.room_bytes(study.hardware.memory_bytes),
          .most_rows = study.most_rows,
          .prefill_units = costs.prefill_units(),
          .samples = study.service.samples};
}

/// Requests that stand for all that could ever arrive, so that a capacity does not hang on how many a run
/// has.
std::vector<Request> typical_requests(const Study& study, const Trace* trace) {
  Load load = study.load;
  if (load.arrivals.kind != ArrivalLaw::Kind::trace) {
    const auto fixed = [](const LengthLaw& law) { return law.kind == LengthLaw::Kind::fixed; };
    load.arrivals = {.kind = ArrivalLaw::Kind::at_once};
    load.requests = fixed(load.prompt) && fixed(load.answer) ? 1 : int64_t{1} << 15;
    load.seed = 0;
  }
  return make_requests(load, trace);
}

/// Arriving requests over those that one replica can do at most; NaN if they arrive at once.
double load_of_one(const Study& study, const Efficiency& efficiency, const Trace* trace) {
  const std::vector<Request> requests = typical_requests(study, trace);
  ModelCosts costs = study_costs(study, efficiency, requests);
  const ReplicaConfig config = replica_config(study, costs);
  const auto fit = std::count_if(requests.begin(), requests.end(), [&](const Request& r) {
    return costs.plan(r).prefill_bytes <= config.room_bytes;
  });
  const double share = static_cast<double>(fit) / static_cast<double>(requests.size());
  return offered(study, requests) * share / capacity_requests_per_s(requests, config, costs);
}

int64_t fewest_for(const Study& study, double load) {
  if (std::isnan(load)) {
    throw UsageError(
        "the fewest replicas are looked for at a rate: requests that arrive at once are no load that a fleet "
        "could keep up with; --rate N");
  }
  if (!(load < static_cast<double>(most_replicas))) {
    throw Error(
        fmt::format("model '{}': the load is {:.4g} times what one replica can do; {} replicas are the "
                    "most",
                    study.service.spec.name, load, most_replicas));
  }
  return static_cast<int64_t>(std::floor(load)) + 1;
}

/// Requests, and fleets of one size or another that serve them.
class Runner {
 public:
  Runner(const Study& study, std::vector<Request> requests, const Efficiency& efficiency, double load_of_one,
         const std::function<bool()>& interrupted)
      : study_(study),
        requests_(std::move(requests)),
        efficiency_(efficiency),
        load_of_one_(load_of_one),
        costs_(study_costs(study, efficiency, requests_)) {
    config_.replica = replica_config(study, costs_);
    config_.record_from = recorded_from(requests_);
    config_.interrupted = interrupted;
    double bytes = 0.0;
    int64_t held = 0;
    for (const Request& r : requests_) {
      const ServicePlan plan = costs_.plan(r);
      if (plan.prefill_bytes > config_.replica.room_bytes) continue;
      bytes += plan.held_bytes;
      ++held;
    }
    if (bytes > 0.0) requests_per_gib_ = static_cast<double>(held) * 0x1p30 / bytes;
  }

  Row run(int64_t replicas) {
    config_.replicas = replicas;
    const Outcome outcome = simulate(requests_, config_, costs_);
    Row row = describe(study_, requests_);
    row.prefill_efficiency = efficiency_.prefill;
    row.decode_efficiency = efficiency_.decode;
    row.replicas = replicas;
    summarize(requests_, study_.service.spec.meta_context(), config_, outcome, study_.limits, row);
    row.requests_per_gib = requests_per_gib_;
    row.load = load_of_one_ / static_cast<double>(replicas);
    row.verdict = verdict(outcome, row);
    return row;
  }

  int64_t requests() const { return std::ssize(requests_); }

 private:
  const char* verdict(const Outcome& outcome, const Row& row) const {
    const double span = requests_.back().arrival - requests_.front().arrival;
    if (span == 0.0) {
      // Everything went into the first batches: what they could hold was never asked.
      return row.requests < 2 * row.replicas * row.batch_peak ? "too short" : "";
    }
    if (row.load >= 1.0) return "overloaded";
    if (!(span >= stays * mean_total_seconds(requests_, outcome))) return "too short";
    return row.load > near_saturation ? "near saturation" : "steady";
  }

  const Study& study_;
  std::vector<Request> requests_;
  Efficiency efficiency_;
  double load_of_one_;
  ModelCosts costs_;
  FleetConfig config_;
  double requests_per_gib_ = Row::none;
};

/// Looks for the fewest replicas that keep within the limits. Runs are prolonged until they tell.
class Search {
 public:
  Search(const Study& study, const Trace* trace, const Efficiency& efficiency, double load_of_one,
         const std::function<bool()>& interrupted)
      : study_(study),
        trace_(trace),
        efficiency_(efficiency),
        load_of_one_(load_of_one),
        interrupted_(interrupted) {}

  /// `least`: the fewest that are stable.
  Row run(int64_t least) {
    if (enough(least)) return found_;
    int64_t too_few = least;
    int64_t most = least;
    for (int64_t more = 1; !enough(most = std::min(least + more, most_replicas)); more *= 2) {
      too_few = most;
      if (most == most_replicas) {
        throw Error(fmt::format(
            "model '{}': {} replicas keep {:.1f} % of the requests within the limits, {:.0f} % are wanted; "
            "one alone on a replica takes too long, or none fits",
            study_.service.spec.name, most, 100.0 * last_.within_limits, 100.0 * wanted_share));
      }
    }
    while (most - too_few > 1) {
      const int64_t between = too_few + (most - too_few) / 2;
      (enough(between) ? most : too_few) = between;
    }
    return found_;
  }

 private:
  /// Whether so many replicas are shown to be enough; found_ is the row that shows it.
  bool enough(int64_t replicas) {
    for (int64_t requests = study_.load.requests;; requests *= 4) {
      Runner& runner = runner_of(requests);
      last_ = runner.run(replicas);
      const double error = std::isnan(last_.within_limits_error) ? 1.0 : last_.within_limits_error;
      // A fleet begins empty, so requests wait less in a run that is too short.
      if (last_.within_limits + error < wanted_share) return false;
      const bool long_enough = last_.verdict != "too short";
      const bool recorded = study_.load.arrivals.kind == ArrivalLaw::Kind::trace;
      if (last_.within_limits - error >= wanted_share && long_enough) {
        found_ = last_;
        return true;
      }
      if (!recorded && requests < longest_search) continue;
      // Recorded arrivals are all there is; their row says if they are too few to tell. Else what could not
      // be shown does not count.
      found_ = last_;
      return recorded && last_.within_limits >= wanted_share;
    }
  }

  Runner& runner_of(int64_t requests) {
    auto at = runners_.find(requests);
    if (at == runners_.end()) {
      Load load = study_.load;
      load.requests = requests;
      at = runners_
               .try_emplace(requests, study_, make_requests(load, trace_), efficiency_, load_of_one_,
                            interrupted_)
               .first;
    }
    return at->second;
  }

  const Study& study_;
  const Trace* trace_;
  Efficiency efficiency_;
  double load_of_one_;
  const std::function<bool()>& interrupted_;
  std::map<int64_t, Runner> runners_;  // by requests
  Row last_;
  Row found_;
};

void add_price(const Hardware& hardware, Row& row) {
  if (!(row.throughput_tokens_per_s > 0.0)) return;
  const double gpu_seconds = 1e6 * static_cast<double>(row.replicas) / row.throughput_tokens_per_s;
  if (hardware.price_per_hour) row.cost_per_million_tokens = *hardware.price_per_hour * gpu_seconds / 3600.0;
  if (hardware.power_watts) row.energy_kwh_per_million_tokens = *hardware.power_watts * gpu_seconds / 3.6e6;
}

Row run_one(const Study& study, const Trace* trace, const Efficiency& efficiency,
            const std::function<bool()>& interrupted) {
  const double load = load_of_one(study, efficiency, trace);
  if (study.replicas == 0 && study.limits.any()) {
    return Search(study, trace, efficiency, load, interrupted).run(fewest_for(study, load));
  }
  Runner runner(study, make_requests(study.load, trace), efficiency, load, interrupted);
  return runner.run(study.replicas == 0 ? fewest_for(study, load) : study.replicas);
}

}  // namespace

ModelCosts study_costs(const Study& study, const Efficiency& efficiency, std::span<const Request> requests) {
  int64_t longest = 0;
  for (const Request& r : requests) longest = std::max(longest, r.prompt + r.answer);
  return ModelCosts(study.service, study.hardware.ceilings(study.dtype, study.data_sheet_only), efficiency,
                    longest);
}

Row describe(const Study& study, std::span<const Request> requests) {
  const ModelSpec& spec = study.service.spec;
  const ArrivalLaw& arrivals = study.load.arrivals;
  Row row;
  row.model = spec.name;
  row.architecture = spec.architecture();
  row.reading = spec.reading_name();
  row.generation = to_string(study.service.generation);
  row.hardware = study.hardware.name;
  row.ceilings = ceilings_of(study);
  row.dtype = to_string(study.dtype);
  row.efficiency = study.efficiency.source;
  row.arrivals = to_string(arrivals.kind);
  row.prompt_law = study.prompt_law;
  row.answer_law = study.answer_law;
  row.offered_requests_per_s = offered(study, requests);
  row.prompt = row.new_tokens = 0.0;
  for (const Request& r : requests) {
    row.prompt += static_cast<double>(r.prompt);
    row.new_tokens += static_cast<double>(r.answer);
  }
  row.prompt /= static_cast<double>(requests.size());
  row.new_tokens /= static_cast<double>(requests.size());
  row.samples_per_prompt = study.service.samples;
  row.shared_prefix = study.service.shared_prefix;
  row.requests = std::ssize(requests);
  row.seed = static_cast<int64_t>(study.load.seed);
  row.prefill_tokens = study.service.prefill_tokens;
  row.row_limit = study.most_rows;
  if (std::isfinite(study.limits.ttft)) row.limit_ttft_seconds = study.limits.ttft;
  if (std::isfinite(study.limits.burst)) row.limit_burst_seconds = study.limits.burst;
  if (std::isfinite(study.limits.token)) row.limit_token_seconds = study.limits.token;
  if (std::isfinite(study.limits.total)) row.limit_total_seconds = study.limits.total;
  return row;
}

int64_t fewest_stable(const Study& study, const Efficiency& efficiency, const Trace* trace) {
  return fewest_for(study, load_of_one(study, efficiency, trace));
}

std::vector<Row> run_study(const Study& study, const Trace* trace, const std::function<bool()>& interrupted) {
  if (study.replicas < 0 || study.most_rows < 0) {
    throw UsageError(fmt::format("{} replicas with {} rows at most", study.replicas, study.most_rows));
  }
  std::vector<Row> rows;
  const auto run = [&](const Efficiency& efficiency, const char* band) {
    Row row = run_one(study, trace, efficiency, interrupted);
    row.band = band;
    add_price(study.hardware, row);
    rows.push_back(std::move(row));
  };
  if (!study.efficiency.is_point()) run(study.efficiency.low, "low");
  run(study.efficiency.mid, "mid");
  if (!study.efficiency.is_point()) run(study.efficiency.high, "high");
  return rows;
}

}  // namespace photon::analysis::simulation
