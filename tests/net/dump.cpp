// SPDX-License-Identifier: Apache-2.0
// What this tree's cost model and generators say of random models, one line a fact: net.sh compares two trees
// line by line. Leaves with the last step of the rebuilding that it guards.
//
//   net_dump cost SEED COUNT         every field of every operation of random requests
//   net_dump generate SEED COUNT     tokens, bits of log-probabilities, bursts, cache rows and bytes; CPU and
//   emulated net_dump specs SEED COUNT DIR    random specs (L = 0..3) and, beside each, arguments of `photon
//   floor`
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "core/base/error.h"
#include "core/cost/cost.h"
#include "core/model/model_config.h"
#include "cuda_impl/backends.h"
#include "reference/backend.h"
#include "tests/core/model/random_spec.h"
#include "tests/reference/support.h"

namespace photon::testing {
namespace {

std::string bits(double value) {
  return fmt::format("{:x}", std::bit_cast<uint64_t>(value));
}

Workload random_workload(SpecDice& dice, const ModelSpec& spec) {
  Workload w;
  w.prompt = dice(spec.depth() == 0 ? 1 : 0, 3 * spec.meta_context() + 2);
  w.new_tokens = dice(0, 3 * spec.meta_context() + 2);
  w.batch = dice(1, 4);
  w.samples = dice(0, 1) == 0 ? 1 : dice(1, 3);
  if (spec.depth() >= 2 && dice(0, 1) == 1) {
    w.generation = Generation::recgen;
    if (dice(0, 1) == 1) w.schedule = Schedule::unrolled;
  }
  w.weight_bytes = dice(1, 8);
  w.kv_bytes = dice(1, 8);
  return w;
}

void print(std::string_view name, const std::vector<CacheRows>& rows) {
  fmt::print("{}", name);
  for (const CacheRows& r : rows) fmt::print(" {}:{}", r.read, r.written);
  fmt::print("\n");
}

void print(const Phase& phase) {
  fmt::print("phase of {}\n", phase.size());
  for (const Forward& forward : phase) {
    // Within a forward the order is nobody's business.
    std::vector<std::string> lines;
    for (const Operation& o : forward) {
      lines.push_back(fmt::format("{} {} {} w {} {} {} {} {} rows {} {} launches {} n {} q {} k {} {}",
                                  static_cast<int>(o.kind), o.level, o.decoder, bits(o.work.weight_bytes),
                                  bits(o.work.kv_read_bytes), bits(o.work.kv_write_bytes),
                                  bits(o.work.other_bytes), bits(o.work.flops), o.rows.read, o.rows.written,
                                  bits(o.launches), o.sequences, o.queries, o.keys, o.prefill));
    }
    std::sort(lines.begin(), lines.end());
    fmt::print("forward of {}\n{}\n", forward.size(), fmt::join(lines, "\n"));
  }
}

void cost(uint64_t seed, int64_t count) {
  SpecDice dice(seed);
  for (int64_t i = 0; i < count; ++i) {
    const ModelSpec spec = dice.spec(static_cast<int>(i % 5));
    const Workload w = random_workload(dice, spec);
    fmt::print("request {}\n", i);
    visit_request(
        spec, w, [](const Phase& p) { print(p); }, [](const Phase& p) { print(p); });
    fmt::print("kv {} local {}\n", bits(kv_bytes_ideal(spec, w)), bits(local_bytes(spec, w)));
  }
}

GenerationRequest random_request(SpecDice& dice, const ModelSpec& spec) {
  const auto tokens = [&](int64_t n) {
    std::vector<int32_t> out;
    for (int64_t i = 0; i < n; ++i) out.push_back(static_cast<int32_t>(dice(0, spec.vocab - 1)));
    return out;
  };
  const int64_t m = spec.meta_context();
  GenerationRequest r;
  for (int64_t p = dice(1, 4); p > 0; --p)
    r.prompts.push_back(tokens(dice(spec.depth() == 0 ? 1 : 0, 3 * m + 1)));
  r.samples = dice(1, 3);
  r.new_tokens = dice(0, 3 * m + 1);
  if (spec.depth() >= 2 && dice(0, 2) > 0) {
    r.generation = Generation::recgen;
    switch (dice(0, 4)) {
      case 0:
      case 1:
        r.schedule = Schedule::unrolled;
        break;
      case 2:
        r.recgen_observes_upward = true;
        break;
      case 3:
        r.recgen_keeps_reading_feedback = true;
        break;
      default:
        break;
    }
  }
  if (dice(0, 1) == 1) {
    r.sampling = {
        .temperature = 0.8, .top_k = dice(0, 5), .top_p = 0.9, .seed = static_cast<uint64_t>(dice(0, 99))};
    r.first_row = dice(0, 5);
  }
  if (dice(0, 2) == 0) r.end_of_text = static_cast<int32_t>(dice(0, spec.vocab - 1));
  if (dice(0, 3) == 0) {
    for (int64_t row = std::ssize(r.prompts) * r.samples; row > 0; --row)
      r.forced.push_back(tokens(dice(0, r.new_tokens)));
  }
  return r;
}

void generate(Backend& backend, std::string_view name, DType dtype, const ModelSpec& spec,
              std::span<const float> parameters, GenerationRequest request, int64_t stop_after) {
  fmt::print("{} {}\n", name, to_string(dtype));
  try {
    const auto model = backend.inference(spec, parameters, dtype);
    // Twice: the second time a device replays what it recorded.
    for (int run = 0; run < 2; ++run) {
      int64_t bursts = 0;
      request.on_burst = [&](const Burst& b) {
        fmt::print("burst {} of {}\n", b.row, b.tokens.size());
        return ++bursts != stop_after;
      };
      const GenerationResult g = model->generate(request);
      for (size_t r = 0; r < g.tokens.size(); ++r) {
        fmt::print("row");
        for (size_t t = 0; t < g.tokens[r].size(); ++t)
          fmt::print(" {}:{}", g.tokens[r][t], bits(g.log_probs[r][t]));
        fmt::print("\n");
      }
      print("prefill", g.prefill_rows);
      print("decode", g.decode_rows);
      fmt::print("bytes {} {} {}, bursts {}\n", g.kv_bytes_planned, g.kv_bytes_held, g.local_bytes,
                 g.burst_seconds.size());
    }
  } catch (const Error& e) {
    fmt::print("refused: {}\n", e.what());
  }
}

void generate(uint64_t seed, int64_t count) {
  BackendRegistry registry;
  reference::add_backend(registry);
  add_device_backends(registry);
  const auto cpu = registry.make("cpu");
  const auto emulated = registry.make("emulated");
  SpecDice dice(seed);
  for (int64_t i = 0; i < count; ++i) {
    const ModelSpec spec = dice.spec(static_cast<int>(i % 4));
    std::vector<float> parameters;
    for (const double v : random_parameters(spec, seed + static_cast<uint64_t>(i)))
      parameters.push_back(static_cast<float>(v));
    for (int request = 0; request < 3; ++request) {
      const GenerationRequest r = random_request(dice, spec);
      const int64_t stop = dice(0, 3) == 0 ? dice(1, 6) : 0;
      fmt::print("model {} request {}: {}, {}\n", i, request, to_string(r.generation), to_string(r.schedule));
      generate(*cpu, "cpu", DType::float32, spec, parameters, r, stop);
      generate(*cpu, "cpu", DType::float64, spec, parameters, r, stop);
      generate(*emulated, "emulated", DType::bfloat16, spec, parameters, r, stop);
    }
  }
}

void specs(uint64_t seed, int64_t count, const std::filesystem::path& folder) {
  SpecDice dice(seed);
  for (int64_t i = 0; i < count; ++i) {
    const ModelSpec spec = dice.spec(static_cast<int>(i % 4));
    const auto name = folder / fmt::format("{:03}", i);
    std::ofstream(name.string() + ".toml") << to_toml(spec);
    std::ofstream arguments(name.string() + ".args");
    for (int request = 0; request < 4; ++request) {
      const Workload w = random_workload(dice, spec);
      arguments << fmt::format("--prompt {} --new {} --batch {} --samples {} --generation {} --schedule {}\n",
                               w.prompt, w.new_tokens, w.batch, w.samples, to_string(w.generation),
                               to_string(w.schedule));
    }
  }
}

}  // namespace
}  // namespace photon::testing

int main(int argc, char** argv) {
  using namespace photon::testing;
  if (argc < 4) return 2;
  const std::string_view what = argv[1];
  const uint64_t seed = std::strtoull(argv[2], nullptr, 10);
  const int64_t count = std::atoll(argv[3]);
  if (what == "cost") cost(seed, count);
  if (what == "generate") generate(seed, count);
  if (what == "specs" && argc > 4) specs(seed, count, argv[4]);
}
