#include "core/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/flat_tensors.h"
#include "core/model_config.h"
#include "core/parameters.h"

namespace photon {
namespace {

namespace fs = std::filesystem;

constexpr auto file_names = std::to_array<std::string_view>(
    {"model.safetensors", "config.toml", "tokenizer.model", "optimizer.safetensors", "state.json", "DONE"});

void require_nonzero_matrices(const std::vector<ParameterInfo>& parameters, std::span<const float> values,
                              const std::string& source) {
  for (const auto& p : parameters) {
    if (p.shape.size() != 2) continue;
    const auto matrix = part(values, p);
    if (std::all_of(matrix.begin(), matrix.end(), [](float v) { return v == 0.0f; })) {
      throw Error(
          fmt::format("{}: tensor '{}' is entirely zero, no trained weight matrix is", source, p.name));
    }
  }
}

}  // namespace

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
    write_flat_tensors(aside / "model.safetensors", list, {{"", parameters}}, {{"format", "pt"}});
    write_file_atomically(aside / "config.toml", to_toml(spec));
    if (!tokenizer.empty()) fs::copy_file(tokenizer, aside / "tokenizer.model");
    if (add_files) add_files(aside);
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
  checkpoint.parameters.resize(static_cast<size_t>(parameter_elements(checkpoint.spec)));
  read_flat_tensors(file, list, {{"", checkpoint.parameters}});
  require_nonzero_matrices(list, checkpoint.parameters, file.source());
  return checkpoint;
}

}  // namespace photon
