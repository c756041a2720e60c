// SPDX-License-Identifier: Apache-2.0
// The load of a simulation: when requests arrive and how long they are. Request i's numbers depend on the
// seed and i alone, so that every model serves the same requests, and a higher rate brings the same ones
// closer together.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/simulation/request.h"
#include "analysis/simulation/trace.h"

namespace photon::analysis::simulation {

/// How long prompts or answers are, in tokens.
struct LengthLaw {
  enum class Kind { fixed, uniform, lognormal, trace };
  Kind kind = Kind::fixed;
  double first = 1.0;   ///< the length; the least; the median
  double second = 1.0;  ///< the largest; the standard deviation of the logarithm
};

/// "2048", "uniform:128:2048", "lognormal:MEDIAN:SIGMA", "trace". Throws UsageError that begins with
/// `option`.
LengthLaw parse_length_law(const std::string& text, const std::string& option);

struct ArrivalLaw {
  enum class Kind {
    poisson,
    bursts,   ///< Poisson at `burst_factor` times the rate while on, nothing while off; exponential times
    at_once,  ///< all at the beginning: what a fleet can do at most
    trace     ///< as recorded; with a rate, sped up or slowed down to it
  };
  Kind kind = Kind::poisson;
  double rate = 0.0;            ///< requests a second, mean; 0 with `trace`: as recorded
  double burst_factor = 4.0;    ///< above 1
  double burst_seconds = 10.0;  ///< mean length of an on time
};

std::string_view to_string(ArrivalLaw::Kind kind);

struct Load {
  ArrivalLaw arrivals;
  LengthLaw prompt;
  LengthLaw answer;
  int64_t requests = 0;  ///< a trace with fewer gives fewer when it also gives the arrivals
  uint64_t seed = 0;
};

/// The requests in order of arrival. `trace` where a law asks for one: lengths of a recorded request stay
/// together, drawn at random unless the arrivals are the trace's, too. Throws UsageError on numbers that make
/// no load.
std::vector<Request> make_requests(const Load& load, const Trace* trace);

}  // namespace photon::analysis::simulation
