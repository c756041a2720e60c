// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace photon::app {

/// Rows from 1, or 0 for "max". Throws UsageError.
int64_t parse_batch(const std::string& text);

}  // namespace photon::app
