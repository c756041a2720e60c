// SPDX-License-Identifier: Apache-2.0
#include "analysis/report/notices.h"

#include <algorithm>
#include <set>
#include <string>

#include "analysis/join/measurements.h"
#include "analysis/page/page_template.h"

namespace photon::analysis {
namespace {

std::string joined(const std::set<std::string>& names, const char* between) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : between) + name;
  return out;
}

bool is_markov(const std::string& corpus) {
  return corpus.find("markov") != std::string::npos || corpus.find("Markov") != std::string::npos;
}

}  // namespace

Html notices(std::span<const ResultRow> rows) {
  std::set<std::string> markov, machines, scaled;
  bool emulated = false, changed = false, unknown = false;
  for (const ResultRow& row : rows) {
    if (is_markov(row.text("corpus"))) markov.insert(row.text("corpus"));
    if (row.text("kind") == "bench") machines.insert(row.text("backend") + " on " + row.text("device"));
    if (row.text("regime").find('/') != std::string::npos) scaled.insert(row.text("regime"));
    emulated |= row.text("backend") == "emulated";
    changed |= row.text("dirty") == "1";
    unknown |= row.text("commit").empty() || row.text("commit") == "unknown";
  }
  const auto all = qualities(rows);
  const bool trained_once =
      std::any_of(all.begin(), all.end(), [](const Quality& q) { return q.bits_per_byte.count < 2; });

  const PageTemplate& page = page_template();
  Html out;
  for (const std::string& corpus : markov) out += page.fill("notice-markov", {{"corpus", corpus}});
  if (emulated) out += page.fill("notice-emulated");
  if (!scaled.empty()) out += page.fill("notice-scaled", {{"regimes", joined(scaled, ", ")}});
  if (changed) {
    out += page.fill("notice-changes");
  } else if (unknown) {
    out += page.fill("notice-commit");
  }
  if (machines.size() > 1) out += page.fill("notice-machines", {{"machines", joined(machines, "; ")}});
  if (trained_once) out += page.fill("notice-seed");
  return out;
}

}  // namespace photon::analysis
