// SPDX-License-Identifier: Apache-2.0
// The models that devices are tested with: every depth, reading, window and memory of latents.
#pragma once

#include <fmt/format.h>

#include <ostream>
#include <string>
#include <vector>

#include "tests/cuda_impl/naive_model.h"
#include "tests/reference/support.h"

namespace photon::testing {

/// As the reference's small models, somewhat wider: in rows of four numbers bf16's errors grow beyond all
/// bounds.
inline ModelSpec device_spec(int depth, Reading reading = Reading::causal) {
  ModelSpec spec = small_spec(depth, reading);
  spec.vocab = 37;
  spec.base = {.width = 16, .ffn = 20, .heads = 4, .kv_heads = 2};
  const StackShape shapes[] = {{.width = 24, .ffn = 13, .heads = 3, .kv_heads = 1},
                               {.width = 20, .ffn = 24, .heads = 2, .kv_heads = 2},
                               {.width = 16, .ffn = 17, .heads = 1, .kv_heads = 1}};
  for (size_t l = 0; l < spec.levels.size(); ++l) spec.levels[l].shape = shapes[l];
  spec.validate();
  return spec;
}

inline std::vector<float> rounded_parameters(const ModelSpec& spec) {
  std::vector<float> out;
  for (const double v : random_parameters(spec, test_seed())) {
    out.push_back(rounded_bf16(static_cast<float>(v)));
  }
  return out;
}

struct ModelCase {
  std::string name;
  ModelSpec spec;
};

inline void PrintTo(const ModelCase& c, std::ostream* out) {
  *out << c.name;
}

inline std::vector<ModelCase> device_models() {
  std::vector<ModelCase> out{{"L0", device_spec(0)}};
  for (int depth = 1; depth <= 3; ++depth) {
    for (const Reading reading : {Reading::causal, Reading::parallel, Reading::literal, Reading::hatted}) {
      const std::string name = fmt::format("L{}_{}", depth, to_string(reading));
      ModelSpec spec = device_spec(depth, reading);
      out.push_back({name, spec});
      for (LevelSpec& level : spec.levels) level.converter_context = 3;
      out.push_back({name + "_context3", spec});
      if (depth < 2) continue;
      spec = device_spec(depth, reading);
      spec.levels[0].encoder_window = {EncoderWindow::Kind::units, 3};
      if (depth == 3) spec.levels[1].encoder_window = {EncoderWindow::Kind::units, 1};
      out.push_back({name + "_window", spec});
      spec.levels[0].encoder_window = {EncoderWindow::Kind::block, 0};
      if (depth == 3) spec.levels[1].encoder_window = {EncoderWindow::Kind::block, 0};
      out.push_back({name + "_block", spec});
    }
  }
  ModelSpec ones = device_spec(2);
  ones.levels[0].chunk = 1;
  out.push_back({"chunk_of_one", ones});
  return out;
}

}  // namespace photon::testing
