// SPDX-License-Identifier: Apache-2.0
// Any bytes as JSON lines: each line is a document of UTF-8, or blank, or without text, or a bad line, which
// is refused with photon::Error or counted. What the JSON library itself does not accept is never a document.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/text/corpus_source.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/mutation.h"
#include "tests/fuzz/promise.h"

namespace {

using photon::testing::require;

constexpr std::string_view sound =
    "{\"text\": \"some words\\n\"}\n\n{\"meta\": {\"n\": [1, 2.5e3, null]}, \"text\": "
    "\"\\u00e9\\ud83d\\ude00 \xC3\xA9\"}\r\n"
    "{\"text\": \"\"}\n{\"text\": \"no line feed\"}";

constexpr auto words = std::to_array<std::string_view>({"{\"text\": \"",
                                                        "\"text\"",
                                                        "\"}\n",
                                                        "\n",
                                                        "{",
                                                        "}",
                                                        "[",
                                                        "]",
                                                        ":",
                                                        ",",
                                                        "\"",
                                                        "\\u0000",
                                                        "\\ud83d",
                                                        "\\ude00",
                                                        "\\n",
                                                        "\\",
                                                        "null",
                                                        "true",
                                                        "1e999",
                                                        "-1",
                                                        "1.5e-400",
                                                        "\xC3\xA4",
                                                        "\xED\xA0\x80",
                                                        "\xEF\xBB\xBF",
                                                        "[[[[[[[[[[[[[[[[",
                                                        "{\"a\":{\"a\":{\"a\":{\"a\":",
                                                        "/**/",
                                                        std::string_view("\0", 1)});

struct Lines {
  int64_t all = 0;  ///< but blank ones
  int64_t no_json = 0;
};

Lines count(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    ++lines.all;
    lines.no_json += nlohmann::json::accept(line) ? 0 : 1;
  }
  return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static photon::testing::MemoryFile file("input.jsonl");
  file.hold(data, size);
  const Lines lines = count({reinterpret_cast<const char*>(data), size});
  photon::BadLines bad(lines.all);
  const auto source = photon::file_source(file.path(), &bad);
  int64_t documents = 0;
  for (photon::Document document; source->next(document); ++documents) {
    require(!document.text.empty(), "a document has text");
    // The library throws on a string that is no UTF-8.
    require(!nlohmann::json(document.text).dump().empty(), "a document is UTF-8");
  }
  require(documents + bad.count() <= lines.all, "a line is one document at most");
  require(bad.count() >= lines.no_json, "what is no JSON is a bad line");
  require(source->records().at(0).bad_lines == bad.count(), "bad lines are counted");

  try {
    const auto strict = photon::file_source(file.path());
    for (photon::Document document; strict->next(document);) --documents;
    require(bad.count() == 0 && documents == 0, "bad lines are refused unasked, and nothing else is");
  } catch (const photon::Error& e) {
    require(bad.count() > 0, "only bad lines are refused");
    require(std::string_view(e.what()).starts_with(file.path().string() + ":"), "a refusal names its source");
    require(std::strlen(e.what()) < 1000, "a refusal is short");
  }
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  std::mt19937 rng(seed);
  std::string text(reinterpret_cast<const char*>(data), size);
  if (size == 0 || rng() % 8 == 0) text = sound;
  for (auto edits = 1 + rng() % 3; edits > 0; --edits) photon::testing::mutate(text, words, rng);
  const size_t result = std::min(text.size(), max_size);
  std::memcpy(data, text.data(), result);
  return result;
}
