// SPDX-License-Identifier: Apache-2.0
// Any bytes are either refused with photon::Error or a token file all of whose ids lie in the vocabulary it
// states and whose count is that of its bytes. Reading an id outside the vocabulary is refused, too.
#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/text/token_file.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/mutation.h"
#include "tests/fuzz/promise.h"

namespace {

using photon::testing::require;

constexpr size_t header_bytes = 40;

/// A number of the header: mostly one that could be true.
void set_number(std::string& file, size_t at, size_t width, std::mt19937& rng) {
  static constexpr auto numbers =
      std::to_array<uint64_t>({0, 1, 2, 4, 300, 65536, 65537, uint64_t{1} << 31, (uint64_t{1} << 31) + 1,
                               uint64_t{1} << 63, ~uint64_t{0}});
  const uint64_t ids = (file.size() - header_bytes) / (rng() % 2 == 0 ? 2 : 4);
  const uint64_t number = rng() % 2 == 0 ? ids : numbers[rng() % numbers.size()];
  std::memcpy(file.data() + at, &number, width);
}

std::string sound(std::mt19937& rng) {
  const uint32_t version_and_width[] = {1, rng() % 2 == 0 ? 2u : 4u};
  const uint64_t count = rng() % 40;
  const uint64_t numbers[] = {version_and_width[1] == 2 ? 300u : 70'000u, count, rng()};
  std::string file = "PHOTOKEN";
  file.append(reinterpret_cast<const char*>(version_and_width), sizeof(version_and_width));
  file.append(reinterpret_cast<const char*>(numbers), sizeof(numbers));
  for (uint64_t i = 0; i < count; ++i) {
    const auto id = static_cast<uint32_t>(rng() % 300);
    file.append(reinterpret_cast<const char*>(&id), version_and_width[1]);
  }
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static photon::testing::MemoryFile file("input.tokens");
  file.hold(data, size);
  const std::string path = file.path().string();
  try {
    const photon::TokenFile tokens(path);
    require(tokens.vocab() >= 1, "there is a vocabulary");
    require(tokens.size() * 2 + 40 == static_cast<int64_t>(size) ||
                tokens.size() * 4 + 40 == static_cast<int64_t>(size),
            "the ids fill the file");
    std::vector<int32_t> ids(static_cast<size_t>(tokens.size()));
    tokens.read(0, ids);
    for (const int32_t id : ids) require(id >= 0 && id < tokens.vocab(), "ids lie in the vocabulary");
  } catch (const photon::Error& e) {
    require(std::string_view(e.what()).starts_with(path), "a refusal names its source");
    require(std::strlen(e.what()) < 1000, "a refusal is short");
  }
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  std::mt19937 rng(seed);
  std::string file(reinterpret_cast<const char*>(data), size);
  if (size == 0 || rng() % 4 == 0) file = sound(rng);
  if (file.size() >= header_bytes && rng() % 2 == 0) {
    static constexpr auto fields = std::to_array<size_t>({8, 12, 16, 24, 32});
    const size_t at = fields[rng() % fields.size()];
    set_number(file, at, at < 16 ? 4 : 8, rng);
  } else {
    photon::testing::mutate(file, {}, rng);
  }
  const size_t result = std::min(file.size(), max_size);
  std::memcpy(data, file.data(), result);
  return result;
}
