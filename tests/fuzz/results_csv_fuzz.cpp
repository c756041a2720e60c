// SPDX-License-Identifier: Apache-2.0
// Any bytes are either refused with photon::Error or results: rows that come back equal when they are written
// and read again, whose numbers are finite.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/results/results.h"
#include "tests/fuzz/kept_buffer.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/mutation.h"
#include "tests/fuzz/promise.h"

namespace {

using photon::testing::require;

std::string sound() {
  photon::ResultRow row;
  row.set("schema_version", photon::results_schema_version);
  row.set("kind", "eval");
  row.set("model", "a \"quoted\" name, and more");
  row.set("corpus", "caf\xC3\xA9");
  row.set("token_nll", 3.25);
  row.set("tokens_scored", 1000);
  return photon::to_csv(std::array{row, row});
}

constexpr auto words = std::to_array<std::string_view>({",",
                                                        "\"",
                                                        "\"\"",
                                                        "\n",
                                                        "\r\n",
                                                        "3",
                                                        "2",
                                                        "bench",
                                                        "training",
                                                        "baseline",
                                                        "nan",
                                                        "inf",
                                                        "-inf",
                                                        "1e308",
                                                        "1e400",
                                                        "-1",
                                                        "0x10",
                                                        ",,,,,,,,",
                                                        "schema_version",
                                                        "kind",
                                                        "\xEF\xBB\xBF",
                                                        "\xC3\xA4",
                                                        std::string_view("\0", 1)});

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static photon::testing::MemoryFile file("input.csv");
  static photon::testing::MemoryFile again("again.csv");
  file.hold(data, size);
  try {
    const auto rows = photon::read_results(file.path());
    require(std::ssize(rows) < std::count(data, data + size, '\n'), "a line is one row at most");
    for (const photon::ResultRow& row : rows) {
      for (const photon::ResultColumn& column : photon::result_columns()) {
        if (!column.is_text)
          require(std::isfinite(row.number(column.name).value_or(0.0)), "numbers are finite");
      }
      require(!photon::to_jsonl(std::array{row}).empty(), "a row can be shown as JSON");
    }
    const std::string written = photon::to_csv(rows);
    again.hold(written.data(), written.size());
    require(photon::to_csv(photon::read_results(again.path())) == written, "written again it is the same");
  } catch (const photon::Error& e) {
    require(std::string_view(e.what()).starts_with(file.path().string()), "a refusal names its source");
    require(std::strlen(e.what()) < 1000, "a refusal is short");
  }
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  static const std::string start = sound();
  std::mt19937 rng(seed);
  std::string text(reinterpret_cast<const char*>(data), size);
  if (size == 0 || rng() % 8 == 0) text = start;
  // The first line in peace most of the time, or few inputs would get past it.
  const size_t body = rng() % 8 == 0 ? 0 : text.find('\n') + 1;
  std::string rest = text.substr(body);
  for (auto edits = 1 + rng() % 3; edits > 0; --edits) photon::testing::mutate(rest, words, rng);
  text = text.substr(0, body) + rest;
  const size_t result = std::min(text.size(), max_size);
  std::memcpy(data, text.data(), result);
  return result;
}
