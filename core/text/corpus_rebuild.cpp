// SPDX-License-Identifier: Apache-2.0
#include "core/text/corpus_rebuild.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/sha256.h"
#include "core/base/strict_json.h"

namespace photon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* way_out = "give another --out, or --replace to make this one anew";

void move_into(const fs::path& from, const fs::path& to) {
  for (const auto& entry : fs::directory_iterator(from)) {
    const fs::path target = to / entry.path().filename();
    if (entry.is_directory()) {
      fs::create_directories(target);
      move_into(entry.path(), target);
    } else if (entry.path().filename() != "corpus.json") {
      fs::rename(entry.path(), target);
    }
  }
}

}  // namespace

ordered_json corpus_settings(const CorpusConfig& config) {
  ordered_json settings;
  for (const std::string& source : config.sources) {
    settings["sources"].push_back(is_named_source(source) ? source
                                                          : fs::absolute(source).lexically_normal().string());
  }
  if (std::find(config.sources.begin(), config.sources.end(), "markov") != config.sources.end())
    settings["markov_bytes"] = config.markov_bytes;
  settings["seed"] = config.seed;
  settings["validation"] = config.validation;
  settings["test"] = config.test;
  if (config.tokenizer.empty()) {
    settings["vocab"] = config.vocab;
    settings["tokenizer_bytes"] = config.tokenizer_bytes;
  } else {
    settings["tokenizer_sha256"] = sha256_of_file(config.tokenizer);
  }
  return settings;
}

void refuse_other_settings(const CorpusConfig& config) {
  const json info = read_strict_json(config.out / "corpus.json");
  if (!info.is_object() || !info.contains("settings") || !info["settings"].is_object()) {
    throw Error(fmt::format("{}: a finished corpus of other texts or settings, which it does not tell: {}",
                            config.out.string(), way_out));
  }
  const json& there = info["settings"];
  const json here = corpus_settings(config);
  std::string differences;
  const auto compare = [&](const std::string& name) {
    const auto of = [&](const json& settings) {
      return settings.contains(name) ? settings[name] : json("none");
    };
    if (of(there) == of(here)) return;
    differences += fmt::format("{}{} {}, now {}", differences.empty() ? "" : "; ", name,
                               clipped(of(there).dump()), clipped(of(here).dump()));
  };
  for (const auto& [name, value] : here.items()) compare(name);
  for (const auto& [name, value] : there.items()) {
    if (!here.contains(name)) compare(name);
  }
  if (differences.empty()) return;
  throw Error(fmt::format("{}: a finished corpus of other settings ({}): {}", config.out.string(),
                          differences, way_out));
}

fs::path rebuild_folder(const fs::path& folder) {
  return folder / "rebuild";
}

void finish_rebuild(const fs::path& folder) {
  const fs::path from = rebuild_folder(folder);
  if (!fs::exists(from / "corpus.json")) return;
  // Between these two there is no finished corpus, rather than one whose files are of two; the mark that it
  // is on its way is moved last.
  fs::remove(folder / "corpus.json");
  move_into(from, folder);
  fs::rename(from / "corpus.json", folder / "corpus.json");
  fs::remove_all(from);
}

}  // namespace photon
