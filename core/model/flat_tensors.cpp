// SPDX-License-Identifier: Apache-2.0
#include "core/model/flat_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <unordered_set>

#include "core/base/error.h"

namespace photon {
namespace {

int64_t total_elements(const std::vector<ParameterInfo>& parameters) {
  return parameters.empty() ? 0 : parameters.back().offset + parameters.back().size();
}

template <class T>
void require_length(const FlatArray<T>& array, const std::vector<ParameterInfo>& parameters,
                    const std::string& source) {
  const int64_t needed = total_elements(parameters);
  if (static_cast<int64_t>(array.values.size()) != needed) {
    throw Error(fmt::format("{}: {} values for '{}*' where the parameters have {}", source,
                            array.values.size(), array.prefix, needed));
  }
}

}  // namespace

void require_finite(std::span<const float> values, const std::string& name, const std::string& source) {
  // On bits and without an early exit, so that it runs at memory speed.
  constexpr uint32_t exponent = 0x7F800000u;
  uint32_t bad = 0;
  for (const float v : values) bad |= (std::bit_cast<uint32_t>(v) & exponent) == exponent;
  if (bad == 0) return;
  const auto first = std::find_if(values.begin(), values.end(), [](float v) {
    return (std::bit_cast<uint32_t>(v) & exponent) == exponent;
  });
  throw Error(fmt::format("{}: tensor {} holds {} at element {}, weights must be finite", source,
                          in_quotes(name), *first, first - values.begin()));
}

void write_flat_tensors(const std::filesystem::path& path, const std::vector<ParameterInfo>& parameters,
                        const std::vector<FlatArray<const float>>& arrays, const TensorMetadata& metadata) {
  std::vector<TensorPlan> plan;
  for (const auto& array : arrays) {
    require_length(array, parameters, path.string());
    for (const auto& p : parameters) plan.push_back({array.prefix + p.name, StoredType::f32, p.shape});
  }
  SafetensorsWriter writer(path, plan, metadata);
  for (const auto& array : arrays) {
    for (const auto& p : parameters) {
      const auto values = part(array.values, p);
      const std::string name = array.prefix + p.name;
      require_finite(values, name, path.string());
      writer.write(name, values);
    }
  }
  writer.finish();
}

void check_flat_tensors(const SafetensorsFile& file, const std::vector<ParameterInfo>& parameters,
                        const std::vector<std::string>& prefixes) {
  std::unordered_set<std::string> wanted;
  for (const auto& prefix : prefixes) {
    for (const auto& p : parameters) {
      file.tensor(prefix + p.name, p.shape);
      wanted.insert(prefix + p.name);
    }
  }
  for (const StoredTensor& t : file.tensors()) {
    if (!wanted.contains(t.name)) {
      throw Error(fmt::format("{}: tensor {} is not one of this model's", file.source(), in_quotes(t.name)));
    }
  }
}

void read_flat_tensors(const SafetensorsFile& file, const std::vector<ParameterInfo>& parameters,
                       const std::vector<FlatArray<float>>& arrays) {
  for (const auto& array : arrays) {
    require_length(array, parameters, file.source());
    for (const auto& p : parameters) {
      const StoredTensor& stored = file.tensor(array.prefix + p.name, p.shape);
      const auto values = part(array.values, p);
      file.read_floats(stored, values);
      require_finite(values, stored.name, file.source());
    }
  }
}

void read_flat_tensors(const std::filesystem::path& path, const std::vector<ParameterInfo>& parameters,
                       const std::vector<FlatArray<float>>& arrays) {
  const SafetensorsFile file(path);
  std::vector<std::string> prefixes;
  for (const auto& array : arrays) prefixes.push_back(array.prefix);
  check_flat_tensors(file, parameters, prefixes);
  read_flat_tensors(file, parameters, arrays);
}

}  // namespace photon
