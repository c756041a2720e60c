// SPDX-License-Identifier: Apache-2.0
#include "baselines/bpe_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "baselines/bpe_merges.h"
#include "baselines/json_object.h"
#include "core/base/error.h"
#include "core/base/utf8.h"

namespace photon::baselines {
namespace {

using nlohmann::json;
using Kind = SentencePiece::Kind;

constexpr std::string_view space_mark = "\xe2\x96\x81";  // U+2581
constexpr int64_t most_pieces = 1 << 20;
constexpr size_t most_merges = 1 << 24;  // a score is a float, which holds ranks up to here
constexpr size_t longest_piece = 1024;

/// "<0x0A>", as byte fallback spells it.
bool is_byte_name(std::string_view name) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return name.size() == 6 && name.starts_with("<0x") && hex(name[3]) && hex(name[4]) && name[5] == '>';
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin + 1;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
    out.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return out;
}

class Conversion {
 public:
  Conversion(const json& tokenizer, const std::string& source)
      : all_(tokenizer, source), bpe_(all_.object("model")) {}

  SentencePieceModel run(const std::string& begin, const std::string& end) {
    require_bpe();
    model_.dummy_prefix = read_spaces();
    read_vocabulary();
    read_added_tokens();
    require_whole_vocabulary();
    name_bounds(begin, end);
    read_merges();
    for (size_t id = 0; id < model_.pieces.size(); ++id) set_score(static_cast<int32_t>(id));
    require_words_where_split();
    return std::move(model_);
  }

 private:
  void require_bpe() const {
    // Old files have no type.
    if (bpe_.text("type", "BPE") != "BPE") bpe_.refuse("type", "only \"BPE\" can be read");
    if (has_part("pre_tokenizer", "ByteLevel") || has_part("decoder", "ByteLevel")) {
      throw Error(
          fmt::format("{}: byte-level BPE (as of GPT-2 and Llama 3), which cuts text by a pattern and merges "
                      "bytes; a SentencePiece model cannot say that",
                      all_.source()));
    }
    if (!bpe_.boolean("byte_fallback", false)) {
      bpe_.refuse("byte_fallback", "without it text is lost; only tokenizers with byte fallback can be read");
    }
    if (bpe_.number("dropout", 0.0) != 0.0) bpe_.refuse("dropout", "merges left out at random");
    if (bpe_.boolean("ignore_merges", false)) bpe_.refuse("ignore_merges", "words that pass the merges by");
    for (const char* const key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (!bpe_.text(key, "").empty()) bpe_.refuse(key, "pieces must spell the text alone");
    }
  }

  /// Whether `key` is of this type or, a sequence, has a part of it.
  bool has_part(const std::string& key, const std::string& type) const {
    const json* const value = all_.find(key);
    if (value == nullptr) return false;
    for (const json& part : parts_of(key, *value)) {
      if (JsonObject(part, all_.source() + ", " + key).text("type", "") == type) return true;
    }
    return false;
  }

  std::vector<json> parts_of(const std::string& key, const json& value) const {
    const JsonObject object(value, fmt::format("{}, {}", all_.source(), key));
    if (object.text("type", "") != "Sequence") return {value};
    for (const char* const list : {"normalizers", "pretokenizers", "decoders"}) {
      if (const json* const parts = object.find(list); parts != nullptr && parts->is_array()) return *parts;
    }
    return {};
  }

  /// Spaces become U+2581, by the normaliser (as LLaMA's files are) or the pre-tokenizer (newer ones).
  /// Returns whether one goes in front of the text.
  bool read_spaces() {
    bool front = false;
    bool replaced = false;
    if (const json* const normalizer = all_.find("normalizer")) {
      for (const json& part : parts_of("normalizer", *normalizer)) {
        const JsonObject step(part, all_.source() + ", normalizer");
        const std::string type = step.text("type", "");
        if (type == "Prepend" && step.text("prepend", "") == space_mark) {
          front = true;
        } else if (type == "Replace" && is_space(step) && step.text("content", "") == space_mark) {
          replaced = true;
        } else {
          step.refuse("type", "only a space put in front and spaces replaced by U+2581 can be said");
        }
      }
    }
    if (const json* const splitter = all_.find("pre_tokenizer")) {
      for (const json& part : parts_of("pre_tokenizer", *splitter)) {
        const JsonObject step(part, all_.source() + ", pre_tokenizer");
        if (step.text("type", "") != "Metaspace" || step.text("replacement", "") != space_mark) {
          step.refuse("type", "only \"Metaspace\" with U+2581 can be said");
        }
        // Before prepend_scheme there was add_prefix_space.
        const std::string scheme =
            step.text("prepend_scheme", step.boolean("add_prefix_space", true) ? "always" : "never");
        front = front || scheme != "never";
        split_ = step.boolean("split", true);
        replaced = true;
      }
    }
    if (!replaced) throw Error(fmt::format("{}: nothing replaces spaces by U+2581", all_.source()));
    return front;
  }

  static bool is_space(const JsonObject& replace) {
    const json* const pattern = replace.find("pattern");
    return pattern != nullptr && *pattern == json{{"String", " "}};
  }

  void place(int64_t id, const std::string& text, Kind kind, const std::string& where) {
    if (id < 0 || id >= most_pieces)
      throw Error(fmt::format("{}: the id of {} is {}, 0 to {} are allowed", where, in_quotes(text), id,
                              most_pieces - 1));
    if (text.empty()) throw Error(fmt::format("{}: a token without text, id {}", where, id));
    if (static_cast<size_t>(id) >= model_.pieces.size()) model_.pieces.resize(static_cast<size_t>(id) + 1);
    SentencePiece& piece = model_.pieces[id];
    if (!piece.text.empty() && piece.text != text) {
      throw Error(
          fmt::format("{}: {} and {} have one id, {}", where, in_quotes(piece.text), in_quotes(text), id));
    }
    if (const auto [found, fresh] = ids_.emplace(text, static_cast<int32_t>(id));
        !fresh && found->second != id) {
      throw Error(fmt::format("{}: {} has two ids, {} and {}", where, in_quotes(text), found->second, id));
    }
    piece.text = text;
    piece.kind = kind;
  }

  void read_vocabulary() {
    const JsonObject vocabulary = bpe_.object("vocab");
    model_.unknown = bpe_.text("unk_token", "");
    for (const auto& [text, id] : bpe_.require("vocab").items()) {
      const Kind kind = text == model_.unknown ? Kind::unknown
                        : is_byte_name(text)   ? Kind::byte
                                               : Kind::normal;
      place(vocabulary.integer(text), text, kind, vocabulary.source());
    }
  }

  void read_added_tokens() {
    const json* const list = all_.find("added_tokens");
    if (list == nullptr) return;
    if (!list->is_array()) all_.refuse("added_tokens", "a list is wanted");
    for (const json& entry : *list) {
      const JsonObject token(entry, all_.source() + ", added_tokens");
      const std::string text = token.text("content", "");
      if (text == model_.unknown) continue;
      if (!token.boolean("special", false)) {
        token.refuse("content", "a token that text is searched for first; only special ones can be said");
      }
      place(token.integer("id"), text, Kind::control, token.source());
    }
  }

  void require_whole_vocabulary() const {
    const std::string where = bpe_.source() + ", vocab";
    int bytes = 0;
    for (size_t id = 0; id < model_.pieces.size(); ++id) {
      if (model_.pieces[id].text.empty()) throw Error(fmt::format("{}: no token has the id {}", where, id));
      if (model_.pieces[id].kind == Kind::byte) ++bytes;
    }
    if (bytes != 256)
      throw Error(fmt::format("{}: {} of the 256 bytes <0x00> to <0xFF> are in it", where, bytes));
    if (model_.unknown.empty() || !ids_.contains(model_.unknown)) {
      bpe_.refuse("unk_token", "a token of the vocabulary is wanted");
    }
  }

  void name_bounds(const std::string& begin, const std::string& end) {
    for (const std::string& name : {begin, end}) {
      if (name.empty()) continue;
      const auto found = ids_.find(name);
      if (found == ids_.end()) throw Error(fmt::format("{}: no token is {}", all_.source(), in_quotes(name)));
      SentencePiece& piece = model_.pieces[found->second];
      if (piece.kind == Kind::normal) piece.kind = Kind::control;
    }
    model_.begin = begin;
    model_.end = end;
  }

  int32_t mergeable(const std::string& text) const {
    const auto found = ids_.find(text);
    if (found == ids_.end() || model_.pieces[found->second].kind != Kind::normal) {
      throw Error(
          fmt::format("{}, merges: {} is no plain token of the vocabulary", bpe_.source(), in_quotes(text)));
    }
    return found->second;
  }

  void read_merges() {
    const json& list = bpe_.require("merges");
    if (!list.is_array()) bpe_.refuse("merges", "a list is wanted");
    if (list.size() >= most_merges) bpe_.refuse("merges", "too many");
    for (const json& entry : list) {
      const auto [left, right] = pair_of(entry);
      const int32_t first = mergeable(left);
      const int32_t second = mergeable(right);
      if (!merges_.add(first, second, mergeable(left + right))) {
        throw Error(
            fmt::format("{}, merges: {} and {} twice", bpe_.source(), in_quotes(left), in_quotes(right)));
      }
    }
  }

  /// "a b", or ["a", "b"] in newer files.
  std::pair<std::string, std::string> pair_of(const json& entry) const {
    if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string()) {
      return {entry[0].get<std::string>(), entry[1].get<std::string>()};
    }
    if (entry.is_string()) {
      const auto text = entry.get<std::string>();
      const size_t space = text.find(' ');
      if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
        return {text.substr(0, space), text.substr(space + 1)};
      }
    }
    throw Error(fmt::format("{}, merges: {} is no pair of tokens", bpe_.source(), clipped(entry.dump())));
  }

  std::vector<int32_t> symbols_of(std::string_view text) const {
    std::vector<int32_t> symbols;
    for (const std::string_view c : characters(text)) {
      const auto found = ids_.find(std::string(c));
      const bool plain = found != ids_.end() && model_.pieces[found->second].kind == Kind::normal;
      symbols.push_back(plain ? found->second : -1);
    }
    return symbols;
  }

  void set_score(int32_t id) {
    SentencePiece& piece = model_.pieces[id];
    if (piece.kind != Kind::normal) return;
    if (piece.text.size() > longest_piece) {
      throw Error(fmt::format("{}: a token of {} bytes, {} at most are allowed", bpe_.source(),
                              piece.text.size(), longest_piece));
    }
    const auto outcome = merges_.apply(symbols_of(piece.text));
    piece.score = -static_cast<float>(outcome.last_rank.value_or(merges_.size()));
    if (outcome.symbols.size() == 2) {
      throw Error(fmt::format(
          "{}: {} is a token, but no merge makes it of the two that it falls into; a SentencePiece "
          "model would",
          bpe_.source(), in_quotes(piece.text)));
    }
  }

  /// Where words are cut off before every space, no piece may reach over one.
  void require_words_where_split() const {
    if (!split_) return;
    for (const SentencePiece& p : model_.pieces) {
      if (p.kind == Kind::normal && p.text.find(space_mark, 1) != std::string::npos) {
        throw Error(fmt::format(
            "{}, pre_tokenizer: cuts text before every space, but {} reaches over one; a SentencePiece "
            "model cannot say that",
            all_.source(), in_quotes(p.text)));
      }
    }
  }

  JsonObject all_;
  JsonObject bpe_;
  SentencePieceModel model_;
  std::unordered_map<std::string, int32_t> ids_;
  BpeMerges merges_;
  bool split_ = false;
};

}  // namespace

SentencePieceModel bpe_as_sentencepiece(const json& tokenizer, const std::string& source,
                                        const std::string& begin, const std::string& end) {
  return Conversion(tokenizer, source).run(begin, end);
}

}  // namespace photon::baselines
