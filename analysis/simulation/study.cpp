#include "analysis/simulation/study.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace photon::simulation {
namespace {

/// Runs fleets of one size or another with the same requests.
class Runner {
 public:
  Runner(const Study& study, std::span<const Request> requests, const Efficiency& efficiency,
         const std::function<bool()>& interrupted)
      : study_(study), requests_(requests), costs_(study_costs(study, efficiency, requests)) {
    config_.replica.room_bytes = costs_.room_bytes(study.hardware.memory_bytes);
    config_.replica.most_rows = study.most_rows;
    config_.replica.prefill_units = costs_.prefill_units();
    config_.replica.samples = study.service.samples;
    config_.record_from = recorded_from(requests);
    config_.interrupted = interrupted;
    for (const Request& r : requests) {
      const ServicePlan plan = costs_.plan(r);
      if (plan.prefill_bytes <= config_.replica.room_bytes) {
        held_bytes_ += plan.held_bytes;
        ++held_;
      }
    }
  }

  void run(int64_t replicas, Row& row) {
    config_.replicas = replicas;
    const Outcome outcome = simulate(requests_, config_, costs_);
    row.replicas = replicas;
    summarize(requests_, study_.service.spec.meta_context(), config_, outcome, study_.limits, row);
    if (held_bytes_ > 0.0) row.requests_per_gib = static_cast<double>(held_) * 0x1p30 / held_bytes_;
  }

  void run_fewest(Row& row) {
    int64_t enough = 1;
    for (run(enough, row); row.within_limits < wanted_share; run(enough, row)) {
      enough *= 2;
      if (enough > most_replicas) {
        throw Error(fmt::format(
            "model '{}': {} replicas keep {:.1f} % of the requests within the limits, {:.0f} % are wanted; "
            "one "
            "alone on a replica takes too long, or none fits",
            study_.service.spec.name, enough / 2, 100.0 * row.within_limits, 100.0 * wanted_share));
      }
    }
    for (int64_t too_few = enough / 2; enough - too_few > 1;) {
      const int64_t between = too_few + (enough - too_few) / 2;
      Row tried = row;
      run(between, tried);
      if (tried.within_limits >= wanted_share) {
        row = tried;
        enough = between;
      } else {
        too_few = between;
      }
    }
  }

 private:
  const Study& study_;
  std::span<const Request> requests_;
  ModelCosts costs_;
  FleetConfig config_;
  double held_bytes_ = 0.0;
  int64_t held_ = 0;
};

/// The value that a share q of all is not above.
double quantile(std::vector<double>& values, double q) {
  if (values.empty()) return Row::none;
  const auto rank = static_cast<int64_t>(std::ceil(q * static_cast<double>(values.size()))) - 1;
  const auto at = values.begin() + std::clamp<int64_t>(rank, 0, std::ssize(values) - 1);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

void add_price(const Hardware& hardware, Row& row) {
  if (!(row.throughput_tokens_per_s > 0.0)) return;
  const double gpu_seconds = 1e6 * static_cast<double>(row.replicas) / row.throughput_tokens_per_s;
  if (hardware.price_per_hour) row.cost_per_million_tokens = *hardware.price_per_hour * gpu_seconds / 3600.0;
  if (hardware.power_watts) row.energy_kwh_per_million_tokens = *hardware.power_watts * gpu_seconds / 3.6e6;
}

/// Requests and tokens a second between the times at which a tenth and nine tenths of the requests were done:
/// the fleet neither fills up nor empties then.
void add_rates(std::span<const Request> requests, const Outcome& outcome, int64_t samples, Row& row) {
  std::vector<std::pair<double, double>> done;  // when, tokens
  for (size_t i = 0; i < requests.size(); ++i) {
    if (std::isnan(outcome.fates[i].last)) continue;
    done.emplace_back(outcome.fates[i].last, static_cast<double>(requests[i].answer * samples));
  }
  std::sort(done.begin(), done.end());
  const auto count = static_cast<double>(done.size());
  double begin = done[static_cast<size_t>(0.1 * count)].first;
  double end = done[static_cast<size_t>(0.9 * (count - 1.0))].first;
  if (!(end > begin)) {  // all at about the same time: everything in the whole of it
    begin = requests.front().arrival - 1e-12;
    end = outcome.end;
  }
  double finished = 0.0;
  double tokens = 0.0;
  for (const auto& [time, made] : done) {
    if (time <= begin || time > end) continue;
    finished += 1.0;
    tokens += made;
  }
  row.requests_per_s = finished / (end - begin);
  row.throughput_tokens_per_s = tokens / (end - begin);
}

}  // namespace

ModelCosts study_costs(const Study& study, const Efficiency& efficiency, std::span<const Request> requests) {
  int64_t longest = 0;
  for (const Request& r : requests) longest = std::max(longest, r.prompt + r.answer);
  return ModelCosts(study.service, study.hardware.ceilings(study.dtype, study.data_sheet_only), efficiency,
                    longest);
}

double recorded_from(std::span<const Request> requests) {
  return requests[static_cast<size_t>(warm_up_share * static_cast<double>(requests.size()))].arrival;
}

Row describe(const Study& study, std::span<const Request> requests) {
  const ModelSpec& spec = study.service.spec;
  const ArrivalLaw& arrivals = study.load.arrivals;
  Row row;
  row.model = spec.name;
  row.architecture = spec.architecture();
  if (spec.depth() > 0) row.reading = to_string(spec.reading);
  row.generation = to_string(study.service.generation);
  row.hardware = study.hardware.name;
  row.dtype = to_string(study.dtype);
  row.efficiency = study.efficiency.source;
  row.arrivals = to_string(arrivals.kind);
  row.prompt_law = study.prompt_law;
  row.answer_law = study.answer_law;
  const double last = requests.back().arrival;
  if (arrivals.rate > 0.0) {
    row.offered_requests_per_s = arrivals.rate;
  } else if (last > 0.0) {
    row.offered_requests_per_s = static_cast<double>(requests.size() - 1) / last;
  }
  row.prompt = row.new_tokens = 0.0;
  for (const Request& r : requests) {
    row.prompt += static_cast<double>(r.prompt) / static_cast<double>(requests.size());
    row.new_tokens += static_cast<double>(r.answer) / static_cast<double>(requests.size());
  }
  row.samples_per_prompt = study.service.samples;
  row.shared_prefix = study.service.shared_prefix;
  row.requests = std::ssize(requests);
  row.seed = static_cast<int64_t>(study.load.seed);
  row.prefill_tokens = study.service.prefill_tokens;
  row.row_limit = study.most_rows;
  if (std::isfinite(study.limits.ttft)) row.limit_ttft_seconds = study.limits.ttft;
  if (std::isfinite(study.limits.burst)) row.limit_burst_seconds = study.limits.burst;
  return row;
}

void summarize(std::span<const Request> requests, int64_t unit, const FleetConfig& config,
               const Outcome& outcome, const Limits& limits, Row& row) {
  row.refused = outcome.refused;
  row.done_at_last_arrival = outcome.done_by_then;
  row.in_flight_at_last_arrival = outcome.in_flight;
  add_rates(requests, outcome, config.replica.samples, row);

  const auto warm_up = static_cast<size_t>(warm_up_share * static_cast<double>(requests.size()));
  std::vector<double> ttft;
  std::vector<double> token;
  double waited = 0.0;
  int64_t within = 0;
  for (size_t i = warm_up; i < requests.size(); ++i) {
    const Fate& fate = outcome.fates[i];
    if (std::isnan(fate.last)) continue;
    ttft.push_back(fate.first - requests[i].arrival);
    const int64_t later = requests[i].answer - (unit - requests[i].prompt % unit);
    if (later > 0) token.push_back((fate.last - fate.first) / static_cast<double>(later));
    waited += fate.admitted - requests[i].arrival;
    within += ttft.back() <= limits.ttft && fate.longest_gap <= limits.burst ? 1 : 0;
  }
  if (!ttft.empty()) row.wait_mean_seconds = waited / static_cast<double>(ttft.size());
  row.ttft_p50_seconds = quantile(ttft, 0.5);
  row.ttft_p90_seconds = quantile(ttft, 0.9);
  row.ttft_p99_seconds = quantile(ttft, 0.99);
  row.token_p50_seconds = quantile(token, 0.5);
  row.token_p99_seconds = quantile(token, 0.99);
  if (outcome.gaps.total() > 0) {
    row.burst_p50_seconds = outcome.gaps.quantile(0.5);
    row.burst_p90_seconds = outcome.gaps.quantile(0.9);
    row.burst_p99_seconds = outcome.gaps.quantile(0.99);
  }
  if (std::isfinite(limits.ttft) || std::isfinite(limits.burst)) {
    row.within_limits = static_cast<double>(within) / static_cast<double>(requests.size() - warm_up);
    row.goodput_requests_per_s = row.requests_per_s * row.within_limits;
  }
  const double length = outcome.end - requests.front().arrival;
  row.utilisation = outcome.steps.busy_seconds / (length * static_cast<double>(config.replicas));
  row.batch_mean = outcome.steps.row_seconds / outcome.steps.busy_seconds;
  row.batch_peak = outcome.steps.peak_requests;
  row.in_system_mean = outcome.request_seconds / length;
  row.memory_peak = outcome.steps.peak_bytes / config.replica.room_bytes;
}

std::vector<Row> run_study(const Study& study, const Trace* trace, const std::function<bool()>& interrupted) {
  if (study.replicas < 0 || study.most_rows < 0) {
    throw UsageError(fmt::format("{} replicas with {} rows at most", study.replicas, study.most_rows));
  }
  const bool limited = std::isfinite(study.limits.ttft) || std::isfinite(study.limits.burst);
  if (study.replicas == 0 && !limited) {
    throw UsageError(
        "the fewest replicas are looked for within limits: give one on the first token or on bursts");
  }
  const std::vector<Request> requests = make_requests(study.load, trace);
  const Row common = describe(study, requests);
  std::vector<Row> rows;
  const auto run = [&](const Efficiency& efficiency, const char* band) {
    Row row = common;
    row.band = band;
    row.prefill_efficiency = efficiency.prefill;
    row.decode_efficiency = efficiency.decode;
    Runner runner(study, requests, efficiency, interrupted);
    if (study.replicas > 0) {
      runner.run(study.replicas, row);
    } else {
      runner.run_fewest(row);
    }
    add_price(study.hardware, row);
    rows.push_back(std::move(row));
  };
  if (!study.efficiency.is_point()) run(study.efficiency.low, "low");
  run(study.efficiency.mid, "mid");
  if (!study.efficiency.is_point()) run(study.efficiency.high, "high");
  return rows;
}

}  // namespace photon::simulation
