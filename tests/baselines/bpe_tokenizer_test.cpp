// SPDX-License-Identifier: Apache-2.0
// tokenizer.json as a SentencePiece model: the ids that Hugging Face's merges give, and what cannot be said.
#include "baselines/bpe_tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/base/error.h"
#include "core/base/strict_json.h"
#include "core/text/tokenizer.h"
#include "tests/baselines/bpe_sample.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon::baselines {
namespace {

using nlohmann::json;
using photon::testing::holds;
using photon::testing::message_of;
using testing::BpeSample;
using testing::Pair;

const std::vector<std::string> alphabet{"\u2581", "a", "b", "c", "\u00e9", "\u6cb3"};
/// With characters that no piece is.
const std::vector<std::string> letters{" ", "a", "a", "b", "c", "\u00e9", "\u6cb3", "d", "\n", "\u0416"};

class BpeTokenizer : public ::testing::Test {
 protected:
  Tokenizer loaded(const json& tokenizer) const {
    photon::testing::write_text(folder_ / "t.model",
                                to_bytes(bpe_as_sentencepiece(tokenizer, "t.json", "<s>", "</s>")));
    return Tokenizer(folder_ / "t.model");
  }
  void expect_same(const BpeSample& sample, bool prefix, std::mt19937_64& random) const {
    const Tokenizer tokenizer = loaded(sample.json(prefix));
    ASSERT_EQ(tokenizer.vocab(), std::ssize(sample.pieces));
    for (int i = 0; i < 200; ++i) {
      const std::string text = testing::random_text(random, letters, 30);
      ASSERT_EQ(tokenizer.encode(text), sample.ids(text, prefix))
          << "'" << text << "' of merges " << json(sample.merges).dump();
      ASSERT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
    }
  }

  const photon::testing::TempFolder folder_;
  std::mt19937_64 random_{photon::testing::test_seed()};
};

/// As training makes them: of a text, the pair met most often is joined everywhere, and again.
BpeSample trained(std::mt19937_64& random, size_t merges) {
  BpeSample sample = testing::without_merges(alphabet);
  std::vector<std::string> text;
  for (int i = 0; i < 400; ++i) text.push_back(alphabet[random() % alphabet.size()]);
  while (sample.merges.size() < merges) {
    std::map<Pair, int> counts;
    for (size_t i = 0; i + 1 < text.size(); ++i) ++counts[{text[i], text[i + 1]}];
    const auto best =
        std::max_element(counts.begin(), counts.end(), [](auto& a, auto& b) { return a.second < b.second; });
    if (best == counts.end() || best->second < 2) break;
    sample.merges.push_back(best->first);
    const std::string piece = best->first.first + best->first.second;
    if (std::find(sample.pieces.begin(), sample.pieces.end(), piece) == sample.pieces.end())
      sample.pieces.push_back(piece);
    text = testing::joined(text, {{best->first, 0}});
  }
  return sample;
}

/// As converters of SentencePiece models write them: every pair of pieces that spells a piece, by the piece.
BpeSample with_every_pair(const BpeSample& sample) {
  BpeSample out = sample;
  const std::set<std::string> pieces(sample.pieces.begin(), sample.pieces.end());
  std::set<std::string> done;
  out.merges.clear();
  for (const auto& [left, right] : sample.merges) {
    const std::string piece = left + right;
    if (!done.insert(piece).second) continue;
    for (size_t at = piece.size() - 1; at > 0; --at) {
      if (pieces.contains(piece.substr(0, at)) && pieces.contains(piece.substr(at))) {
        out.merges.emplace_back(piece.substr(0, at), piece.substr(at));
      }
    }
  }
  return out;
}

TEST_F(BpeTokenizer, TrainedMergesGiveTheirIds) {
  for (int round = 0; round < 12; ++round) expect_same(trained(random_, 40), round % 2 == 0, random_);
}

TEST_F(BpeTokenizer, ConvertedMergesGiveTheirIds) {
  for (int round = 0; round < 12; ++round) {
    expect_same(with_every_pair(trained(random_, 40)), round % 2 == 0, random_);
  }
}

// Pairs in any order, which no training gives: pieces that are made in no way or in several.
TEST_F(BpeTokenizer, AnyMergesGiveTheirIdsOrAreRefused) {
  int taken = 0;
  for (int round = 0; round < 60; ++round) {
    BpeSample sample = testing::without_merges(alphabet);
    std::vector<std::string> mergeable = alphabet;
    std::set<Pair> pairs;
    for (int i = 0; i < 12; ++i) {
      const Pair pair{mergeable[random_() % mergeable.size()], mergeable[random_() % mergeable.size()]};
      if (pair.first.size() + pair.second.size() > 40 || !pairs.insert(pair).second) continue;
      sample.merges.push_back(pair);
      const std::string piece = pair.first + pair.second;
      if (std::find(sample.pieces.begin(), sample.pieces.end(), piece) != sample.pieces.end()) continue;
      sample.pieces.push_back(piece);
      mergeable.push_back(piece);
    }
    std::shuffle(sample.merges.begin(), sample.merges.end(), random_);
    try {
      bpe_as_sentencepiece(sample.json(), "t.json", "<s>", "</s>");
    } catch (const Error& e) {
      EXPECT_TRUE(holds(e.what(), {"t.json, model: '", "' is a token, but no merge makes it"}));
      continue;
    }
    ++taken;
    expect_same(sample, true, random_);
  }
  EXPECT_GT(taken, 10);
}

TEST_F(BpeTokenizer, NewerFilesSayTheSame) {
  const BpeSample sample = with_every_pair(trained(random_, 40));
  json newer = sample.json();
  newer["normalizer"] = nullptr;
  newer["pre_tokenizer"] = {
      {"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "first"}, {"split", false}};
  json pairs = json::array();
  for (const auto& [left, right] : sample.merges) pairs.push_back({left, right});
  newer["model"]["merges"] = pairs;
  EXPECT_EQ(loaded(newer).encode("ab ba"), sample.ids("ab ba"));
  newer["pre_tokenizer"]["prepend_scheme"] = "never";
  EXPECT_EQ(loaded(newer).encode("ab ba"), sample.ids("ab ba", false));
}

TEST_F(BpeTokenizer, SpecialTokensAreNoText) {
  BpeSample sample = trained(random_, 10);
  json tokenizer = sample.json(false);
  const auto id = static_cast<int32_t>(sample.pieces.size());
  tokenizer["added_tokens"].push_back({{"id", id}, {"content", "<pad>"}, {"special", true}});
  const Tokenizer t = loaded(tokenizer);
  EXPECT_EQ(t.vocab(), id + 1);
  EXPECT_EQ(t.piece_name(id), "<pad>");
  EXPECT_EQ(t.piece_bytes(id), "");
  EXPECT_EQ(t.end_of_text(), 2);
  EXPECT_EQ(t.find_piece("<s>"), 1);
  EXPECT_EQ(t.unknown(), 0);
  for (const int32_t i : t.encode("<pad></s>")) EXPECT_TRUE(i > 2 && i != id);
}

TEST_F(BpeTokenizer, WhatCannotBeSaidIsRefused) {
  const BpeSample sample{testing::without_merges({"\u2581", "a", "b", "ab", "b\u2581"})};
  const auto expect_refused = [&](const std::string& pointer, const json& value, const std::string& words) {
    json tokenizer = sample.json();
    tokenizer["model"]["merges"] = json::array({"a b", "b \u2581"});
    ASSERT_NO_THROW(bpe_as_sentencepiece(tokenizer, "t.json", "<s>", "</s>"));
    tokenizer[json::json_pointer(pointer)] = value;
    EXPECT_TRUE(holds(message_of<Error>([&] { bpe_as_sentencepiece(tokenizer, "t.json", "<s>", "</s>"); }),
                      {"t.json", words}))
        << pointer;
  };
  expect_refused("/model/type", "Unigram", "'type' = \"Unigram\": only \"BPE\"");
  expect_refused("/model/byte_fallback", false, "'byte_fallback' = false");
  expect_refused("/model/dropout", 0.1, "'dropout' = 0.1");
  expect_refused("/model/ignore_merges", true, "'ignore_merges' = true");
  expect_refused("/model/end_of_word_suffix", "</w>", "'end_of_word_suffix'");
  expect_refused("/model/merges", json::array({"a b"}), "'b\u2581' is a token, but no merge makes it");
  expect_refused("/model/merges/0", "a", "\"a\" is no pair of tokens");
  expect_refused("/model/merges/0", "a c", "'c' is no plain token");
  expect_refused("/model/merges/0", "a <0x00>", "'<0x00>' is no plain token");
  expect_refused("/model/merges/0", "b \u2581", "twice");
  expect_refused("/model/vocab/ab", 1 << 20, "0 to 1048575 are allowed");
  expect_refused("/model/vocab/ab", 5, "have one id, 5");
  expect_refused("/model/vocab/ab", 300, "no token has the id 262");
  expect_refused("/model/vocab/ab", "x", "'ab' must be a whole number");
  expect_refused("/model/unk_token", nullptr, "'unk_token' = nothing");
  expect_refused("/model", nullptr, "'model' is missing");
  expect_refused("/normalizer", {{"type", "NFKC"}}, "'type' = \"NFKC\"");
  expect_refused("/normalizer", nullptr, "nothing replaces spaces");
  expect_refused("/pre_tokenizer", {{"type", "ByteLevel"}}, "byte-level BPE (as of GPT-2 and Llama 3)");
  expect_refused("/pre_tokenizer", {{"type", "Whitespace"}}, "'type' = \"Whitespace\"");
  expect_refused("/pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "\u2581"}},
                 "cuts text before every space, but 'b\u2581' reaches over one");
  expect_refused("/added_tokens/0", {{"id", 9}, {"content", "a b"}, {"special", false}},
                 "a token that text is searched for first");
  EXPECT_TRUE(holds(message_of<Error>([&] {
                      bpe_as_sentencepiece(testing::without_merges({"a"}).json(), "t.json", "<s>", "<end>");
                    }),
                    {"t.json: no token is '<end>'"}));
}

// Whatever a file holds, the answer is a model or an Error.
TEST_F(BpeTokenizer, MutatedFilesNeverCrash) {
  const std::string whole = trained(random_, 10).json().dump();
  const std::string noise = "{}[]\",:0189abnulltrue\\ ";
  int taken = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string text = whole;
    // Most of the file is its vocabulary: the other parts are met as often.
    const size_t part = text.find(i % 2 == 0 ? "\"merges\"" : "{");
    for (size_t n = random_() % 4; n > 0; --n) {
      const size_t at = i % 3 == 0 ? random_() % text.size() : part + random_() % 300;
      if (at >= text.size()) continue;
      if (random_() % 2 == 0) {
        text.erase(at, 1 + random_() % 20);
      } else {
        text[at] = noise[random_() % noise.size()];
      }
    }
    try {
      to_bytes(bpe_as_sentencepiece(parse_strict_json(text, "t.json"), "t.json", "<s>", "</s>"));
      ++taken;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(taken, 100);
  EXPECT_LT(taken, 3000);
}

}  // namespace
}  // namespace photon::baselines
