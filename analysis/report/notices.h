// SPDX-License-Identifier: Apache-2.0
// What a reader of the page must know before any number.
#pragma once

#include <span>

#include "analysis/draw/html.h"
#include "core/results/results.h"

namespace photon::analysis {

/// A box each; empty where the rows give no reason.
Html notices(std::span<const ResultRow> rows);

}  // namespace photon::analysis
