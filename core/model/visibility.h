// SPDX-License-Identifier: Apache-2.0
// How far the units of an encoder see, and so what a cache keeps of them (design, `encoder_window`).
#pragma once

#include <cstdint>

namespace photon {

/// How far a unit of an encoder looks back. `units` counts the unit itself; `block` ends at its meta-context.
struct EncoderWindow {
  enum class Kind { unbounded, units, block };
  Kind kind = Kind::unbounded;
  int64_t units = 0;
  bool operator==(const EncoderWindow&) const = default;
};

/// Which units of its stream an encoder's unit sees, and what a cache keeps of them.
struct Visibility {
  EncoderWindow window = {};
  int64_t block = 1;  ///< units of a meta-context, for EncoderWindow::Kind::block

  /// The first that unit n sees; the last is n itself.
  int64_t first(int64_t n) const;
  /// Of the first `units` units, a prompt's whole meta-contexts, the first that prefill leaves in a cache. A
  /// window of N units leaves N, though the next unit sees N - 1 of them and itself.
  int64_t first_kept(int64_t units) const;
  /// Of the first `units` units, how many a cache holds until more come.
  int64_t held(int64_t units) const;
};

}  // namespace photon
