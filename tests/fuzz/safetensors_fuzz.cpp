// SPDX-License-Identifier: Apache-2.0
// Any bytes are either refused with photon::Error or describe tensors that tile the file exactly and survive
// being written again. The mutator keeps the header's length true most of the time; otherwise few inputs
// would get past it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/model/safetensors.h"
#include "tests/core/model/safetensors_corruptions.h"
#include "tests/fuzz/mutation.h"
#include "tests/fuzz/promise.h"

namespace {

using photon::StoredTensor;
using photon::testing::require;
__extension__ using Wide = __int128;

void check_accepted(std::span<const std::byte> file, const photon::SafetensorsHeader& header) {
  int64_t at = 0;
  uint64_t sum = 0;
  const auto text = file.subspan(8, static_cast<size_t>(header.data_offset) - 8);
  require(text.front() == std::byte{'{'}, "the header begins with a brace");
  require(std::find(text.begin(), text.end(), std::byte{0}) == text.end(),
          "no zero byte ends the header early");
  std::set<std::string_view> names;
  std::vector<photon::TensorPlan> plan;
  for (const StoredTensor& t : header.tensors) {
    require(names.insert(t.name).second, "names are not repeated");
    require(t.begin == at, "tensors follow each other");
    Wide bytes = photon::element_bytes(t.type);
    for (const int64_t extent : t.shape) {
      require(extent >= 0, "dimensions are not negative");
      bytes *= extent;
    }
    require(bytes == t.end - t.begin, "bytes match the shape");
    at = t.end;
    for (const std::byte b : file.subspan(static_cast<size_t>(header.data_offset + t.begin),
                                          static_cast<size_t>(t.end - t.begin))) {
      sum += static_cast<uint64_t>(b);
    }
    plan.push_back({t.name, t.type, t.shape});
  }
  require(header.data_offset + at == static_cast<int64_t>(file.size()), "the tensors end with the file");
  require(sum <= 255 * file.size(), "every byte was read");

  const std::string again =
      photon::safetensors_header(plan, header.metadata, "again") + std::string(static_cast<size_t>(at), '\0');
  const auto reread = photon::parse_safetensors(std::as_bytes(std::span(again)), "again");
  require(reread.tensors == header.tensors && reread.metadata == header.metadata,
          "written again it is the same");
}

std::string start(std::mt19937& rng) {
  static const auto corruptions = photon::testing::safetensors_corruptions();
  if (rng() % 2 == 0)
    return photon::testing::file_of(photon::testing::sound_header, photon::testing::sound_data);
  std::mt19937_64 wide(rng());
  return corruptions[rng() % corruptions.size()].make(wide);
}

constexpr auto words = std::to_array<std::string_view>({"\"dtype\"",
                                                        "\"shape\"",
                                                        "\"data_offsets\"",
                                                        "\"__metadata__\"",
                                                        "\"F32\"",
                                                        "\"BF16\"",
                                                        "\"BOOL\"",
                                                        "{",
                                                        "}",
                                                        "[",
                                                        "]",
                                                        ",",
                                                        ":",
                                                        "\"",
                                                        "0",
                                                        "1",
                                                        "24",
                                                        "40",
                                                        "-1",
                                                        "2.5",
                                                        "1e9",
                                                        "4294967296",
                                                        "9223372036854775807",
                                                        "18446744073709551615",
                                                        "null",
                                                        "true",
                                                        "\\u0000",
                                                        "\\ud83d\\ude00",
                                                        " ",
                                                        "\xC3\xA4",
                                                        "\xED\xA0\x80"});

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  try {
    check_accepted(file, photon::parse_safetensors(file, "input"));
  } catch (const photon::Error& e) {
    require(std::string_view(e.what()).starts_with("input: "), "a refusal names its source");
    require(std::strlen(e.what()) < 1000, "a refusal is short");
  }
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  constexpr size_t length_bytes = 8;
  std::mt19937 rng(seed);
  std::string file(reinterpret_cast<const char*>(data), size);
  if (size == 0 || rng() % 16 == 0) file = start(rng);
  if (file.size() < length_bytes || rng() % 8 == 0) {
    photon::testing::mutate(file, words, rng);
  } else {
    uint64_t length = 0;
    std::memcpy(&length, file.data(), sizeof(length));
    const size_t header_bytes = std::min<uint64_t>(length, file.size() - length_bytes);
    std::string header = file.substr(length_bytes, header_bytes);
    std::string rest = file.substr(length_bytes + header_bytes);
    for (auto edits = 1 + rng() % 3; edits > 0; --edits)
      photon::testing::mutate(rng() % 4 == 0 ? rest : header, words, rng);
    file = photon::testing::with_length(header.size(), header + rest);
  }
  const size_t result = std::min(file.size(), max_size);
  std::memcpy(data, file.data(), result);
  return result;
}
