// SPDX-License-Identifier: Apache-2.0
#include "analysis/simulation/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "core/base/error.h"
#include "core/base/random.h"

namespace photon::analysis::simulation {
namespace {

// Counters of the random numbers: one stream each.
enum Stream : uint64_t { gaps, on_times, off_times, prompts, answers, picks };

std::optional<double> finite_number(std::string_view text) {
  double value = 0.0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

double exponential(const Philox& random, Stream stream, uint64_t index) {
  return -std::log1p(-random.uniform(stream, index));
}

int64_t as_length(double value) {
  return static_cast<int64_t>(std::clamp(std::round(value), 1.0, static_cast<double>(longest_text)));
}

int64_t draw(const LengthLaw& law, const Philox& random, Stream stream, uint64_t index) {
  switch (law.kind) {
    case LengthLaw::Kind::uniform:
      return as_length(law.first +
                       std::floor(random.uniform(stream, index) * (law.second - law.first + 1.0)));
    case LengthLaw::Kind::lognormal:
      return as_length(law.first * std::exp(law.second * random.normals(stream, index)[0]));
    case LengthLaw::Kind::fixed:
    case LengthLaw::Kind::trace:
      break;
  }
  return as_length(law.first);
}

/// Adds the off times to times counted while on.
class BurstClock {
 public:
  BurstClock(const ArrivalLaw& law, const Philox& random) : law_(law), random_(random) {}

  double at(double on_time) {
    while (on_time >= on_end_) {
      off_ += law_.burst_seconds * (law_.burst_factor - 1.0) * exponential(random_, off_times, period_);
      on_end_ += law_.burst_seconds * exponential(random_, on_times, period_);
      ++period_;
    }
    return on_time + off_;
  }

 private:
  const ArrivalLaw& law_;
  const Philox& random_;
  uint64_t period_ = 0;
  double on_end_ = 0.0;
  double off_ = 0.0;
};

void check(const Load& load, const Trace* trace) {
  const ArrivalLaw& a = load.arrivals;
  if (load.requests < 1 || load.requests > most_requests) {
    throw UsageError(fmt::format("{} requests; 1 to {} are allowed", load.requests, most_requests));
  }
  const bool rate_needed = a.kind == ArrivalLaw::Kind::poisson || a.kind == ArrivalLaw::Kind::bursts;
  if (!std::isfinite(a.rate) || a.rate < 0.0 || a.rate > 1e9 || (rate_needed && a.rate == 0.0)) {
    throw UsageError(fmt::format("{} requests a second; above 0 and up to 1e9 are allowed", a.rate));
  }
  if (a.kind == ArrivalLaw::Kind::bursts &&
      !(a.burst_factor > 1.0 && a.burst_factor <= 1e6 && a.burst_seconds > 0.0 && a.burst_seconds <= 1e6)) {
    throw UsageError(fmt::format(
        "bursts of {} times the mean rate, {} s long: a factor above 1 and a length above 0, both "
        "up to 1e6",
        a.burst_factor, a.burst_seconds));
  }
  const bool asks = a.kind == ArrivalLaw::Kind::trace || load.prompt.kind == LengthLaw::Kind::trace ||
                    load.answer.kind == LengthLaw::Kind::trace;
  if (asks && trace == nullptr) throw UsageError("arrivals or lengths of a trace need --trace FILE");
}

}  // namespace

LengthLaw parse_length_law(const std::string& text, const std::string& option) {
  if (text == "trace") return {LengthLaw::Kind::trace};
  const auto fail = [&](const std::string& why) {
    throw UsageError(
        fmt::format("{} {}: {}; N, uniform:LEAST:MOST, lognormal:MEDIAN:SIGMA or trace, lengths from 1 to {}",
                    option, text, why, longest_text));
  };
  const auto length = [&](std::optional<double> value) {
    if (!value || *value < 1.0 || *value > static_cast<double>(longest_text) ||
        *value != std::floor(*value)) {
      fail("not a length");
    }
    return value.value_or(1.0);
  };
  const size_t first = text.find(':');
  if (first == std::string::npos) return {LengthLaw::Kind::fixed, length(finite_number(text))};
  const size_t second = text.find(':', first + 1);
  if (second == std::string::npos) fail("two numbers are wanted");
  const std::string name = text.substr(0, first);
  const double a = length(finite_number(std::string_view(text).substr(first + 1, second - first - 1)));
  const auto b = finite_number(std::string_view(text).substr(second + 1));
  if (name == "uniform") {
    if (length(b) < a) fail("the most is less than the least");
    return {LengthLaw::Kind::uniform, a, *b};
  }
  if (name != "lognormal") fail(fmt::format("no law {}", in_quotes(name)));
  if (!b || *b < 0.0 || *b > 10.0) fail("sigma lies between 0 and 10");
  return {LengthLaw::Kind::lognormal, a, b.value_or(0.0)};
}

std::string_view to_string(ArrivalLaw::Kind kind) {
  switch (kind) {
    case ArrivalLaw::Kind::poisson:
      return "poisson";
    case ArrivalLaw::Kind::bursts:
      return "bursts";
    case ArrivalLaw::Kind::at_once:
      return "at once";
    case ArrivalLaw::Kind::trace:
      return "trace";
  }
  return "";
}

std::vector<Request> make_requests(const Load& load, const Trace* trace) {
  check(load, trace);
  const ArrivalLaw& a = load.arrivals;
  const bool recorded = a.kind == ArrivalLaw::Kind::trace;
  const auto count =
      static_cast<size_t>(recorded ? std::min(load.requests, std::ssize(trace->requests)) : load.requests);
  const Philox random(load.seed);
  BurstClock bursts(a, random);
  double scale = 1.0;
  if (recorded && a.rate > 0.0 && count > 1) {
    const double recorded_rate =
        static_cast<double>(count - 1) / std::max(1e-9, trace->requests[count - 1].arrival);
    scale = recorded_rate / a.rate;
  }
  std::vector<Request> requests(count);
  double clock = 0.0;  // Poisson, at rate 1
  for (size_t i = 0; i < count; ++i) {
    Request& r = requests[i];
    clock += exponential(random, gaps, i);
    switch (a.kind) {
      case ArrivalLaw::Kind::poisson:
        r.arrival = clock / a.rate;
        break;
      case ArrivalLaw::Kind::bursts:
        r.arrival = bursts.at(clock / (a.rate * a.burst_factor));
        break;
      case ArrivalLaw::Kind::at_once:
        break;
      case ArrivalLaw::Kind::trace:
        r.arrival = trace->requests[i].arrival * scale;
        break;
    }
    r.prompt = draw(load.prompt, random, prompts, i);
    r.answer = draw(load.answer, random, answers, i);
    if (trace == nullptr) continue;
    const auto all = static_cast<double>(trace->requests.size());
    const size_t pick = recorded ? i : static_cast<size_t>(random.uniform(picks, i) * all);
    if (load.prompt.kind == LengthLaw::Kind::trace) r.prompt = trace->requests[pick].prompt;
    if (load.answer.kind == LengthLaw::Kind::trace) r.answer = trace->requests[pick].answer;
  }
  return requests;
}

}  // namespace photon::analysis::simulation
