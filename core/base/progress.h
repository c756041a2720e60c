// SPDX-License-Identifier: Apache-2.0
// What long work shows on standard error: a bar with rate and time left on a terminal, a plain line now and
// then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace photon {

class Progress {
 public:
  /// Counts from `done` (work that an earlier run did) to `total`; `unit` names what is counted ("steps",
  /// "B").
  Progress(std::string label, int64_t total, std::string unit, int64_t done = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Shows the state if enough time has passed since it was last shown; `note` follows the figures.
  void update(int64_t done, std::string_view note = {});

  /// A message that does not tear the bar.
  void message(std::string_view line);

  /// Shows the last state and ends the line. The destructor does it too.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  void show(Clock::time_point now);
  std::string bar(double fraction) const;

  std::string label_;
  int64_t total_ = 0;
  std::string unit_;
  int64_t done_ = 0;
  int64_t first_ = 0;
  std::string note_;
  bool terminal_ = false;
  bool finished_ = false;
  int64_t shown_ = -1;
  Clock::time_point begin_;
  Clock::time_point next_;
};

/// "45 s", "3 min 20 s", "2 h 05 min".
std::string duration_text(double seconds);

}  // namespace photon
