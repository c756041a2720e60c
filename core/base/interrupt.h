// SPDX-License-Identifier: Apache-2.0
// Ctrl-C for work that wants to end well: the first SIGINT or SIGTERM asks, the second one ends the process
// at once.
#pragma once

namespace photon {

/// While one lives, SIGINT and SIGTERM set a flag; on destruction the handlers from before come back. At most
/// one at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  /// Whether the user asked to stop.
  bool requested() const;
};

/// Whether the last of them was: a process that ends then was interrupted, whatever its work says.
bool interrupt_requested();

}  // namespace photon
