// SPDX-License-Identifier: Apache-2.0
// Any bytes are either refused with photon::Error or a profiler's page: kernels whose amounts are finite and
// not negative, each with the line that it stands in.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>

#include "analysis/join/counters.h"
#include "core/base/error.h"
#include "tests/fuzz/kept_buffer.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/mutation.h"
#include "tests/fuzz/promise.h"

namespace {

using photon::testing::require;

constexpr std::string_view sound =
    "\"ID\",\"Kernel Name\",\"thread Domain:Push/Pop_Range:PL_Type:PL_Value:CLR_Type:Color:Msg_Type:Msg\","
    "\"dram__bytes_read.sum\",\"dram__bytes_write.sum\",\"gpu__time_duration.sum\",\"lts__t_bytes.sum\"\n"
    "\"\",\"\",\"\",\"Mbyte\",\"Kbyte\",\"us\",\"Gbyte\"\n"
    "\"0\",\"void k<a, b>(T::P)\",\"42  \"\"photon:a case:none\"\"  \"\"photon:gemv:none\"\" "
    "\",\"1,234.5\",\"500\",\"12.5\",\"2\"\n"
    "\"1\",\"memset\",\"\",\"0\",\"1e-3\",\"7\",\"0\"\n";

constexpr auto words = std::to_array<std::string_view>(
    {"\"",    "\"\"", ",",   "\n",     "\r\n",         "photon:",  ":",
     "Tbyte", "byte", "ns",  "second", "1,234",        "1.234,5",  "1e308",
     "-1",    "nan",  "inf", "1e400",  "\xEF\xBB\xBF", "\xC3\xA4", std::string_view("\0", 1)});

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static photon::testing::MemoryFile file("input.csv");
  file.hold(data, size);
  const std::string name = file.path().string();
  try {
    const auto kernels = photon::analysis::read_kernel_counters(file.path());
    require(std::ssize(kernels) + 2 <= std::count(data, data + size, '\n'), "a line is one kernel at most");
    for (const auto& k : kernels) {
      for (const double amount : {k.seconds, k.dram_bytes, k.cache_bytes})
        require(std::isfinite(amount) && amount >= 0.0, "amounts are finite");
      require(k.where.starts_with(name + ", line "), "a kernel has a place");
      require(!k.op.empty() || k.scope.empty(), "a scope is one of an operation");
    }
  } catch (const photon::Error& e) {
    require(std::string_view(e.what()).starts_with(name), "a refusal names its source");
    require(std::strlen(e.what()) < 1000, "a refusal is short");
  }
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  std::mt19937 rng(seed);
  std::string text(reinterpret_cast<const char*>(data), size);
  if (size == 0 || rng() % 8 == 0) text = sound;
  // The first line in peace most of the time, or few inputs would get past it.
  const size_t body = rng() % 4 == 0 ? 0 : text.find('\n') + 1;
  std::string rest = text.substr(body);
  for (auto edits = 1 + rng() % 3; edits > 0; --edits) photon::testing::mutate(rest, words, rng);
  text = text.substr(0, body) + rest;
  const size_t result = std::min(text.size(), max_size);
  std::memcpy(data, text.data(), result);
  return result;
}
