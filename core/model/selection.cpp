// SPDX-License-Identifier: Apache-2.0
#include "core/model/selection.h"

#include <limits>
#include <map>
#include <numeric>
#include <string_view>

#include "core/base/error.h"

namespace photon {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  const size_t begin = text.find_first_not_of(space);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

}  // namespace

size_t majority_vote(std::span<const std::string> answers) {
  if (answers.empty()) throw Error("a majority of no answers");
  std::map<std::string_view, int64_t> votes;
  for (const std::string& answer : answers) ++votes[trimmed(answer)];
  size_t best = 0;
  for (size_t i = 1; i < answers.size(); ++i) {
    if (votes[trimmed(answers[i])] > votes[trimmed(answers[best])]) best = i;
  }
  return best;
}

size_t best_by_likelihood(std::span<const std::vector<double>> log_probs) {
  if (log_probs.empty()) throw Error("the best of no answers");
  size_t best = 0;
  double best_mean = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < log_probs.size(); ++i) {
    if (log_probs[i].empty()) continue;
    const double mean = std::accumulate(log_probs[i].begin(), log_probs[i].end(), 0.0) /
                        static_cast<double>(log_probs[i].size());
    if (mean > best_mean) {
      best_mean = mean;
      best = i;
    }
  }
  return best;
}

}  // namespace photon
