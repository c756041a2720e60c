// SPDX-License-Identifier: Apache-2.0
#include "core/base/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <array>

namespace photon {
namespace {

constexpr std::array signals{SIGINT, SIGTERM};

volatile sig_atomic_t requests = 0;
int depth = 0;
std::array<struct sigaction, signals.size()> previous;

void on_signal(int number) {
  if (requests > 0) _exit(128 + number);
  requests = 1;
}

}  // namespace

InterruptGuard::InterruptGuard() {
  if (depth++ > 0) return;
  requests = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &action, &previous[i]);
}

InterruptGuard::~InterruptGuard() {
  if (--depth > 0) return;
  for (size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &previous[i], nullptr);
}

bool InterruptGuard::requested() const {
  return interrupt_requested();
}

bool interrupt_requested() {
  return requests > 0;
}

}  // namespace photon
