// SPDX-License-Identifier: Apache-2.0
// Tables 1 to 3 of the PHOTON paper (arXiv:2512.20687v2): H200, memory and TPM as measured there, WikiText
// perplexity. Compiled in from analysis/paper/efficiency_quality.csv.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace photon::analysis {

struct PaperRow {
  int table = 0;
  std::string architecture, size, generation, chunks;
  double tpm_pf = 0.0, tpm_de = 0.0;                ///< K tokens/s/GiB
  double memory_pf = 0.0, memory_de = 0.0;          ///< GiB a sample
  double throughput_pf = 0.0, throughput_de = 0.0;  ///< K tokens/s
  std::optional<double> perplexity, hellaswag, sciq, arc_easy;

  std::string method() const;  ///< as method_name
};

std::vector<PaperRow> paper_rows();

}  // namespace photon::analysis
