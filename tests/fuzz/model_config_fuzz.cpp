// SPDX-License-Identifier: Apache-2.0
// Any text is either refused with photon::Error or a model spec without a fault, which comes back equal when
// it is written and read again.
#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/model/model_config.h"
#include "tests/fuzz/mutation.h"
#include "tests/fuzz/promise.h"

namespace {

using photon::testing::require;

constexpr std::string_view sound =
    "name = \"m\"\nvocab = 50\nwidth = 24\nffn = 40\nheads = 4\nkv_heads = 2\nreading = \"literal\"\n"
    "rope_theta = 10000.0\nnorm_eps = 1e-5\n"
    "[[level]]\nchunk = 4\nprefix = 2\nencoder_layers = 1\ndecoder_layers = 1\nencoder_window = \"block\"\n"
    "[[level]]\nchunk = 2\nprefix = 1\nencoder_layers = 2\ndecoder_layers = 1\nwidth = 48\nheads = 6\n"
    "converter_context = 3\n";

constexpr auto words = std::to_array<std::string_view>({"[[level]]\n",
                                                        "[level]\n",
                                                        "chunk",
                                                        "prefix",
                                                        "layers = 2\n",
                                                        "width = ",
                                                        "kv_heads = ",
                                                        "vocab = ",
                                                        "encoder_window = ",
                                                        "reading = ",
                                                        "\"causal\"",
                                                        "\"block\"",
                                                        "=",
                                                        "\n",
                                                        "\"",
                                                        "\"\"\"",
                                                        "[",
                                                        "]",
                                                        "{",
                                                        "}",
                                                        "0",
                                                        "-1",
                                                        "1e400",
                                                        "nan",
                                                        "inf",
                                                        "0x7fffffffffffffff",
                                                        "9223372036854775807",
                                                        "9223372036854775808",
                                                        "1_000",
                                                        "true",
                                                        "1979-05-27",
                                                        "#",
                                                        ".",
                                                        "\\u0000",
                                                        "\xC3\xA4",
                                                        "\xED\xA0\x80",
                                                        std::string_view("\0", 1)});

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view toml(reinterpret_cast<const char*>(data), size);
  try {
    const photon::ModelSpec spec = photon::parse_model_spec(toml, "input");
    require(!spec.fault().has_value(), "what is accepted has no fault");
    require(photon::parse_model_spec(photon::to_toml(spec), "again") == spec, "written again it is the same");
  } catch (const photon::Error& e) {
    require(std::string_view(e.what()).starts_with("input"), "a refusal names its source");
    require(std::strlen(e.what()) < 10'000, "a refusal is short");
  }
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  std::mt19937 rng(seed);
  std::string toml(reinterpret_cast<const char*>(data), size);
  if (size == 0 || rng() % 4 == 0) toml = sound;
  for (auto edits = 1 + rng() % 3; edits > 0; --edits) photon::testing::mutate(toml, words, rng);
  const size_t result = std::min(toml.size(), max_size);
  std::memcpy(data, toml.data(), result);
  return result;
}
