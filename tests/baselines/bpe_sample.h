// SPDX-License-Identifier: Apache-2.0
// Small tokenizers in Hugging Face's tokenizer.json, and the ids that its merges give, written once more and
// plainly: texts are lists of strings, the pair of lowest rank is joined until there is none.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace photon::baselines::testing {

using Pair = std::pair<std::string, std::string>;

inline std::string byte_name(unsigned char byte) {
  return fmt::format("<0x{:02X}>", byte);
}

inline std::vector<std::string> characters_of(const std::string& text) {
  std::vector<std::string> out;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0) == 0x80) {
      out.back() += c;
    } else {
      out.emplace_back(1, c);
    }
  }
  return out;
}

inline std::vector<std::string> joined(std::vector<std::string> symbols,
                                       const std::map<Pair, size_t>& ranks) {
  for (;;) {
    size_t best = ranks.size();
    size_t at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = ranks.find({symbols[i], symbols[i + 1]});
      if (found != ranks.end() && found->second < best) {
        best = found->second;
        at = i;
      }
    }
    if (best == ranks.size()) return symbols;
    symbols[at] += symbols[at + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

struct BpeSample {
  std::vector<std::string> pieces;  // by id
  std::vector<Pair> merges;

  std::map<Pair, size_t> ranks() const {
    std::map<Pair, size_t> out;
    for (size_t i = 0; i < merges.size(); ++i) out.emplace(merges[i], i);
    return out;
  }

  nlohmann::json json(bool prefix = true) const {
    nlohmann::json vocabulary = nlohmann::json::object();
    for (size_t id = 0; id < pieces.size(); ++id) vocabulary[pieces[id]] = id;
    nlohmann::json list = nlohmann::json::array();
    for (const auto& [left, right] : merges) list.push_back(left + " " + right);
    nlohmann::json steps = nlohmann::json::array();
    if (prefix) steps.push_back({{"type", "Prepend"}, {"prepend", "\u2581"}});
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}});
    nlohmann::json special = nlohmann::json::array();
    for (const char* const name : {"<unk>", "<s>", "</s>"}) {
      special.push_back({{"id", vocabulary[name]}, {"content", name}, {"special", true}});
    }
    return {{"version", "1.0"},
            {"added_tokens", special},
            {"normalizer", {{"type", "Sequence"}, {"normalizers", steps}}},
            {"pre_tokenizer", nullptr},
            {"model",
             {{"type", "BPE"},
              {"unk_token", "<unk>"},
              {"fuse_unk", true},
              {"byte_fallback", true},
              {"vocab", vocabulary},
              {"merges", list}}}};
  }

  /// `text` has no U+2581.
  std::vector<int32_t> ids(const std::string& text, bool prefix = true) const {
    std::map<std::string, int32_t> id_of;
    for (size_t id = 0; id < pieces.size(); ++id) id_of[pieces[id]] = static_cast<int32_t>(id);
    std::string marked = prefix && !text.empty() ? "\u2581" : "";
    for (const char c : text) marked += c == ' ' ? "\u2581" : std::string(1, c);
    std::vector<std::string> symbols;
    for (const std::string& c : characters_of(marked)) {
      if (id_of.contains(c)) {
        symbols.push_back(c);
      } else {
        for (const char byte : c) symbols.push_back(byte_name(static_cast<unsigned char>(byte)));
      }
    }
    std::vector<int32_t> out;
    for (const std::string& symbol : joined(symbols, ranks())) out.push_back(id_of.at(symbol));
    return out;
  }
};

/// Special tokens, bytes, some characters, nothing merged.
inline BpeSample without_merges(const std::vector<std::string>& alphabet) {
  BpeSample sample{{"<unk>", "<s>", "</s>"}, {}};
  for (int byte = 0; byte < 256; ++byte) sample.pieces.push_back(byte_name(static_cast<unsigned char>(byte)));
  sample.pieces.insert(sample.pieces.end(), alphabet.begin(), alphabet.end());
  return sample;
}

inline std::string random_text(std::mt19937_64& random, const std::vector<std::string>& alphabet,
                               size_t most) {
  std::string text;
  for (size_t n = random() % (most + 1); n > 0; --n) text += alphabet[random() % alphabet.size()];
  return text;
}

}  // namespace photon::baselines::testing
