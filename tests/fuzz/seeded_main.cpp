// SPDX-License-Identifier: Apache-2.0
// Runs a libFuzzer target without libFuzzer: replays the files it is given, or feeds a bounded number of
// inputs from the target's own mutator, seeded, so that any test run can fuzz a little and a failure can be
// repeated.
#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed);

namespace {

int replay(const char* path) {
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> bytes(std::istreambuf_iterator<char>(in), {});
  if (in.bad() || !in.is_open()) {
    fmt::print(stderr, "{}: cannot be read\n", path);
    return 1;
  }
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t inputs = 20'000;
  const char* const given = std::getenv("PHOTON_TEST_SEED");
  uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  int failures = 0;
  bool replayed = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option == "--inputs" && i + 1 < argc) {
      inputs = std::strtoull(argv[++i], nullptr, 10);
    } else if (option == "--seed" && i + 1 < argc) {
      seed = std::strtoull(argv[++i], nullptr, 10);
    } else {
      replayed = true;
      failures += replay(argv[i]);
    }
  }
  if (replayed) return failures == 0 ? 0 : 1;

  fmt::print(stderr, "seed {}, {} inputs\n", seed, inputs);
  std::mt19937_64 rng(seed);
  constexpr size_t max_size = 4096;
  std::vector<uint8_t> input(max_size);
  size_t size = 0;
  for (uint64_t i = 0; i < inputs; ++i) {
    // Every so often from nothing, else on from the last input.
    if (rng() % 8 == 0) size = 0;
    size = LLVMFuzzerCustomMutator(input.data(), size, max_size, static_cast<unsigned int>(rng()));
    // A copy of its own size, so that a sanitizer sees a read beyond it.
    const std::vector<uint8_t> exact(input.begin(), input.begin() + static_cast<int64_t>(size));
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
  }
  return 0;
}
