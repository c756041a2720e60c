// SPDX-License-Identifier: Apache-2.0
#include "analysis/simulation/summary.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "analysis/simulation/batches.h"

namespace photon::analysis::simulation {
namespace {

size_t warm_up(std::span<const Request> requests) {
  return static_cast<size_t>(warm_up_share * static_cast<double>(requests.size()));
}

/// The value that a share q of all is not above; the values are reordered.
double quantile(std::span<double> values, double q) {
  if (values.empty()) return Row::none;
  const auto rank = static_cast<int64_t>(std::ceil(q * static_cast<double>(values.size()))) - 1;
  const auto at = values.begin() + std::clamp<int64_t>(rank, 0, std::ssize(values) - 1);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

/// A figure a request, in order of arrival.
class Sample {
 public:
  void add(double value) { values_.push_back(value); }

  double quantile(double q) const {
    std::vector<double> values = values_;
    return simulation::quantile(values, q);
  }
  double mean() const { return mean_of(values_); }

  double quantile_error(double q) const {
    const double least = 1.0 / std::min(q, 1.0 - q);  // that have one value beyond the quantile
    return error(quantile(q), least, [q](std::span<double> batch) { return simulation::quantile(batch, q); });
  }
  double mean_error() const {
    return error(mean(), 10.0, [](std::span<double> batch) { return mean_of(batch); });
  }

 private:
  static double mean_of(std::span<const double> values) {
    if (values.empty()) return Row::none;
    double sum = 0.0;
    for (const double v : values) sum += v;
    return sum / static_cast<double>(values.size());
  }

  /// From batches of neighbours; nothing where fewer than `least` are in one.
  template <class Figure>
  double error(double whole, double least, Figure&& figure) const {
    const size_t each = values_.size() / batch_count;
    if (static_cast<double>(each) < least) return Row::none;
    std::array<double, batch_count> batches;
    for (size_t b = 0; b < batches.size(); ++b) {
      const auto begin = values_.begin() + static_cast<std::ptrdiff_t>(b * each);
      std::vector<double> batch(begin, begin + static_cast<std::ptrdiff_t>(each));
      batches[b] = figure(batch);
    }
    return batch_error(whole, batches);
  }

  std::vector<double> values_;
};

double gap_error(const GapRecord& gaps, double q) {
  std::array<double, batch_count> batches;
  for (size_t b = 0; b < batches.size(); ++b) {
    const LogHistogram& batch = gaps.batches()[b];
    if (static_cast<double>(batch.total()) * std::min(q, 1.0 - q) < 1.0) return Row::none;
    batches[b] = batch.quantile(q);
  }
  return batch_error(gaps.all().quantile(q), batches);
}

/// Times of one request.
struct Times {
  double ttft, token, total;  ///< token: NaN where one burst is all
};

Times times_of(const Request& r, const Fate& fate, int64_t unit) {
  const int64_t later = r.answer - (unit - r.prompt % unit);
  return {fate.first - r.arrival,
          later > 0 ? (fate.last - fate.first) / static_cast<double>(later) : Row::none,
          fate.last - r.arrival};
}

bool within(const Times& t, const Fate& fate, const Limits& limits) {
  // A request of one burst has no token after it that could be late.
  return t.ttft <= limits.ttft && fate.longest_gap <= limits.burst && !(t.token > limits.token) &&
         t.total <= limits.total;
}

void add_rates(std::span<const Request> requests, int64_t unit, int64_t samples, const Outcome& outcome,
               const Limits& limits, Row& row) {
  const Interval interval = measured_interval(requests, outcome);
  const double length = interval.end - interval.begin;
  if (!(length > 0.0)) return;
  double done = 0.0;
  double tokens = 0.0;
  double good = 0.0;
  for (size_t i = 0; i < requests.size(); ++i) {
    const Fate& fate = outcome.fates[i];
    if (!(fate.done <= interval.end)) continue;
    done += 1.0;
    tokens += static_cast<double>(requests[i].answer * samples);
    good += within(times_of(requests[i], fate, unit), fate, limits) ? 1.0 : 0.0;
  }
  row.interval_seconds = length;
  row.requests_per_s = done / length;
  row.throughput_tokens_per_s = tokens / length;
  if (limits.any()) row.goodput_requests_per_s = good / length;
}

void set_quantiles(const Sample& sample, double& p50, double& p50_error, double& p99, double& p99_error) {
  p50 = sample.quantile(0.5);
  p50_error = sample.quantile_error(0.5);
  p99 = sample.quantile(0.99);
  p99_error = sample.quantile_error(0.99);
}

void add_gaps(const GapRecord& gaps, Row& row) {
  if (gaps.all().total() == 0) return;
  row.burst_p50_seconds = gaps.all().quantile(0.5);
  row.burst_p90_seconds = gaps.all().quantile(0.9);
  row.burst_p99_seconds = gaps.all().quantile(0.99);
  row.burst_p50_error_seconds = gap_error(gaps, 0.5);
  row.burst_p99_error_seconds = gap_error(gaps, 0.99);
}

}  // namespace

double recorded_from(std::span<const Request> requests) {
  return requests[warm_up(requests)].arrival;
}

Interval measured_interval(std::span<const Request> requests, const Outcome& outcome) {
  std::vector<std::pair<double, double>> done;  // when, tokens
  double last_admitted = 0.0;
  for (size_t i = 0; i < requests.size(); ++i) {
    const Fate& fate = outcome.fates[i];
    if (std::isnan(fate.done)) continue;
    done.emplace_back(fate.done, static_cast<double>(requests[i].answer));
    last_admitted = std::max(last_admitted, fate.admitted);
  }
  std::sort(done.begin(), done.end());
  Interval best{requests.front().arrival, outcome.end};
  double most = 0.0;
  double tokens = 0.0;
  for (size_t i = 0; i < done.size(); ++i) {
    tokens += done[i].second;
    const auto [end, made] = done[i];
    if (end < last_admitted || (i + 1 < done.size() && done[i + 1].first == end)) continue;
    if (end > best.begin && tokens / (end - best.begin) >= most) {
      most = tokens / (end - best.begin);
      best.end = end;
    }
  }
  return best;
}

void summarize(std::span<const Request> requests, int64_t unit, const FleetConfig& config,
               const Outcome& outcome, const Limits& limits, Row& row) {
  row.refused = outcome.refused;
  row.done_at_last_arrival = outcome.done_by_then;
  row.in_flight_at_last_arrival = outcome.in_flight;
  add_rates(requests, unit, config.replica.samples, outcome, limits, row);

  Sample ttft;
  Sample token;
  Sample total;
  Sample wait;
  Sample good;
  for (size_t i = warm_up(requests); i < requests.size(); ++i) {
    const Fate& fate = outcome.fates[i];
    if (std::isnan(fate.done)) {
      good.add(0.0);
      continue;
    }
    const Times t = times_of(requests[i], fate, unit);
    ttft.add(t.ttft);
    total.add(t.total);
    if (!std::isnan(t.token)) token.add(t.token);
    wait.add(fate.admitted - requests[i].arrival);
    good.add(within(t, fate, limits) ? 1.0 : 0.0);
  }
  row.wait_mean_seconds = wait.mean();
  set_quantiles(ttft, row.ttft_p50_seconds, row.ttft_p50_error_seconds, row.ttft_p99_seconds,
                row.ttft_p99_error_seconds);
  row.ttft_p90_seconds = ttft.quantile(0.9);
  set_quantiles(token, row.token_p50_seconds, row.token_p50_error_seconds, row.token_p99_seconds,
                row.token_p99_error_seconds);
  set_quantiles(total, row.total_p50_seconds, row.total_p50_error_seconds, row.total_p99_seconds,
                row.total_p99_error_seconds);
  add_gaps(outcome.gaps, row);
  if (limits.any()) {
    row.within_limits = good.mean();
    row.within_limits_error = good.mean_error();
  }
  if (requests.back().arrival == requests.front().arrival) {
    // No batch is like another where the first are served at once and the last at the end.
    for (const Column& column : columns()) {
      if (column.error != nullptr) row.*column.error = Row::none;
    }
  }
  const double length = outcome.end - requests.front().arrival;
  row.utilisation = outcome.steps.busy_seconds / (length * static_cast<double>(config.replicas));
  row.batch_mean = outcome.steps.row_seconds / outcome.steps.busy_seconds;
  row.batch_peak = outcome.steps.peak_requests;
  row.in_system_mean = outcome.request_seconds / length;
  row.memory_peak = outcome.steps.peak_bytes / config.replica.room_bytes;
}

double mean_total_seconds(std::span<const Request> requests, const Outcome& outcome) {
  double sum = 0.0;
  double count = 0.0;
  for (size_t i = warm_up(requests); i < requests.size(); ++i) {
    if (std::isnan(outcome.fates[i].done)) continue;
    sum += outcome.fates[i].last - requests[i].arrival;
    count += 1.0;
  }
  return sum / count;
}

}  // namespace photon::analysis::simulation
