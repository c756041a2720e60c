// SPDX-License-Identifier: Apache-2.0
#include "trainer/run_state.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/model/flat_tensors.h"
#include "core/model/parameters.h"

namespace photon::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr auto state_name = "state.json";
constexpr auto optimizer_name = "optimizer.safetensors";
constexpr auto first_prefix = "first_moment.";
constexpr auto second_prefix = "second_moment.";
constexpr int state_version = 1;
constexpr uintmax_t largest_state_bytes = 1 << 20;

std::string to_json(const RunState& s) {
  const json spike = {{"count", s.spike.count}, {"mean", s.spike.mean}, {"variance", s.spike.variance}};
  const json all = {{"version", state_version}, {"step", s.step},   {"steps", s.steps},
                    {"tokens", s.tokens},       {"flops", s.flops}, {"loss_spike", spike},
                    {"identity", s.identity}};
  return all.dump(2) + "\n";
}

RunState read_state(const fs::path& file) {
  try {
    if (fs::file_size(file) > largest_state_bytes) throw Error("larger than any state this program writes");
    std::ifstream in(file);
    const json all = json::parse(in);
    if (const int version = all.at("version"); version != state_version) {
      throw Error(fmt::format("version {}, this program reads {}", version, state_version));
    }
    RunState s;
    all.at("step").get_to(s.step);
    all.at("steps").get_to(s.steps);
    all.at("tokens").get_to(s.tokens);
    all.at("flops").get_to(s.flops);
    all.at("loss_spike").at("count").get_to(s.spike.count);
    all.at("loss_spike").at("mean").get_to(s.spike.mean);
    all.at("loss_spike").at("variance").get_to(s.spike.variance);
    all.at("identity").get_to(s.identity);
    if (s.step < 0 || s.step > s.steps || s.tokens < 0 || !(s.flops >= 0.0)) {
      throw Error(fmt::format("step {} of {}, {} tokens, {} FLOPs make no sense", s.step, s.steps, s.tokens,
                              s.flops));
    }
    return s;
  } catch (const std::exception& e) {
    throw Error(fmt::format("{}: not the state of a run: {}", file.string(), e.what()));
  }
}

}  // namespace

void save_run(const fs::path& folder, const TrainingCheckpoint& c, const fs::path& tokenizer) {
  save_checkpoint(folder, c.model.spec, c.model.parameters, tokenizer, [&](const fs::path& aside) {
    if (!c.first.empty()) {
      write_flat_tensors(aside / optimizer_name, parameter_list(c.model.spec),
                         {{first_prefix, c.first}, {second_prefix, c.second}});
    }
    write_file_atomically(aside / state_name, to_json(c.state));
  });
}

TrainingCheckpoint load_run(const fs::path& folder) {
  TrainingCheckpoint c{
      .model = load_checkpoint(folder), .state = read_state(folder / state_name), .first = {}, .second = {}};
  if (!c.state.finished() || fs::exists(folder / optimizer_name)) {
    c.first.resize(c.model.parameters.size());
    c.second.resize(c.model.parameters.size());
    read_flat_tensors(folder / optimizer_name, parameter_list(c.model.spec),
                      {{first_prefix, c.first}, {second_prefix, c.second}});
  }
  return c;
}

std::optional<RunState> load_run_state(const fs::path& folder) {
  if (!fs::exists(folder / state_name)) return {};
  return read_state(folder / state_name);
}

}  // namespace photon::trainer
