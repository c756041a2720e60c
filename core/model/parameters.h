// SPDX-License-Identifier: Apache-2.0
// The parameters of a model as one flat float array in a fixed order: what initialisation fills, checkpoints
// store and the optimizer walks over. Names and shapes are those of a checkpoint on disk
// (docs/architecture.md, "Names on disk"). The order keeps q, k, v and gate, up adjacent, so that each group
// is one matrix to a back end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/model/model_spec.h"

namespace photon {

struct ParameterInfo {
  enum class Init { normal, ones, zeros };

  std::string name;
  std::vector<int64_t> shape;  ///< (out, in), row major; one entry for a vector
  Init init = Init::normal;
  double std_dev = 0.0;  ///< of Init::normal
  bool decay = false;    ///< weight decay applies: matrices only
  bool counted = true;   ///< false for start latents, which are in no total
  bool trained = true;   ///< false where the reading does not use it
  int64_t offset = 0;    ///< first element in the flat array

  int64_t size() const;
};

/// All parameters of `spec`, in the order of the flat array.
std::vector<ParameterInfo> parameter_list(const ModelSpec& spec);

/// Elements of the flat array, start latents included.
int64_t parameter_elements(const ModelSpec& spec);

/// The paper's total: everything but start latents.
int64_t parameters_total(const ModelSpec& spec);

/// Fresh weights. Every tensor has its own counter-based stream of `seed`, so a value depends on the tensor's
/// name and its place in it, not on what else the model has.
std::vector<float> initial_parameters(const ModelSpec& spec, uint64_t seed);

}  // namespace photon
