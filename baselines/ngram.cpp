// SPDX-License-Identifier: Apache-2.0
#include "baselines/ngram.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/error.h"

namespace photon {
namespace {

constexpr int token_bits = 21;

uint64_t join(uint64_t context, int32_t w) {
  return context << token_bits | static_cast<uint64_t>(w);
}

}  // namespace

Unigram::Unigram(std::span<const int32_t> tokens, int64_t vocab)
    : counts_(static_cast<size_t>(vocab)),
      total_(static_cast<double>(tokens.size()) + static_cast<double>(vocab)) {
  for (const int32_t w : tokens) ++counts_.at(w);
}

double Unigram::probability(int32_t w) const {
  return (static_cast<double>(counts_.at(w)) + 1.0) / total_;
}

void KneserNeyTrigram::Order::count(std::vector<uint64_t> grams) {
  std::sort(grams.begin(), grams.end());
  for (size_t i = 0; i < grams.size();) {
    const size_t begin = i;
    while (i < grams.size() && grams[i] == grams[begin]) ++i;
    keys.push_back(grams[begin]);
    counts.push_back(static_cast<uint32_t>(i - begin));
  }
}

void KneserNeyTrigram::Order::finish() {
  std::array<double, 5> n{};
  for (const uint32_t c : counts) {
    if (c <= 4) n[c] += 1.0;
  }
  // Where a count of counts is missing (tiny or very regular texts) the estimate is undefined: one half.
  const double y = n[1] > 0.0 ? n[1] / (n[1] + 2.0 * n[2]) : 0.5;
  for (size_t k = 1; k <= 3; ++k) {
    const double estimate =
        n[k] > 0.0 ? static_cast<double>(k) - static_cast<double>(k + 1) * y * n[k + 1] / n[k] : 0.5;
    discount[k - 1] = std::clamp(estimate, 0.01, static_cast<double>(k));
  }
  for (size_t i = 0; i < keys.size();) {
    const uint64_t key = keys[i] >> token_bits;
    Context c;
    for (; i < keys.size() && keys[i] >> token_bits == key; ++i) {
      c.total += counts[i];
      c.left_over += discount[std::min<uint32_t>(counts[i], 3) - 1];
    }
    c.left_over /= c.total;
    context_keys.push_back(key);
    contexts.push_back(c);
  }
}

double KneserNeyTrigram::Order::discounted(uint64_t key) const {
  const auto found = std::lower_bound(keys.begin(), keys.end(), key);
  if (found == keys.end() || *found != key) return 0.0;
  const uint32_t count = counts[found - keys.begin()];
  return count - discount[std::min<uint32_t>(count, 3) - 1];
}

const KneserNeyTrigram::Order::Context* KneserNeyTrigram::Order::context(uint64_t key) const {
  const auto found = std::lower_bound(context_keys.begin(), context_keys.end(), key);
  if (found == context_keys.end() || *found != key) return nullptr;
  return &contexts[found - context_keys.begin()];
}

double KneserNeyTrigram::Order::interpolate(uint64_t context_key, uint64_t key, double lower) const {
  const Context* const c = context(context_key);
  return c == nullptr ? lower : discounted(key) / c->total + c->left_over * lower;
}

KneserNeyTrigram::KneserNeyTrigram(std::span<const int32_t> tokens, int64_t vocab) : vocab_(vocab) {
  if (tokens.size() < 3) throw Error(fmt::format("a trigram model of {} tokens; at least 3", tokens.size()));
  if (vocab < 1 || vocab > int64_t{1} << token_bits) {
    throw Error(fmt::format("a trigram model of {} tokens' vocabulary; 1 to {}", vocab, 1 << token_bits));
  }
  std::vector<uint64_t> grams;
  grams.reserve(tokens.size() - 2);
  for (size_t i = 2; i < tokens.size(); ++i)
    grams.push_back(join(join(static_cast<uint64_t>(tokens[i - 2]), tokens[i - 1]), tokens[i]));
  orders_[2].count(std::move(grams));
  // Below the highest order counts are numbers of different tokens on the left.
  for (const size_t order : {1, 0}) {
    const uint64_t mask = (uint64_t{1} << (token_bits * static_cast<int>(order + 1))) - 1;
    grams = orders_[order + 1].keys;
    for (uint64_t& gram : grams) gram &= mask;
    orders_[order].count(std::move(grams));
  }
  for (Order& order : orders_) order.finish();
}

double KneserNeyTrigram::probability(int32_t w) const {
  return orders_[0].interpolate(0, static_cast<uint64_t>(w), 1.0 / static_cast<double>(vocab_));
}

double KneserNeyTrigram::probability(int32_t v, int32_t w) const {
  const auto context = static_cast<uint64_t>(v);
  return orders_[1].interpolate(context, join(context, w), probability(w));
}

double KneserNeyTrigram::probability(int32_t u, int32_t v, int32_t w) const {
  const uint64_t context = join(static_cast<uint64_t>(u), v);
  return orders_[2].interpolate(context, join(context, w), probability(v, w));
}

}  // namespace photon
