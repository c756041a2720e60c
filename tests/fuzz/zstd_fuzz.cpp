// SPDX-License-Identifier: Apache-2.0
// Any bytes in a file named *.zst either come out of LineReader as the lines of what zstd makes of all of
// them in one go, or are refused with photon::Error. The mutator puts frames together, so that most inputs
// get past their headers.
#include <zstd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/line_reader.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/mutation.h"
#include "tests/fuzz/promise.h"

namespace {

using photon::testing::require;

/// More than the inputs decompress to but for a few, of which nothing is promised then.
constexpr size_t most_text = size_t{1} << 20;

struct Expected {
  bool sound = false;
  bool too_long = false;
  std::string_view text = {};
};

/// In one go, with the whole input and room for all of the output: nothing here depends on how a reader parts
/// them.
Expected decompressed(const uint8_t* data, size_t size) {
  static std::vector<char> text(most_text);
  static ZSTD_DCtx* const context = ZSTD_createDCtx();
  ZSTD_DCtx_reset(context, ZSTD_reset_session_and_parameters);
  ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 31);
  ZSTD_inBuffer in{data, size, 0};
  ZSTD_outBuffer out{text.data(), text.size(), 0};
  size_t open = 1;  // nothing is no frame
  while (in.pos < in.size && out.pos < out.size) {
    open = ZSTD_decompressStream(context, &out, &in);
    if (ZSTD_isError(open) != 0) return {};
  }
  if (out.pos == out.size) return {.too_long = true};
  return {.sound = open == 0, .text = {text.data(), out.pos}};
}

std::string frame(std::string_view text, std::mt19937& rng) {
  static ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, static_cast<int>(rng() % 2));
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, static_cast<int>(rng() % 2));
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1 + static_cast<int>(rng() % 3));
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size()));
  return out;
}

std::string some_frame(std::mt19937& rng) {
  constexpr size_t block = size_t{64} << 10;  // what the reader takes at a time
  if (rng() % 4 == 0) {
    const auto size = static_cast<uint32_t>(rng() % 20);
    std::string out(1, static_cast<char>(0x50 + rng() % 16));
    out += "\x2a\x4d\x18";
    return out.append(reinterpret_cast<const char*>(&size), sizeof(size)) + std::string(size, 'x');
  }
  if (rng() % 64 == 0) {  // seldom: they take their time
    constexpr std::array<size_t, 4> sizes = {block - 1, block, block + 1, 2 * block};
    return frame(std::string(sizes[rng() % sizes.size()], 'a'), rng);
  }
  std::string text;
  for (size_t n = rng() % 12; n > 0; --n) text += rng() % 3 == 0 ? "\n" : std::to_string(rng());
  return frame(text, rng);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static photon::testing::MemoryFile file("input.zst");
  file.hold(data, size);
  const Expected expected = decompressed(data, size);
  try {
    photon::LineReader reader(file.path());
    size_t at = 0;
    for (std::string line; reader.next(line);) {
      require(!line.empty() && line.find('\n') >= line.size() - 1, "a line ends at its line feed");
      if (!expected.sound) continue;  // what comes before the fault
      require(expected.text.substr(at, line.size()) == line, "the lines are the text's");
      at += line.size();
    }
    require(expected.sound || expected.too_long, "what zstd refuses is refused");
    require(!expected.sound || at == expected.text.size(), "nothing is left out");
  } catch (const photon::Error& e) {
    const std::string_view message = e.what();
    require(message.starts_with(file.path().string()), "a refusal names its source");
    require(message.size() < 1000, "a refusal is short");
    require(!expected.sound, "what zstd reads is read");
  }
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  std::mt19937 rng(seed);
  std::string file(reinterpret_cast<const char*>(data), size);
  if (size == 0 || rng() % 4 == 0) {
    file.clear();
    for (size_t frames = rng() % 4; frames > 0; --frames) file += some_frame(rng);
  }
  if (rng() % 4 == 0) file += some_frame(rng);
  if (rng() % 2 == 0) photon::testing::mutate(file, {}, rng);
  const size_t result = std::min(file.size(), max_size);
  std::memcpy(data, file.data(), result);
  return result;
}
