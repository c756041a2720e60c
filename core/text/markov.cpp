// SPDX-License-Identifier: Apache-2.0
#include "core/text/markov.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/base/sha256.h"
#include "core/text/corpus_source.h"

namespace photon {
namespace {

constexpr std::array<std::string_view, 192> word_list = {
    "about",  "above",   "across",   "after",  "again",  "air",     "all",    "along",    "always",
    "and",    "animal",  "answer",   "apple",  "around", "ask",     "autumn", "away",     "back",
    "bag",    "bear",    "before",   "begin",  "bell",   "below",   "better", "between",  "bird",
    "black",  "blue",    "boat",     "body",   "book",   "both",    "bread",  "bridge",   "bright",
    "bring",  "brother", "brown",    "build",  "call",   "candle",  "carry",  "change",   "child",
    "city",   "clear",   "close",    "cloud",  "cold",   "come",    "corner", "could",    "country",
    "cut",    "dark",    "daughter", "day",    "deep",   "door",    "down",   "draw",     "dream",
    "dry",    "each",    "early",    "earth",  "east",   "easy",    "eat",    "end",      "evening",
    "every",  "eye",     "face",     "fall",   "family", "far",     "farm",   "father",   "feel",
    "field",  "find",    "fire",     "first",  "fish",   "five",    "flower", "follow",   "food",
    "foot",   "forest",  "four",     "friend", "from",   "front",   "garden", "gate",     "give",
    "glass",  "go",      "gold",     "good",   "grass",  "great",   "green",  "ground",   "grow",
    "hand",   "happy",   "hard",     "have",   "head",   "hear",    "heart",  "help",     "here",
    "high",   "hill",    "hold",     "home",   "horse",  "house",   "ice",    "iron",     "island",
    "just",   "keep",    "kind",     "king",   "know",   "lake",    "lamp",   "land",     "last",
    "late",   "laugh",   "leaf",     "learn",  "leave",  "left",    "letter", "light",    "line",
    "listen", "little",  "live",     "long",   "look",   "made",    "make",   "man",      "many",
    "market", "meadow",  "milk",     "mind",   "moon",   "morning", "mother", "mountain", "mouth",
    "move",   "music",   "name",     "near",   "never",  "new",     "night",  "north",    "now",
    "ocean",  "old",     "once",     "open",   "orange", "over",    "paper",  "part",     "people",
    "place",  "plant",   "play",     "point",  "quiet",  "rain",    "reach",  "read",     "red",
    "river",  "road",    "salt"};

constexpr size_t successors = 8;
/// Words of one document.
constexpr int64_t document_words = 256;
/// Streams of random numbers: the chain's own, above every document's.
constexpr uint64_t chain_stream = uint64_t{1} << 63;

}  // namespace

MarkovWords::MarkovWords(uint64_t seed, int64_t words) : seed_(seed) {
  if (words < 16 || words > static_cast<int64_t>(word_list.size())) {
    throw Error(fmt::format("a Markov source of {} words; 16 to {}", words, word_list.size()));
  }
  const Philox random(seed);
  const auto n = static_cast<size_t>(words);
  rows_.resize(n);
  std::vector<int32_t> order(n);
  for (size_t w = 0; w < n; ++w) {
    std::iota(order.begin(), order.end(), 0);
    double total = 0.0;
    for (size_t k = 0; k < successors; ++k) {
      const double u = random.uniform(chain_stream + w, k);
      const auto other = k + std::min(n - k - 1, static_cast<size_t>(u * static_cast<double>(n - k)));
      std::swap(order[k], order[other]);
      // The first successor is the word's neighbour: so the chain reaches every state from every other.
      if (k == 0)
        std::swap(order[0], *std::find(order.begin(), order.end(), static_cast<int32_t>((w + 1) % n)));
      const double weight = -std::log1p(-random.uniform(chain_stream + w, successors + k)) + 0.02;
      rows_[w].push_back({order[k], weight});
      total += weight;
    }
    for (Next& next : rows_[w]) next.probability /= total;
  }
  stationary_.assign(n, 1.0 / static_cast<double>(n));
  for (int step = 0; step < 20000; ++step) {
    std::vector<double> next(n, 0.0);
    // Half of each step stays: the limit is the same, and a periodic chain converges too.
    for (size_t w = 0; w < n; ++w) {
      next[w] += 0.5 * stationary_[w];
      for (const Next& to : rows_[w]) next[to.state] += 0.5 * stationary_[w] * to.probability;
    }
    double change = 0.0;
    for (size_t w = 0; w < n; ++w) change += std::abs(next[w] - stationary_[w]);
    stationary_.swap(next);
    if (change < 1e-15) break;
  }
  for (size_t w = 0; w < n; ++w) {
    for (const Next& to : rows_[w]) entropy_ -= stationary_[w] * to.probability * std::log2(to.probability);
  }
}

int32_t MarkovWords::pick(int32_t state, double u) const {
  const auto& row = rows_[state];
  for (const Next& next : row) {
    if (u < next.probability) return next.state;
    u -= next.probability;
  }
  return row.back().state;
}

std::vector<int32_t> MarkovWords::walk(uint64_t index, int64_t length) const {
  const Philox random(seed_);
  std::vector<int32_t> walked;
  double u = random.uniform(index, 0);
  int32_t state = 0;
  while (state + 1 < states() && u >= stationary_[state]) {
    u -= stationary_[state];
    ++state;
  }
  for (int64_t i = 1; i <= length; ++i) {
    walked.push_back(state);
    state = pick(state, random.uniform(index, static_cast<uint64_t>(i)));
  }
  return walked;
}

std::string_view MarkovWords::word(int32_t state) const {
  return word_list.at(state);
}

double MarkovWords::probability(int32_t state, int32_t next) const {
  for (const Next& to : rows_.at(state)) {
    if (to.state == next) return to.probability;
  }
  return 0.0;
}

double MarkovWords::entropy_per_byte() const {
  double bytes = 0.0;
  for (size_t w = 0; w < rows_.size(); ++w)
    bytes += stationary_[w] * static_cast<double>(word_list[w].size() + 1);
  return entropy_ / bytes;
}

namespace {

class MarkovSource final : public CorpusSource {
 public:
  MarkovSource(uint64_t seed, int64_t bytes) : seed_(seed), bytes_(bytes), words_(seed) {}

  std::string fingerprint() const override { return fmt::format("markov 1 {} {}", seed_, bytes_); }

  bool next(Document& document) override {
    if (done_ >= bytes_) return false;
    document.id = fmt::format("markov/{}/{}", seed_, index_);
    document.text.clear();
    for (const int32_t state : words_.walk(index_, document_words)) {
      document.text += words_.word(state);
      document.text.push_back(' ');
    }
    document.text.back() = '\n';
    hash_.update(std::as_bytes(std::span(document.text)));
    done_ += static_cast<int64_t>(document.text.size());
    ++index_;
    return true;
  }

  std::vector<SourceRecord> records() override {
    return {{fmt::format("Markov chain over {} words, seed {}", words_.states(), seed_), "1", hash_.hex(),
             done_}};
  }
  int64_t bytes_total() const override { return bytes_; }
  int64_t bytes_done() const override { return done_; }
  std::optional<double> entropy_rate() const override { return words_.entropy_per_byte(); }

 private:
  uint64_t seed_;
  int64_t bytes_;
  MarkovWords words_;
  Sha256 hash_;
  uint64_t index_ = 0;
  int64_t done_ = 0;
};

}  // namespace

std::unique_ptr<CorpusSource> markov_source(uint64_t seed, int64_t bytes) {
  return std::make_unique<MarkovSource>(seed, bytes);
}

}  // namespace photon
