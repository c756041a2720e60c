// SPDX-License-Identifier: Apache-2.0
#include "baselines/llama.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "baselines/llama_tokenizer.h"
#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/strict_json.h"
#include "core/model/flat_tensors.h"
#include "core/model/parameters.h"
#include "core/text/tokenizer.h"

namespace photon::baselines {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view embedding_name = "model.embed_tokens.weight";
constexpr std::string_view head_name = "lm_head.weight";

/// The tensors of one folder, wherever they lie.
class LlamaWeights {
 public:
  explicit LlamaWeights(const fs::path& folder) {
    if (fs::exists(folder / "model.safetensors")) {
      add(open(folder / "model.safetensors"));
    } else if (fs::exists(folder / "model.safetensors.index.json")) {
      add_shards(folder);
    } else {
      throw Error(fmt::format("{}: neither model.safetensors nor model.safetensors.index.json is in it",
                              folder.string()));
    }
  }

  const SafetensorsFile* find(std::string_view name) const {
    const auto found = where_.find(name);
    return found == where_.end() ? nullptr : found->second;
  }

  const SafetensorsFile& require(std::string_view name) const {
    if (const auto* const file = find(name)) return *file;
    throw Error(fmt::format("{}: tensor {} is missing", files_.front()->source(), in_quotes(name)));
  }

  /// Throws Error at a tensor that is not in `known`. Old files also hold the rotation's frequencies, which
  /// follow from the config.
  void refuse_others(const std::set<std::string, std::less<>>& known) const {
    for (const auto& [name, file] : where_) {
      if (!known.contains(name) && !name.ends_with(".rotary_emb.inv_freq")) {
        throw Error(fmt::format("{}: tensor {} has no place in a LLaMA of this config", file->source(),
                                in_quotes(name)));
      }
    }
  }

 private:
  const SafetensorsFile& open(const fs::path& path) {
    return *files_.emplace_back(std::make_unique<SafetensorsFile>(path));
  }

  void add(const SafetensorsFile& file) {
    for (const StoredTensor& t : file.tensors()) {
      const auto [other, fresh] = where_.emplace(t.name, &file);
      if (!fresh) {
        throw Error(fmt::format("{}: tensor {} is in {} too", file.source(), in_quotes(t.name),
                                other->second->source()));
      }
    }
  }

  void add_shards(const fs::path& folder) {
    const fs::path path = folder / "model.safetensors.index.json";
    const auto index = read_strict_json(path);
    const auto map = index.is_object() ? index.find("weight_map") : index.end();
    if (map == index.end() || !map->is_object() || map->empty()) {
      throw Error(fmt::format("{}: 'weight_map' must be an object from tensors to files", path.string()));
    }
    std::map<std::string, const SafetensorsFile*> shards;
    for (const auto& [tensor, file] : map->items()) {
      if (!file.is_string())
        throw Error(fmt::format("{}: the file of {} must be a string", path.string(), in_quotes(tensor)));
      const auto name = file.get<std::string>();
      // A file's name alone: an index must not point out of its folder.
      if (name.empty() || name == "." || name == ".." ||
          name.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos) {
        throw Error(
            fmt::format("{}: {} is not the name of a file beside it", path.string(), in_quotes(name)));
      }
      auto& shard = shards[name];
      if (shard == nullptr) {
        shard = &open(folder / name);
        add(*shard);
      }
      if (shard->find(tensor) == nullptr) {
        throw Error(fmt::format("{}: tensor {} is missing, the index places it there", shard->source(),
                                in_quotes(tensor)));
      }
    }
  }

  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, const SafetensorsFile*, std::less<>> where_;
};

void require_equal_head(const LlamaWeights& weights, const std::vector<int64_t>& shape) {
  const SafetensorsFile& a = weights.require(embedding_name);
  const SafetensorsFile& b = weights.require(head_name);
  const StoredTensor& embedding = a.tensor(embedding_name, shape);
  const StoredTensor& head = b.tensor(head_name, shape);
  const auto x = a.bytes(embedding);
  const auto y = b.bytes(head);
  if (embedding.type != head.type || !std::equal(x.begin(), x.end(), y.begin(), y.end())) {
    throw Error(fmt::format("{}: '{}' differs from '{}', though config.json says tie_word_embeddings",
                            b.source(), head_name, embedding_name));
  }
}

/// The folder's name; what a spec's name cannot hold is left out, or '_' in the middle.
std::string model_name(const fs::path& folder) {
  constexpr size_t longest = 100;
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  std::string name;
  bool left_out = false;
  for (const char c : fs::canonical(folder).filename().string()) {
    if (!plain(c) || (name.empty() && c == '.')) {
      left_out = true;
      continue;
    }
    if (left_out && !name.empty() && !name.ends_with('_')) name += '_';
    left_out = false;
    name += c;
  }
  name.resize(std::min(name.size(), longest));
  return name.empty() ? "llama" : name;
}

/// What a checkpoint does not take, in the words of the folder; `sources` are the tensors behind `list`.
void check_zeros(const std::vector<ParameterInfo>& list, std::span<const float> values,
                 const std::vector<std::string>& sources, const LlamaWeights& weights,
                 std::vector<std::string>& warnings) {
  const auto entirely_zero = [&](const ParameterInfo& p) {
    const std::string& name = sources[&p - list.data()];
    return fmt::format("{}: tensor {} is entirely zero", weights.require(name).source(), in_quotes(name));
  };
  if (const ParameterInfo* const p = zero_matrix(list, values)) {
    throw Error(entirely_zero(*p) + ", no trained weight matrix is");
  }
  for (const ParameterInfo& p : list) {
    if (is_silent_output(p, values))
      warnings.push_back(entirely_zero(p) + ": it adds nothing, as in blocks that a model was expanded by");
  }
}

}  // namespace

std::string llama_tensor_name(const std::string& parameter) {
  static const std::map<std::string, std::string> whole{
      {"decoder.1.embedding.weight", std::string(embedding_name)},
      {"decoder.1.norm.weight", "model.norm.weight"},
      {"head.weight", std::string(head_name)}};
  static const std::map<std::string, std::string> in_layer{
      {"attention_norm.weight", "input_layernorm.weight"},
      {"attention.q.weight", "self_attn.q_proj.weight"},
      {"attention.k.weight", "self_attn.k_proj.weight"},
      {"attention.v.weight", "self_attn.v_proj.weight"},
      {"attention.o.weight", "self_attn.o_proj.weight"},
      {"ffn_norm.weight", "post_attention_layernorm.weight"},
      {"ffn.gate.weight", "mlp.gate_proj.weight"},
      {"ffn.up.weight", "mlp.up_proj.weight"},
      {"ffn.down.weight", "mlp.down_proj.weight"}};
  if (const auto found = whole.find(parameter); found != whole.end()) return found->second;
  constexpr std::string_view layers = "decoder.1.layers.";
  if (parameter.starts_with(layers)) {
    const size_t dot = parameter.find('.', layers.size());
    const auto found = in_layer.find(parameter.substr(std::min(parameter.size(), dot + 1)));
    if (found != in_layer.end()) {
      return fmt::format("model.layers.{}.{}", parameter.substr(layers.size(), dot - layers.size()),
                         found->second);
    }
  }
  throw Error(fmt::format("a LLaMA has no parameter '{}'", parameter));
}

LlamaFolder import_llama(const fs::path& folder) {
  const fs::path config_path = folder / "config.json";
  const auto document = read_strict_json(config_path);
  auto [spec, tied, warnings] = parse_llama_config(document, model_name(folder), config_path.string());
  LlamaTokenizer tokenizer = read_llama_tokenizer(folder, document);
  spec.begin_of_text = tokenizer.begin_of_text;
  warnings.insert(warnings.end(), tokenizer.warnings.begin(), tokenizer.warnings.end());
  const LlamaWeights weights(folder);
  const auto list = parameter_list(spec);

  // Names and shapes before the array is allocated: a config alone must not claim memory.
  std::vector<std::string> sources;
  std::set<std::string, std::less<>> known;
  for (const auto& p : list) {
    std::string name = llama_tensor_name(p.name);
    if (name == head_name && tied) {
      if (weights.find(name) != nullptr) require_equal_head(weights, p.shape);
      known.insert(std::exchange(name, std::string(embedding_name)));
    }
    weights.require(name).tensor(name, p.shape);
    known.insert(name);
    sources.push_back(std::move(name));
  }
  weights.refuse_others(known);

  LlamaFolder result{{spec, std::vector<float>(static_cast<size_t>(parameter_elements(spec)))},
                     std::move(tokenizer.model),
                     std::move(warnings)};
  std::vector<float>& parameters = result.checkpoint.parameters;
  for (size_t i = 0; i < list.size(); ++i) {
    const SafetensorsFile& file = weights.require(sources[i]);
    const auto values = part(std::span<float>(parameters), list[i]);
    file.read_floats(*file.find(sources[i]), values);
    require_finite(values, sources[i], file.source());
  }
  check_zeros(list, parameters, sources, weights, result.warnings);
  return result;
}

void export_llama(const fs::path& folder, const ModelSpec& spec, std::span<const float> parameters,
                  const fs::path& tokenizer) {
  if (spec.depth() != 0) {
    throw Error(
        fmt::format("model '{}' has {} levels; only a vanilla model is a LLaMA", spec.name, spec.depth()));
  }
  auto list = parameter_list(spec);
  for (auto& p : list) p.name = llama_tensor_name(p.name);
  std::optional<int64_t> end_of_text;
  if (!tokenizer.empty()) end_of_text = Tokenizer(tokenizer).end_of_text();
  constexpr auto files = std::to_array<std::string_view>(
      {"config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json"});
  replace_folder(folder, files, [&](const fs::path& aside) {
    write_flat_tensors(aside / "model.safetensors", list, {{"", parameters}}, {{"format", "pt"}});
    write_file_atomically(aside / "config.json", llama_config_text(spec, end_of_text));
    if (tokenizer.empty()) return;
    fs::copy_file(tokenizer, aside / "tokenizer.model");
    write_file_atomically(aside / "tokenizer_config.json", llama_tokenizer_config_text(spec, tokenizer));
  });
}

}  // namespace photon::baselines
