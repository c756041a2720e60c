// SPDX-License-Identifier: Apache-2.0
// Any bytes are either refused with photon::Error or a trace: requests in the order of their arrivals, whose
// lengths lie within what the simulator takes.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>

#include "analysis/simulation/trace.h"
#include "core/base/error.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/mutation.h"
#include "tests/fuzz/promise.h"

namespace {

using photon::testing::require;

constexpr std::string_view sound =
    "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n"
    "2023-11-16T18:15:50.9951690Z,396,109\r\n2024-02-29 23:59:60+00:00,\"12\",0\n2024-03-01 00:00:00,1,1\n";

constexpr auto words = std::to_array<std::string_view>({"TIMESTAMP",
                                                        "ContextTokens",
                                                        "GeneratedTokens",
                                                        ",",
                                                        "\n",
                                                        "\r\n",
                                                        "\"",
                                                        "-",
                                                        ":",
                                                        ".",
                                                        "T",
                                                        "Z",
                                                        "+00:00",
                                                        "2023-02-29 00:00:00",
                                                        "9999-12-31 23:59:59.999999999999999999999",
                                                        "0000-01-01 00:00:00",
                                                        "16777216",
                                                        "16777217",
                                                        "9223372036854775808",
                                                        "-1",
                                                        "1e3",
                                                        "nan",
                                                        "\xEF\xBB\xBF",
                                                        std::string_view("\0", 1)});

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace photon::analysis::simulation;
  static photon::testing::MemoryFile file("input.csv");
  file.hold(data, size);
  try {
    const Trace trace = read_trace(file.path());
    const auto lines = std::count(data, data + size, '\n');
    require(!trace.requests.empty(), "there is a request");
    require(std::ssize(trace.requests) + trace.left_out <= lines, "a line is one request at most");
    double last = 0.0;
    for (const Request& r : trace.requests) {
      require(std::isfinite(r.arrival) && r.arrival >= last, "arrivals do not go back");
      require(r.prompt >= 1 && r.prompt <= longest_text, "prompts have a length");
      require(r.answer >= 1 && r.answer <= longest_text, "answers have a length");
      last = r.arrival;
    }
  } catch (const photon::Error& e) {
    require(std::string_view(e.what()).starts_with(file.path().string()), "a refusal names its source");
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
