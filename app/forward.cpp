// SPDX-License-Identifier: Apache-2.0
// photon forward: logits and every stream of the teacher-forced model, as tensors.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/device_report.h"
#include "app/early_checks.h"
#include "core/base/error.h"
#include "core/base/strict_json.h"
#include "core/model/checkpoint.h"
#include "core/model/safetensors.h"
#include "core/text/token_file.h"

namespace photon::app {
namespace {

struct Options {
  std::filesystem::path checkpoint;
  std::filesystem::path tokens;
  std::filesystem::path out;
  std::string dtype;
  std::string device = "cpu";
};

TokenBatch read_json_rows(const std::filesystem::path& file) {
  const std::string where = file.string();
  const nlohmann::json rows = read_strict_json(file);
  if (!rows.is_array() || rows.empty() || !rows[0].is_array() || rows[0].empty()) {
    throw Error(where + ": a JSON array of rows of token ids is needed: [[1, 2, 3, 4], ...]");
  }
  TokenBatch batch{static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows[0].size()), {}};
  for (size_t r = 0; r < rows.size(); ++r) {
    if (!rows[r].is_array() || rows[r].size() != rows[0].size()) {
      throw Error(
          fmt::format("{}: row {} is no array of {} ids like the first one", where, r, rows[0].size()));
    }
    for (const auto& id : rows[r]) {
      const bool fits = id.is_number_integer() && id.get<double>() >= 0 && id.get<double>() < 2147483648.0;
      if (!fits) throw Error(fmt::format("{}: row {}: {} is no token id", where, r, id.dump()));
      batch.ids.push_back(id.get<int32_t>());
    }
  }
  return batch;
}

/// A token file is one row; anything else is read as JSON.
TokenBatch read_tokens(const std::filesystem::path& file) {
  std::string magic(8, ' ');
  std::ifstream(file, std::ios::binary).read(magic.data(), 8);
  if (magic != "PHOTOKEN") return read_json_rows(file);
  const TokenFile tokens(file);
  if (tokens.size() == 0) throw Error(fmt::format("{}: there are no tokens in it", file.string()));
  TokenBatch batch{1, tokens.size(), std::vector<int32_t>(static_cast<size_t>(tokens.size()))};
  tokens.read(0, batch.ids);
  return batch;
}

template <class T>
void write(const std::filesystem::path& file, const std::vector<NamedTensor>& streams) {
  std::vector<TensorPlan> plan;
  for (const NamedTensor& s : streams) plan.push_back({s.name, stored_type<T>(), s.shape});
  SafetensorsWriter writer(file, plan);
  for (const NamedTensor& s : streams) {
    const std::vector<T> values(s.values.begin(), s.values.end());
    writer.write<T>(s.name, values);
  }
  writer.finish();
}

void run(const Options& options) {
  require_writable(options.out);
  const auto backend = backends().make(options.device);
  const DType dtype = dtype_for(*backend, options.dtype);
  const Checkpoint checkpoint = load_checkpoint(options.checkpoint);
  const TokenBatch batch = read_tokens(options.tokens);
  const auto model = backend->inference(checkpoint.spec, checkpoint.parameters, dtype);
  const std::vector<NamedTensor> streams = model->forward(batch);
  if (dtype == DType::float64) {
    write<double>(options.out, streams);
  } else {
    write<float>(options.out, streams);
  }
  fmt::print(stderr, "{}: {} streams of {} rows of {} tokens, {} on {}\n", options.out.string(),
             streams.size(), batch.sequences, batch.length, to_string(dtype), backend->device_name());
  print_kernels(*backend);
}

void setup(CommandLine& app) {
  const auto options = std::make_shared<Options>();
  CommandLine command = app.add_subcommand("forward", "Logits and every stream of a text, as safetensors");
  command.add_option("--checkpoint", options->checkpoint, "Checkpoint folder").required().type_name("DIR");
  command
      .add_option("--tokens", options->tokens, "JSON array of rows of token ids, or a token file (one row)")
      .required()
      .type_name("FILE");
  command.add_out(options->out, "FILE.safetensors", "File to write").required();
  command.add_dtype(options->dtype);
  command.add_device(options->device);
  command.footer(
      "Example:\n"
      "  photon forward --checkpoint out/train/photon-tiny/checkpoint --tokens rows.json --out "
      "streams.safetensors");
  command.callback([options] { run(*options); });
}

const RegisterCommand registered{30, setup};

}  // namespace
}  // namespace photon::app
