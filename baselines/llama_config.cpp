#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "baselines/llama.h"
#include "core/error.h"

namespace photon::baselines {
namespace {

using nlohmann::json;

constexpr const char* architecture_name = "LlamaForCausalLM";

/// Typed look-ups whose errors name file and key. JSON null counts as absent, as it does to the format's own
/// readers.
class ConfigObject {
 public:
  ConfigObject(const json& object, std::string source) : object_(object), source_(std::move(source)) {
    if (!object.is_object()) throw Error(fmt::format("{}: must be a JSON object", source_));
  }

  const json* find(const std::string& key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  int64_t integer(const std::string& key, std::optional<int64_t> absent = {}) const {
    const json* const value = find_or_require(key, absent.has_value());
    if (value == nullptr) return *absent;
    if (!value->is_number_integer()) wrong(key, "a whole number", *value);
    if (value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
      wrong(key, "a whole number below 2^63", *value);
    }
    return value->get<int64_t>();
  }

  double number(const std::string& key, double absent) const {
    const json* const value = find(key);
    if (value == nullptr) return absent;
    if (!value->is_number()) wrong(key, "a number", *value);
    return value->get<double>();
  }

  bool boolean(const std::string& key) const {
    const json* const value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) wrong(key, "true or false", *value);
    return value->get<bool>();
  }

  std::string text(const std::string& key, const std::string& absent) const {
    const json* const value = find(key);
    if (value == nullptr) return absent;
    if (!value->is_string()) wrong(key, "a string", *value);
    return value->get<std::string>();
  }

  [[noreturn]] void refuse(const std::string& key, const std::string& why) const {
    const json* const value = find(key);
    throw Error(
        fmt::format("{}: '{}' = {}: {}", source_, key, value == nullptr ? "nothing" : shown(*value), why));
  }

 private:
  static std::string shown(const json& value) { return clipped(value.dump()); }

  const json* find_or_require(const std::string& key, bool has_default) const {
    const json* const value = find(key);
    if (value == nullptr && !has_default) throw Error(fmt::format("{}: '{}' is missing", source_, key));
    return value;
  }

  [[noreturn]] void wrong(const std::string& key, const std::string& needed, const json& value) const {
    throw Error(fmt::format("{}: '{}' must be {}, it is {}", source_, key, needed, shown(value)));
  }

  const json& object_;
  std::string source_;
};

void require_llama(const ConfigObject& config) {
  if (const json* const list = config.find("architectures")) {
    if (!list->is_array() || list->size() != 1 || list->front() != architecture_name) {
      config.refuse("architectures", fmt::format("only [\"{}\"] is a vanilla model", architecture_name));
    }
  }
  if (config.text("model_type", "") != "llama")
    config.refuse("model_type", "only \"llama\" is a vanilla model");
}

/// rope_theta, from wherever this version of the format keeps it.
double rotation(const ConfigObject& config, const std::string& source) {
  double theta = config.number("rope_theta", 10000.0);
  for (const std::string key : {"rope_scaling", "rope_parameters"}) {
    const json* const value = config.find(key);
    if (value == nullptr) continue;
    const ConfigObject rope(*value, fmt::format("{}, {}", source, key));
    if (rope.text("rope_type", rope.text("type", "")) != "default") {
      config.refuse(key, "the rotation is not scaled here, only the type \"default\" can be imported");
    }
    theta = rope.number("rope_theta", theta);
  }
  return theta;
}

void require_plain(const ConfigObject& config) {
  for (const char* const key : {"attention_bias", "mlp_bias"}) {
    if (config.boolean(key)) config.refuse(key, "the projections here have no biases");
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

}  // namespace

LlamaConfig parse_llama_config(const json& document, const std::string& name, const std::string& source) {
  const ConfigObject config(document, source);
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
  spec.rope_theta = rotation(config, source);
  spec.norm_eps = config.number("rms_norm_eps", 1e-6);  // the format's default, not ours
  try {
    spec.validate();
  } catch (const Error& e) {
    throw Error(fmt::format("{}: {}", source, e.what()));
  }
  const int64_t head_size = config.integer("head_dim", spec.base.head_size());
  if (head_size != spec.base.head_size()) {
    config.refuse("head_dim", fmt::format("heads are width / heads = {} / {} = {} wide here", spec.base.width,
                                          spec.base.heads, spec.base.head_size()));
  }
  result.tied = config.boolean("tie_word_embeddings");
  return result;
}

std::string llama_config_text(const ModelSpec& spec) {
  const nlohmann::ordered_json config{{"architectures", {architecture_name}},
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
  return config.dump(2) + "\n";
}

}  // namespace photon::baselines
