// SPDX-License-Identifier: Apache-2.0
#include "baselines/llama_tokenizer.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "baselines/bpe_tokenizer.h"
#include "baselines/json_object.h"
#include "core/base/error.h"
#include "core/base/read_file.h"
#include "core/base/strict_json.h"
#include "core/text/tokenizer.h"
#include "core/text/tokenizer_model.h"

namespace photon::baselines {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// tokenizer_config.json; an empty object where the folder has none.
class TokenizerConfig {
 public:
  explicit TokenizerConfig(const fs::path& folder)
      : folder_(folder),
        json_(fs::exists(folder / "tokenizer_config.json")
                  ? read_strict_json(folder / "tokenizer_config.json")
                  : json::object()),
        all_(json_, (folder / "tokenizer_config.json").string()) {}

  const std::string& source() const { return all_.source(); }

  /// A token, which is a string or an object with its "content"; null is none.
  std::string token(const std::string& key, const std::string& absent) const {
    if (!json_.contains(key)) return absent;
    const json* const value = all_.find(key);
    if (value == nullptr) return "";
    return value->is_object() ? all_.object(key).text("content", "") : all_.text(key, "");
  }

  /// Whether a token is put before every text. Where add_bos_token is not said, the template of
  /// tokenizer.json says it; without one a LLaMA's own tokenizer does, and one of no class does not.
  bool puts_begin() const {
    if (all_.find("add_bos_token") != nullptr) return all_.boolean("add_bos_token", false);
    if (const fs::path path = folder_ / "tokenizer.json"; fs::exists(path)) {
      const json tokenizer = read_strict_json(path);
      const auto processor = json::json_pointer("/post_processor");
      if (tokenizer.contains(processor) && !tokenizer.at(processor).is_null())
        return template_begins(tokenizer);
    }
    const std::string name = all_.text("tokenizer_class", "LlamaTokenizer");
    return !name.starts_with("PreTrainedTokenizer") && name != "TokenizersBackend";
  }

 private:
  static bool template_begins(const json& tokenizer) {
    const auto first = json::json_pointer("/post_processor/single/0");
    return tokenizer.contains(first) && tokenizer.at(first).contains("SpecialToken");
  }

  fs::path folder_;
  json json_;
  JsonObject all_;
};

void require_rows(int64_t pieces, const JsonObject& config, const fs::path& tokenizer) {
  if (const int64_t rows = config.integer("vocab_size"); pieces > rows) {
    throw Error(fmt::format("{}: {} pieces, but 'vocab_size' of {} is {}", tokenizer.string(), pieces,
                            config.source(), rows));
  }
}

LlamaTokenizer read_sentencepiece(const fs::path& path, const JsonObject& config,
                                  const TokenizerConfig& settings) {
  const Tokenizer tokenizer(path);
  require_rows(tokenizer.vocab(), config, path);
  LlamaTokenizer out{read_file(path), {}, {}};
  const std::string begin = settings.token("bos_token", "<s>");
  if (begin.empty() || !settings.puts_begin()) return out;
  const auto id = tokenizer.find_piece(begin);
  if (!id) {
    throw Error(fmt::format("{}: 'bos_token' = {} is no piece of {}", settings.source(), in_quotes(begin),
                            path.string()));
  }
  out.begin_of_text = *id;
  return out;
}

LlamaTokenizer read_json(const fs::path& path, const JsonObject& config, const TokenizerConfig& settings) {
  const json tokenizer = read_strict_json(path);
  JsonObject(tokenizer, path.string());
  const std::string begin = settings.token("bos_token", "<s>");
  const auto model =
      bpe_as_sentencepiece(tokenizer, path.string(), begin, settings.token("eos_token", "</s>"));
  require_rows(std::ssize(model.pieces), config, path);
  LlamaTokenizer out{to_bytes(model), {}, {}};
  const json* const splitter = tokenizer.contains("pre_tokenizer") ? &tokenizer["pre_tokenizer"] : nullptr;
  if (model.dummy_prefix && splitter != nullptr && !splitter->is_null()) {
    out.warnings.push_back(fmt::format(
        "{}, pre_tokenizer: puts a space in front of a text unless it begins with one; photon, as "
        "SentencePiece, always does",
        path.string()));
  }
  if (begin.empty() || !settings.puts_begin()) return out;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    if (model.pieces[id].text == begin) out.begin_of_text = static_cast<int64_t>(id);
  }
  return out;
}

}  // namespace

LlamaTokenizer read_llama_tokenizer(const fs::path& folder, const json& config_json) {
  const JsonObject config(config_json, (folder / "config.json").string());
  const TokenizerConfig settings(folder);
  if (fs::exists(folder / "tokenizer.model"))
    return read_sentencepiece(folder / "tokenizer.model", config, settings);
  if (fs::exists(folder / "tokenizer.json")) return read_json(folder / "tokenizer.json", config, settings);
  LlamaTokenizer out;
  out.warnings.push_back(
      fmt::format("{}: neither tokenizer.model nor tokenizer.json is in it, the checkpoint has "
                  "no tokenizer either",
                  folder.string()));
  const int64_t none = -1;
  const int64_t begin = config.integer("bos_token_id", none);
  if (begin == none || !settings.puts_begin()) return out;
  if (begin < 0 || begin >= config.integer("vocab_size"))
    config.refuse("bos_token_id", "an id below 'vocab_size' is wanted");
  out.begin_of_text = begin;
  return out;
}

std::string llama_tokenizer_config_text(const ModelSpec& spec, const fs::path& path) {
  const Tokenizer tokenizer(path);
  nlohmann::ordered_json config{{"tokenizer_class", "LlamaTokenizer"}};
  config["add_bos_token"] = spec.begin_of_text.has_value();
  config["add_eos_token"] = false;
  config["add_prefix_space"] = read_tokenizer_settings(read_file(path)).dummy_prefix;
  config["legacy"] = false;
  config["clean_up_tokenization_spaces"] = false;
  config["bos_token"] = nullptr;
  if (spec.begin_of_text) {
    config["bos_token"] = tokenizer.piece_name(static_cast<int32_t>(*spec.begin_of_text));
  } else if (tokenizer.find_piece("<s>")) {
    config["bos_token"] = "<s>";
  }
  config["eos_token"] = tokenizer.piece_name(tokenizer.end_of_text());
  config["unk_token"] = tokenizer.piece_name(tokenizer.unknown());
  return config.dump(2) + "\n";
}

}  // namespace photon::baselines
