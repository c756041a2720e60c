// SPDX-License-Identifier: Apache-2.0
// A run as a profiler should see it. Ranges of the host do not replay inside graphs, so it is run launch by
// launch, after a check that these are the launches that the graphs replay.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/cost/launch.h"
#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

/// Launches while it lives go to `records`, too.
class Recording {
 public:
  Recording(Stream& stream, std::vector<LaunchRecord>& records);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

 private:
  Stream& stream_;
};

/// A profiler watches while it lives.
class Profiler {
 public:
  Profiler();
  ~Profiler();
  Profiler(const Profiler&) = delete;
  Profiler& operator=(const Profiler&) = delete;
};

/// Of a generator or a pass: launches one by one while it lives.
template <class T>
class Eager {
 public:
  explicit Eager(T& of) : of_(of) { of_.set_eager(true); }
  ~Eager() { of_.set_eager(false); }
  Eager(const Eager&) = delete;
  Eager& operator=(const Eager&) = delete;

 private:
  T& of_;
};

/// Throws Error unless what was launched in each graph's scope, launch by launch, is that graph's kernels
/// over and over. A library's kernels, which are in neither list of records, are left out.
void check_launches(const std::map<std::string, std::vector<const void*>>& graphs,
                    const std::vector<LaunchRecord>& recorded, const std::vector<LaunchRecord>& launched);

/// In core's words.
std::vector<Launch> launches_of(std::vector<LaunchRecord> records);

}  // namespace photon::PHOTON_GPU
