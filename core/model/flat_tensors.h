// SPDX-License-Identifier: Apache-2.0
// A model's flat arrays on disk: one safetensors file holds one or several arrays in parameter_list order,
// each parameter of each array as a tensor named prefix + parameter name (docs/architecture.md, "Names on
// disk"). model.safetensors is one array with an empty prefix, optimizer.safetensors the two moments.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/model/parameters.h"
#include "core/model/safetensors.h"

namespace photon {

template <class T>
struct FlatArray {
  std::string prefix;   ///< "", "first_moment.", ...
  std::span<T> values;  ///< as many as the parameters have elements
};

/// Where `p` lies in a flat array.
template <class T>
std::span<T> part(std::span<T> values, const ParameterInfo& p) {
  return values.subspan(p.offset, static_cast<size_t>(p.size()));
}

/// Writes F32, atomically. Throws Error if a span has the wrong length or holds a value that is not finite,
/// and on a failed write.
void write_flat_tensors(const std::filesystem::path& path, const std::vector<ParameterInfo>& parameters,
                        const std::vector<FlatArray<const float>>& arrays,
                        const TensorMetadata& metadata = {});

/// Fills every span from F32, BF16, F16 or F64. Throws Error naming file and tensor if one is missing,
/// misshapen, of another type, not finite (also: beyond float's range) or not one of these.
void read_flat_tensors(const std::filesystem::path& path, const std::vector<ParameterInfo>& parameters,
                       const std::vector<FlatArray<float>>& arrays);

/// The same from an open file, split in two so that a caller checks names and shapes before it allocates.
void check_flat_tensors(const SafetensorsFile& file, const std::vector<ParameterInfo>& parameters,
                        const std::vector<std::string>& prefixes);
void read_flat_tensors(const SafetensorsFile& file, const std::vector<ParameterInfo>& parameters,
                       const std::vector<FlatArray<float>>& arrays);

/// Throws Error, with `source` and `name`, at the first value that is not finite.
void require_finite(std::span<const float> values, const std::string& name, const std::string& source);

}  // namespace photon
