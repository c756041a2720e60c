// SPDX-License-Identifier: Apache-2.0
// Two results files case by case: how much faster the second is than the first, how sure that is, and a
// verdict (docs/numbers.md, "Comparing two files").
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/results/results.h"

namespace photon::bench {

enum class Verdict { faster, slower, same, cannot_tell };
std::string_view to_string(Verdict verdict);  ///< "cannot tell"

struct CompareRule {
  double confidence = 0.95;
  double same_within = 0.02;  ///< a ratio of speeds this near to 1 is the same for every purpose
};

/// Of one case, one of the three quantities.
struct Comparison {
  std::string model;
  std::string what;      ///< the rest of the case: "pf/8 recgen unrolled B=4 N=2 float32"
  std::string quantity;  ///< throughput, prefill or decode
  double a = 0.0;        ///< median of the rows: tokens/s, for the phases seconds
  double b = 0.0;
  int64_t rows_a = 0;
  int64_t rows_b = 0;
  double ratio = 1.0;         ///< of speeds, b's over a's
  std::optional<double> low;  ///< confidence interval of it; none where the rows cannot tell
  std::optional<double> high;
  std::string interval_from;  ///< "the same rows", "rows", "samples", "one sample"
  Verdict verdict = Verdict::cannot_tell;
};

struct CompareReport {
  std::vector<Comparison> comparisons;  ///< in the order of a's cases
  std::vector<std::string> only_in_a;   ///< cases without a partner
  std::vector<std::string> only_in_b;
  std::vector<std::string> left_out;  ///< rows that were not looked at, and why
};

/// The verdict on an interval.
Verdict judge(double low, double high, const CompareRule& rule);

/// Rows of kind `bench` of two files. Throws Error with file, line and column for a file of another schema, a
/// cell that is no number and one that a comparison needs and is empty; UsageError where there is no case in
/// common.
CompareReport compare(const std::filesystem::path& a, const std::filesystem::path& b,
                      const CompareRule& rule);

std::string to_markdown(const CompareReport& report, const CompareRule& rule);
/// One object: rule, comparisons, only_in_a, only_in_b, left_out.
std::string to_json(const CompareReport& report, const CompareRule& rule);

}  // namespace photon::bench
