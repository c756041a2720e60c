// SPDX-License-Identifier: Apache-2.0
#include "core/model/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <string_view>

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/random.h"
#include "core/base/read_file.h"
#include "core/model/flat_tensors.h"
#include "core/model/model_config.h"

namespace photon {
namespace {

namespace fs = std::filesystem;

constexpr auto file_names = std::to_array<std::string_view>(
    {"model.safetensors", "config.toml", "tokenizer.model", "optimizer.safetensors", "state.json", "DONE"});

constexpr auto tokenizer_key = "tokenizer";  // in the metadata of model.safetensors

bool all_zero(const ParameterInfo& p, std::span<const float> values) {
  const auto matrix = part(values, p);
  return std::all_of(matrix.begin(), matrix.end(), [](float v) { return v == 0.0f; });
}

bool is_output(std::string_view name) {
  return name.ends_with(".attention.o.weight") || name.ends_with(".ffn.down.weight");
}

/// "decoder.1.layers.0.attention." of any parameter of an attention or a feed-forward; else empty.
std::string_view branch_of(std::string_view name) {
  for (const std::string_view branch : {".attention.", ".ffn."}) {
    const size_t at = name.find(branch);
    if (at != std::string_view::npos) return name.substr(0, at + branch.size());
  }
  return {};
}

void require_nonzero_matrices(const std::vector<ParameterInfo>& parameters, std::span<const float> values,
                              const std::string& source) {
  if (const ParameterInfo* const p = zero_matrix(parameters, values)) {
    throw Error(
        fmt::format("{}: tensor '{}' is entirely zero, no trained weight matrix is", source, p->name));
  }
}

TensorMetadata metadata_of(const fs::path& folder) {
  TensorMetadata metadata{{"format", "pt"}};
  const fs::path tokenizer = folder / "tokenizer.model";
  if (fs::exists(tokenizer)) {
    metadata.emplace(tokenizer_key, fmt::format("{:016x}", stable_hash(read_file(tokenizer))));
  }
  return metadata;
}

uint64_t tokenizer_hash_of(const SafetensorsFile& file) {
  const auto found = file.metadata().find(tokenizer_key);
  if (found == file.metadata().end()) return 0;
  const std::string& text = found->second;
  uint64_t hash = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), hash, 16);
  if (fault != std::errc() || end != text.data() + text.size()) {
    throw Error(fmt::format("{}: the metadata's tokenizer is {}, a hash in hexadecimal is wanted",
                            file.source(), in_quotes(text)));
  }
  return hash;
}

}  // namespace

const ParameterInfo* zero_matrix(const std::vector<ParameterInfo>& parameters,
                                 std::span<const float> values) {
  std::vector<const ParameterInfo*> zeros;
  std::set<std::string_view> silent;  // attentions and feed-forwards
  for (const auto& p : parameters) {
    if (p.shape.size() != 2 || !all_zero(p, values)) continue;
    zeros.push_back(&p);
    if (is_output(p.name)) silent.insert(branch_of(p.name));
  }
  const auto found = std::find_if(zeros.begin(), zeros.end(), [&](const ParameterInfo* p) {
    return !silent.contains(branch_of(p->name));
  });
  return found == zeros.end() ? nullptr : *found;
}

bool is_silent_output(const ParameterInfo& p, std::span<const float> values) {
  return is_output(p.name) && all_zero(p, values);
}

void save_checkpoint(const fs::path& folder, const ModelSpec& spec, std::span<const float> parameters,
                     const fs::path& tokenizer, const std::function<void(const fs::path&)>& add_files) {
  const auto list = parameter_list(spec);
  const std::string destination = (folder / "model.safetensors").string();
  if (static_cast<int64_t>(parameters.size()) != parameter_elements(spec)) {
    throw Error(fmt::format("{}: {} values for a model of {}", destination, parameters.size(),
                            parameter_elements(spec)));
  }
  for (const auto& p : list) require_finite(part(parameters, p), p.name, destination);
  require_nonzero_matrices(list, parameters, destination);
  replace_folder(folder, file_names, [&](const fs::path& aside) {
    write_file_atomically(aside / "config.toml", to_toml(spec));
    if (!tokenizer.empty()) fs::copy_file(tokenizer, aside / "tokenizer.model");
    if (add_files) add_files(aside);
    write_flat_tensors(aside / "model.safetensors", list, {{"", parameters}}, metadata_of(aside));
    write_file_atomically(aside / "DONE", "");
  });
}

void require_replaceable_checkpoint(const fs::path& folder) {
  if (fs::is_directory(folder)) require_known_names(folder, file_names);
}

ModelSpec checkpoint_spec(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    const fs::path old = displaced_folder(folder);
    throw Error(
        fmt::format("{}: no such folder{}", folder.string(),
                    old.empty() ? "" : fmt::format("; an interrupted save left it as {}", old.string())));
  }
  if (!fs::exists(folder / "DONE")) {
    throw Error(
        fmt::format("{}: no DONE in it, so it is no checkpoint or was never finished", folder.string()));
  }
  ModelSpec spec = load_model_spec(folder / "config.toml");
  check_flat_tensors(SafetensorsFile(folder / "model.safetensors"), parameter_list(spec), {""});
  return spec;
}

Checkpoint load_checkpoint(const fs::path& folder) {
  Checkpoint checkpoint;
  checkpoint.spec = checkpoint_spec(folder);
  const auto list = parameter_list(checkpoint.spec);
  const SafetensorsFile file(folder / "model.safetensors");
  checkpoint.tokenizer_hash = tokenizer_hash_of(file);
  checkpoint.parameters.resize(parameter_elements(checkpoint.spec));
  read_flat_tensors(file, list, {{"", checkpoint.parameters}});
  require_nonzero_matrices(list, checkpoint.parameters, file.source());
  return checkpoint;
}

}  // namespace photon
