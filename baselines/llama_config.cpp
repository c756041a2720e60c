// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "baselines/json_object.h"
#include "baselines/llama.h"

namespace photon::baselines {
namespace {

using nlohmann::json;

constexpr const char* architecture_name = "LlamaForCausalLM";

void require_llama(const JsonObject& config) {
  if (const json* const list = config.find("architectures")) {
    if (!list->is_array() || list->size() != 1 || list->front() != architecture_name) {
      config.refuse("architectures", fmt::format("only [\"{}\"] is a vanilla model", architecture_name));
    }
  }
  if (config.text("model_type", "") != "llama")
    config.refuse("model_type", "only \"llama\" is a vanilla model");
}

/// The object that says how heads are rotated: rope_scaling, or rope_parameters where that is missing or
/// empty. Where both say something Hugging Face takes the first. Empty: neither does.
std::string rotation_key(const JsonObject& config, std::vector<std::string>& warnings) {
  const auto speaks = [&](const std::string& key) {
    const json* const value = config.find(key);
    return value != nullptr && !(value->is_object() && value->empty());
  };
  const bool scaling = speaks("rope_scaling");
  const bool parameters = speaks("rope_parameters");
  if (scaling && parameters && *config.find("rope_scaling") != *config.find("rope_parameters")) {
    warnings.push_back(fmt::format(
        "{}: 'rope_scaling' and 'rope_parameters' differ; the first is taken, as Hugging Face does",
        config.source()));
  }
  return scaling ? "rope_scaling" : parameters ? "rope_parameters" : "";
}

double rotation(const JsonObject& config, std::vector<std::string>& warnings) {
  const double theta = config.number("rope_theta", 10000.0);
  const std::string key = rotation_key(config, warnings);
  if (key.empty()) return theta;
  const JsonObject rope = config.object(key);
  // A factor scales whatever the type; without either nothing does.
  if (rope.text("rope_type", rope.text("type", rope.find("factor") == nullptr ? "default" : "")) !=
      "default") {
    config.refuse(key, "the rotation is not scaled here, only the type \"default\" can be imported");
  }
  if (rope.number("partial_rotary_factor", 1.0) != 1.0)
    rope.refuse("partial_rotary_factor", "all of a head is rotated here");
  const double own = rope.number("rope_theta", theta);
  if (config.find("rope_theta") != nullptr && own != theta) {
    warnings.push_back(
        fmt::format("{}: 'rope_theta' is {} there and {} in '{}'; the second is taken, as Hugging "
                    "Face does",
                    config.source(), theta, own, key));
  }
  return own;
}

void require_plain(const JsonObject& config) {
  for (const char* const key : {"attention_bias", "mlp_bias"}) {
    if (config.boolean(key, false)) config.refuse(key, "the projections here have no biases");
  }
  if (config.text("hidden_act", "silu") != "silu")
    config.refuse("hidden_act", "the feed-forward is SwiGLU, with \"silu\"");
  if (config.find("quantization_config") != nullptr) {
    config.refuse("quantization_config", "quantised weights cannot be imported");
  }
  if (config.number("partial_rotary_factor", 1.0) != 1.0) {
    config.refuse("partial_rotary_factor", "all of a head is rotated here");
  }
}

/// The format's key for one of a spec's.
std::string source_key(std::string_view key) {
  static const std::map<std::string, std::string, std::less<>> keys{
      {"vocab", "vocab_size"},
      {"width", "hidden_size"},
      {"ffn", "intermediate_size"},
      {"heads", "num_attention_heads"},
      {"kv_heads", "num_key_value_heads"},
      {"layers", "num_hidden_layers"},
      {"norm_eps", "rms_norm_eps"},
      {"begin_of_text", "bos_token_id"},
      {"trained_context", "max_position_embeddings"}};
  const auto found = keys.find(key);
  return found == keys.end() ? std::string(key) : found->second;
}

}  // namespace

LlamaConfig parse_llama_config(const json& document, const std::string& name, const std::string& source) {
  const JsonObject config(document, source);
  require_llama(config);
  require_plain(config);
  LlamaConfig result;
  ModelSpec& spec = result.spec;
  spec.name = name;
  spec.vocab = config.integer("vocab_size");
  spec.base.width = config.integer("hidden_size");
  spec.base.ffn = config.integer("intermediate_size");
  spec.base.heads = config.integer("num_attention_heads");
  spec.base.kv_heads = config.integer("num_key_value_heads", spec.base.heads);
  spec.layers = config.integer("num_hidden_layers");
  spec.rope_theta = rotation(config, result.warnings);
  spec.norm_eps = config.number("rms_norm_eps", 1e-6);  // the format's default, not ours
  spec.trained_context = config.integer("max_position_embeddings", 0);
  if (const auto fault = spec.fault()) config.refuse(source_key(fault->key), fault->message);
  const int64_t head_size = config.integer("head_dim", spec.base.head_size());
  if (head_size != spec.base.head_size()) {
    config.refuse("head_dim", fmt::format("heads are width / heads = {} / {} = {} wide here", spec.base.width,
                                          spec.base.heads, spec.base.head_size()));
  }
  result.tied = config.boolean("tie_word_embeddings", false);
  return result;
}

std::string llama_config_text(const ModelSpec& spec, std::optional<int64_t> end_of_text) {
  nlohmann::ordered_json config{{"architectures", {architecture_name}},
                                {"model_type", "llama"},
                                {"vocab_size", spec.vocab},
                                {"hidden_size", spec.base.width},
                                {"intermediate_size", spec.base.ffn},
                                {"num_hidden_layers", spec.layers},
                                {"num_attention_heads", spec.base.heads},
                                {"num_key_value_heads", spec.base.kv_heads},
                                {"head_dim", spec.base.head_size()},
                                {"hidden_act", "silu"},
                                {"rms_norm_eps", spec.norm_eps},
                                {"rope_theta", spec.rope_theta},
                                {"attention_bias", false},
                                {"mlp_bias", false},
                                {"tie_word_embeddings", false},
                                {"torch_dtype", "float32"}};
  // Unsaid, these are 1 and 2 to the format.
  config["bos_token_id"] = nullptr;
  config["eos_token_id"] = nullptr;
  if (spec.begin_of_text) config["bos_token_id"] = *spec.begin_of_text;
  if (end_of_text) config["eos_token_id"] = *end_of_text;
  if (spec.trained_context > 0) config["max_position_embeddings"] = spec.trained_context;
  return config.dump(2) + "\n";
}

}  // namespace photon::baselines
