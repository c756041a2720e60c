// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/emulation/early_access.h"

#include <csignal>
#include <exception>
#include <utility>

#include "cuda_impl/emulation/block.h"
#include "cuda_impl/emulation/memory.h"

namespace photon::emulation {
namespace {

bool locked = false;
struct sigaction before = {};

/// The signal comes from a kernel's own load or store, so anything may be called here.
void on_fault(int, siginfo_t* info, void*) {
  if (!locked || running_lane == nullptr || !device_memory().owns(info->si_addr)) {
    sigaction(SIGSEGV, &before, nullptr);  // the access is repeated and ends as it would have
    return;
  }
  unlock_device_memory();
  std::exception_ptr error;
  try {
    fault("an access to " + device_memory().describe(info->si_addr) +
          " before wait_for_previous_kernel(): on a device the kernel before may not have finished");
  } catch (...) {
    error = std::current_exception();
  }
  abandon_lane(std::move(error));
}

}  // namespace

void lock_device_memory() {
  struct sigaction ours = {};
  ours.sa_sigaction = on_fault;
  ours.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGSEGV, &ours, &before);
  device_memory().protect(true);
  locked = true;
}

void unlock_device_memory() {
  if (!locked) return;
  locked = false;
  device_memory().protect(false);
  sigaction(SIGSEGV, &before, nullptr);
}

}  // namespace photon::emulation
