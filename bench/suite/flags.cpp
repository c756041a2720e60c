// SPDX-License-Identifier: Apache-2.0
#include "bench/suite/flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "bench/sweep.h"
#include "core/base/error.h"
#include "core/base/known_configs.h"

namespace photon::bench {
namespace {

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

template <class T>
T number(const std::string& name, const std::string& value, const char* wanted) {
  T out{};
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
  if (error != std::errc() || end != value.data() + value.size()) {
    throw UsageError(fmt::format("{}={}: {} is needed", name, value, wanted));
  }
  return out;
}

/// Whether the flag was one of ours.
bool take(SuiteFlags& flags, const std::string& name, const std::string& value) {
  if (name == "--models") {
    flags.models.clear();
    for (const std::string& word : split(value)) {
      flags.models.push_back(find_config(ConfigKind::model, word).string());
    }
  } else if (name == "--device") {
    flags.device = value;
  } else if (name == "--dtype") {
    flags.dtype = parse_dtype(value);
  } else if (name == "--batches") {
    flags.batches = parse_sweep(value, name, true);
  } else if (name == "--contexts") {
    flags.contexts = parse_sweep(value, name);
  } else if (name == "--seed") {
    flags.seed = number<uint64_t>(name, value, "a whole number");
  } else if (name == "--max_seconds") {
    throw UsageError(
        "--max_seconds: the library decides how long a benchmark runs; --benchmark_min_time=SECONDS");
  } else if (name == "--results") {
    if (value.empty()) throw UsageError("--results=FILE.csv: the file is missing");
    flags.results = value;
  } else if (name == "--rates") {
    if (value.empty()) throw UsageError("--rates=FILE.csv: the file is missing");
    flags.rates = value;
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::string suite_help(const std::string& program) {
  return fmt::format(
      "{}\n"
      "          [--models=MODEL,...]           names or files; the tiny models unless given\n"
      "          [--device=cpu|cuda|emulated]   those that are built\n"
      "          [--dtype=float32|float64|bfloat16]\n"
      "          [--batches=1,8,16-64*2,max]\n"
      "          [--contexts=128,512,1024-8192*2]\n"
      "          [--seed=N]\n"
      "          [--results=FILE.csv]           rows of the results schema, as photon bench writes them: one "
      "a repetition\n"
      "          [--rates=FILE.csv]             of kernels: bench_kernels keeps them, others predict from "
      "them\n"
      "and what the library has (--benchmark_filter=decode/.*/recgen works on the names):\n",
      program);
}

SuiteFlags take_flags(int& argc, char** argv) {
  SuiteFlags flags;
  for (const char* name : {"vanilla-tiny", "block-tiny", "photon-tiny"}) {
    flags.models.push_back(find_config(ConfigKind::model, name).string());
  }
  flags.batches = {1, 8};
  flags.contexts = {128, 512};
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const size_t equals = word.find('=');
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (!take(flags, word.substr(0, equals), value)) argv[kept++] = argv[i];
  }
  argc = kept;
  return flags;
}

}  // namespace photon::bench
