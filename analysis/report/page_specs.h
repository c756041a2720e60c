// SPDX-License-Identifier: Apache-2.0
// The models of the page's figures over context length.
#pragma once

#include <span>
#include <vector>

#include "analysis/figures/figures.h"
#include "analysis/report/report.h"
#include "core/model/model_spec.h"
#include "core/results/results.h"

namespace photon::analysis {

/// Those that the request names, else those of the checkpoints in the rows.
std::vector<ModelSpec> own_specs(const ReportRequest& request, std::span<const ResultRow> rows);

/// Those and the paper's, a panel each: it holds an architecture once, so that a method is one line in it.
std::vector<SpecGroup> spec_groups(const ReportRequest& request, std::span<const ResultRow> rows);

}  // namespace photon::analysis
