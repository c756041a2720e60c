// SPDX-License-Identifier: Apache-2.0
// The speed at which a core runs right now, measured: on a virtual machine nothing that the system reports
// moves.
#pragma once

namespace photon::reference {

/// MHz of the core that this thread runs on, from the latency of a chain of integer products (3 cycles on
/// every x86-64 core since 2008); best of several bursts, under a millisecond in all. 0 on other
/// architectures.
double core_clock_mhz();

}  // namespace photon::reference
