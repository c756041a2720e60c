// SPDX-License-Identifier: Apache-2.0
#include "core/base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace photon {
namespace {

constexpr int bar_width = 24;
constexpr auto terminal_interval = std::chrono::milliseconds(100);
constexpr auto plain_interval = std::chrono::seconds(10);
constexpr auto clear_line = "\r\x1b[K";

}  // namespace

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0.0) return "?";
  const auto s = static_cast<int64_t>(std::llround(seconds));
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {:02} s", s / 60, s % 60);
  return fmt::format("{} h {:02} min", s / 3600, s % 3600 / 60);
}

Progress::Progress(std::string label, int64_t total, std::string unit, int64_t done)
    : label_(std::move(label)),
      total_(total),
      unit_(std::move(unit)),
      done_(done),
      first_(done),
      terminal_(isatty(STDERR_FILENO) != 0),
      begin_(Clock::now()),
      next_(begin_) {
  if (!terminal_) next_ += plain_interval;
}

Progress::~Progress() {
  finish();
}

void Progress::update(int64_t done, std::string_view note) {
  done_ = done;
  note_ = note;
  const auto now = Clock::now();
  if (now < next_) return;
  show(now);
}

void Progress::message(std::string_view line) {
  fmt::print(stderr, "{}{}\n", terminal_ ? clear_line : "", line);
  shown_ = -1;
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  if (shown_ != done_) show(Clock::now());
  if (terminal_) fmt::print(stderr, "\n");
}

std::string Progress::bar(double fraction) const {
  const int full = static_cast<int>(std::lround(fraction * bar_width));
  return fmt::format("[{}{}]", std::string(static_cast<size_t>(full), '#'),
                     std::string(static_cast<size_t>(bar_width - full), '.'));
}

void Progress::show(Clock::time_point now) {
  const double elapsed = std::chrono::duration<double>(now - begin_).count();
  const double fraction =
      total_ > 0 ? std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0) : 1.0;
  const int64_t made = done_ - first_;
  const std::string left =
      done_ >= total_ ? fmt::format("took {}", duration_text(elapsed))
      : made > 0      ? fmt::format("{} left", duration_text(elapsed * static_cast<double>(total_ - done_) /
                                                             static_cast<double>(made)))
                      : std::string("? left");
  const std::string note = note_.empty() ? std::string() : fmt::format(", {}", note_);
  if (terminal_) {
    fmt::print(stderr, "{}{} {} {:.0f} % {}{}", clear_line, label_, bar(fraction), 100.0 * fraction, left,
               note);
  } else {
    fmt::print(stderr, "{}: {} of {} {} ({:.0f} %), {}{}\n", label_, done_, total_, unit_, 100.0 * fraction,
               left, note);
  }
  std::fflush(stderr);
  shown_ = done_;
  next_ = now + (terminal_ ? std::chrono::duration_cast<Clock::duration>(terminal_interval)
                           : std::chrono::duration_cast<Clock::duration>(plain_interval));
}

}  // namespace photon
