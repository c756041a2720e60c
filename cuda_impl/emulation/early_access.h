// SPDX-License-Identifier: Apache-2.0
// Programmatic dependent launch starts a kernel before the one ahead of it has finished: what it reads or
// writes of device memory before wait_for_previous_kernel() races, on a device only, and seldom. So one block
// of a launch runs with device memory locked until all its threads have waited; a touch is a fault.
#pragma once

namespace photon::emulation {

/// From now on any access to device memory ends the running lane with EmulationError.
void lock_device_memory();
void unlock_device_memory();

}  // namespace photon::emulation
