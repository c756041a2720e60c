// SPDX-License-Identifier: Apache-2.0
// Standard input, output and error as this program needs them, whatever it was started with.
#pragma once

namespace photon::app {

/// First thing in main. A descriptor that is closed is taken before a file could get its number and messages
/// go into that file: input and output become ones on which reading and writing fail, so that nothing is lost
/// in silence, messages go nowhere. From then on a message that cannot be written (a full disk) ends no work.
void secure_standard_streams();

/// Throws Error unless all that was printed on standard output has arrived.
void finish_standard_output();

}  // namespace photon::app
