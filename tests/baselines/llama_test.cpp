// SPDX-License-Identifier: Apache-2.0
#include "baselines/llama.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "baselines/bpe_tokenizer.h"
#include "core/base/error.h"
#include "core/model/flat_tensors.h"
#include "core/model/parameters.h"
#include "tests/baselines/bpe_sample.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon::baselines {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using photon::testing::message_of;
using photon::testing::TempFolder;
using photon::testing::write_text;

ModelSpec vanilla_spec(std::string name) {
  ModelSpec spec;
  spec.name = std::move(name);
  spec.vocab = 19;
  spec.base = {.width = 12, .ffn = 7, .heads = 6, .kv_heads = 2};
  spec.layers = 3;
  spec.rope_theta = 500000.0;
  spec.norm_eps = 1.1e-6;
  spec.validate();
  return spec;
}

class Llama : public ::testing::Test {
 protected:
  void SetUp() override {
    export_llama(hf_, spec_, weights_);
    config_ = json::parse(photon::testing::read_text(hf_ / "config.json"));
  }

  std::string refusal() const {
    return message_of<Error>([&] { import_llama(hf_); });
  }
  void expect_refusal(const std::string& piece) const {
    const std::string message = refusal();
    EXPECT_NE(message.find(piece), std::string::npos) << message;
    EXPECT_NE(message.find(hf_.string()), std::string::npos) << "names no file: " << message;
  }
  void write_config(const json& config) const { write_text(hf_ / "config.json", config.dump()); }
  void expect_config_refused(const std::string& key, const json& value, const std::string& piece) const {
    SCOPED_TRACE(key);
    json changed = config_;
    changed[key] = value;
    write_config(changed);
    expect_refusal(piece);
    write_config(config_);
  }

  /// The exported tensors for which `take` holds, written to `file`.
  template <class Take>
  void write_some(const std::string& file, Take take, const std::vector<TensorPlan>& extra = {}) const {
    std::vector<TensorPlan> plan;
    for (const auto& p : parameter_list(spec_)) {
      const std::string name = llama_tensor_name(p.name);
      if (take(name)) plan.push_back({name, StoredType::f32, p.shape});
    }
    const size_t own = plan.size();
    plan.insert(plan.end(), extra.begin(), extra.end());
    SafetensorsWriter writer(hf_ / file, plan);
    for (const auto& p : parameter_list(spec_)) {
      const std::string name = llama_tensor_name(p.name);
      if (take(name)) writer.write(name, part(std::span<const float>(weights_), p));
    }
    for (size_t i = own; i < plan.size(); ++i) writer.write<float>(plan[i].name, std::vector<float>{1.0f});
    writer.finish();
  }
  std::vector<float> weights_with_tied_head() const {
    const auto list = parameter_list(spec_);
    auto tied = weights_;
    const auto embedding = part(std::span<const float>(weights_), list.front());
    EXPECT_EQ(list.front().name, "decoder.1.embedding.weight");
    std::copy(embedding.begin(), embedding.end(), tied.begin() + list.back().offset);
    return tied;
  }

  const uint64_t seed_ = photon::testing::test_seed();
  const TempFolder folder_;
  const fs::path hf_ = folder_ / "tiny-llama";
  const ModelSpec spec_ = vanilla_spec("tiny-llama");
  const std::vector<float> weights_ = initial_parameters(spec_, seed_);
  json config_;
};

TEST_F(Llama, RoundTripIsIdentical) {
  const LlamaFolder llama = import_llama(hf_);
  const Checkpoint& back = llama.checkpoint;
  EXPECT_EQ(llama.tokenizer, "");
  EXPECT_EQ(back.spec, spec_);
  EXPECT_EQ(back.parameters, weights_) << "seed " << seed_;
  EXPECT_EQ(import_llama(hf_ / "").checkpoint.spec.name, "tiny-llama");
  EXPECT_EQ(folder_.entries(), 1u);
}

TEST_F(Llama, NamesAreThoseOfTheFormat) {
  EXPECT_EQ(config_["architectures"], json({"LlamaForCausalLM"}));
  EXPECT_EQ(config_["hidden_size"], 12);
  EXPECT_EQ(config_["head_dim"], 2);
  const SafetensorsFile file(hf_ / "model.safetensors");
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.tensors().size(), 3u + 9u * 3u);
  for (const char* const name :
       {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight",
        "model.layers.2.input_layernorm.weight", "model.layers.0.post_attention_layernorm.weight"}) {
    EXPECT_NE(file.find(name), nullptr) << name;
  }
  file.tensor("model.layers.1.self_attn.k_proj.weight", std::vector<int64_t>{4, 12});
  file.tensor("model.layers.1.mlp.down_proj.weight", std::vector<int64_t>{12, 7});
  for (const char* const name :
       {"encoder.1.norm.weight", "decoder.1.start", "decoder.1.layers.0", "decoder.1.layers.0.x"}) {
    EXPECT_THROW(llama_tensor_name(name), Error) << name;
  }
}

TEST_F(Llama, DefaultsAreThoseOfTheFormat) {
  json config = config_;
  for (const char* const key :
       {"architectures", "head_dim", "hidden_act", "rms_norm_eps", "rope_theta", "attention_bias", "mlp_bias",
        "tie_word_embeddings", "torch_dtype", "num_key_value_heads"}) {
    config.erase(key);
  }
  config["rope_scaling"] = nullptr;
  const ModelSpec spec = parse_llama_config(config, "n", "config.json").spec;
  EXPECT_EQ(spec.rope_theta, 10000.0);
  EXPECT_EQ(spec.norm_eps, 1e-6);
  EXPECT_EQ(spec.base.kv_heads, spec.base.heads);
  EXPECT_EQ(spec.trained_context, 0);
}

// As LlamaConfig of transformers 5.24 does.
TEST_F(Llama, RotationsAreReadInTheFormatsOrder) {
  const json plain{{"rope_type", "default"}};
  const json own{{"rope_type", "default"}, {"rope_theta", 5e5}};
  const json other{{"type", "default"}, {"rope_theta", 7e4}};
  const json empty = json::object();
  struct Case {
    json theta, scaling, parameters;
    double expected;
    bool warned;
  };
  for (const Case& c : {Case{nullptr, nullptr, nullptr, 1e4, false}, Case{3e4, nullptr, nullptr, 3e4, false},
                        Case{3e4, empty, empty, 3e4, false}, Case{nullptr, empty, own, 5e5, false},
                        Case{nullptr, nullptr, own, 5e5, false}, Case{nullptr, own, nullptr, 5e5, false},
                        Case{nullptr, own, own, 5e5, false}, Case{nullptr, plain, own, 1e4, true},
                        Case{3e4, plain, own, 3e4, true}, Case{nullptr, other, own, 7e4, true},
                        Case{3e4, nullptr, own, 5e5, true}, Case{5e5, nullptr, own, 5e5, false},
                        Case{nullptr, nullptr, json{{"rope_theta", 5e5}}, 5e5, false}}) {
    json config = config_;
    config["rope_theta"] = c.theta;
    config["rope_scaling"] = c.scaling;
    config["rope_parameters"] = c.parameters;
    const LlamaConfig read = parse_llama_config(config, "n", "config.json");
    EXPECT_EQ(read.spec.rope_theta, c.expected) << config.dump();
    EXPECT_EQ(read.warnings.size(), c.warned ? 1u : 0u) << config.dump();
  }
  config_["rope_parameters"] = own;
  expect_config_refused("rope_scaling", {{"type", "linear"}, {"factor", 2.0}}, "'rope_scaling' =");
  expect_config_refused("rope_scaling", {{"factor", 2.0}}, "'rope_scaling' =");
  config_["rope_scaling"] = plain;
  config_["rope_parameters"] = {{"rope_type", "linear"}, {"factor", 2.0}};
  EXPECT_EQ(parse_llama_config(config_, "n", "config.json").warnings.size(), 1u)
      << "the first says that nothing is scaled";
}

TEST_F(Llama, EveryFolderHasAName) {
  const auto name_in = [&](const std::string& name) {
    fs::rename(hf_, folder_ / name);
    const std::string spec_name = import_llama(folder_ / name).checkpoint.spec.name;
    fs::rename(folder_ / name, hf_);
    return spec_name;
  };
  EXPECT_EQ(name_in("llama (1)"), "llama_1");
  EXPECT_EQ(name_in("TinyLlama v1.0+x"), "TinyLlama_v1.0_x");
  EXPECT_EQ(name_in("Mod\u00e8le"), "Mod_le");
  EXPECT_EQ(name_in("\u6a21\u578b"), "llama");
  EXPECT_EQ(name_in(".hidden"), "hidden");
  EXPECT_EQ(name_in("__a__b__"), "__a__b__");
  EXPECT_EQ(name_in("latin-1 \xe8"), "latin-1");
  EXPECT_EQ(name_in(std::string(150, 'x')), std::string(100, 'x'));
}

// Block expansion (LLaMA Pro) adds blocks whose o_proj and down_proj are zero.
TEST_F(Llama, BlocksThatAddNothingAreTaken) {
  auto expanded = weights_;
  const auto clear = [&](std::vector<float>& weights, const std::string& parameter) {
    for (const auto& p : parameter_list(spec_)) {
      if (p.name == parameter) std::fill_n(weights.begin() + p.offset, p.size(), 0.0f);
    }
  };
  clear(expanded, "decoder.1.layers.1.attention.o.weight");
  clear(expanded, "decoder.1.layers.1.attention.v.weight");
  clear(expanded, "decoder.1.layers.1.ffn.down.weight");
  export_llama(hf_, spec_, expanded);
  const LlamaFolder llama = import_llama(hf_);
  EXPECT_EQ(llama.checkpoint.parameters, expanded);
  ASSERT_GE(llama.warnings.size(), 2u);
  EXPECT_NE(llama.warnings.end()[-2].find(
                "model.safetensors: tensor 'model.layers.1.self_attn.o_proj.weight' is entirely zero"),
            std::string::npos);
  save_checkpoint(folder_ / "c", spec_, expanded);
  EXPECT_EQ(load_checkpoint(folder_ / "c").parameters, expanded);
  for (const auto& [parameter, tensor] :
       {std::pair("decoder.1.layers.0.attention.v.weight", "model.layers.0.self_attn.v_proj.weight"),
        std::pair("decoder.1.layers.2.ffn.up.weight", "model.layers.2.mlp.up_proj.weight"),
        std::pair("decoder.1.embedding.weight", "model.embed_tokens.weight")}) {
    auto broken = expanded;
    clear(broken, parameter);
    export_llama(hf_, spec_, broken);
    expect_refusal(fmt::format("model.safetensors: tensor '{}' is entirely zero", tensor));
    EXPECT_NE(message_of<Error>([&] { save_checkpoint(folder_ / "c", spec_, broken); }).find(parameter),
              std::string::npos);
  }
}

TEST_F(Llama, ATiedHeadIsWrittenOut) {
  config_["tie_word_embeddings"] = true;
  write_config(config_);
  expect_refusal("'lm_head.weight' differs from 'model.embed_tokens.weight'");
  write_some("model.safetensors", [](const std::string& name) { return name != "lm_head.weight"; });
  EXPECT_EQ(import_llama(hf_).checkpoint.parameters, weights_with_tied_head());
  export_llama(hf_, spec_, weights_with_tied_head());
  write_config(config_);
  EXPECT_EQ(import_llama(hf_).checkpoint.parameters, weights_with_tied_head());
  config_["tie_word_embeddings"] = false;
  write_config(config_);
  write_some("model.safetensors", [](const std::string& name) { return name != "lm_head.weight"; });
  expect_refusal("tensor 'lm_head.weight' is missing");
}

class LlamaShards : public Llama {
 protected:
  void SetUp() override {
    Llama::SetUp();
    fs::remove(hf_ / "model.safetensors");
    for (int shard = 0; shard < 3; ++shard) {
      const std::string file = fmt::format("model-0000{}-of-00003.safetensors", shard + 1);
      write_some(file, [&](const std::string& name) {
        const bool here = static_cast<int>(name.size() % 3) == shard;
        if (here) map_[name] = file;
        return here;
      });
    }
    write_index(map_);
  }
  void write_index(const json& map) const {
    write_text(hf_ / "model.safetensors.index.json",
               json({{"metadata", {{"total_size", 1}}}, {"weight_map", map}}).dump());
  }

  json map_ = json::object();
};

TEST_F(LlamaShards, AreReadTogether) {
  EXPECT_EQ(import_llama(hf_).checkpoint.parameters, weights_);
}

TEST_F(LlamaShards, ABadIndexIsRefused) {
  const auto with = [&](const std::string& tensor, const json& file) {
    json map = map_;
    map[tensor] = file;
    write_index(map);
  };
  for (const char* const path : {"../tiny-llama/x.safetensors", "/etc/passwd", "..", ""}) {
    with("model.norm.weight", path);
    expect_refusal("is not the name of a file beside it");
  }
  with("model.norm.weight", 3);
  expect_refusal("the file of 'model.norm.weight' must be a string");
  with("model.norm.weight", "absent.safetensors");
  expect_refusal("absent.safetensors: cannot open");
  with("model.other.weight", map_["lm_head.weight"]);
  expect_refusal("tensor 'model.other.weight' is missing, the index places it there");
  write_index(json::array());
  expect_refusal("'weight_map' must be an object");
  write_text(hf_ / "model.safetensors.index.json", "{\"weight_map\":{\"a\":\"b\",\"a\":\"c\"}}");
  expect_refusal("'a' appears twice");
  fs::copy_file(hf_ / map_["lm_head.weight"].get<std::string>(), hf_ / "again.safetensors");
  with("lm_head.weight", "again.safetensors");
  expect_refusal(" too");
  fs::remove(hf_ / "model.safetensors.index.json");
  expect_refusal("neither model.safetensors nor");
}

TEST_F(Llama, WhatAVanillaSpecCannotSayIsRefused) {
  expect_config_refused("architectures", {"MistralForCausalLM"},
                        "'architectures' = [\"MistralForCausalLM\"]: only");
  expect_config_refused("model_type", "qwen2", "'model_type' = \"qwen2\": only \"llama\"");
  expect_config_refused("model_type", nullptr, "'model_type' = nothing: only");
  expect_config_refused("rope_scaling", {{"type", "linear"}, {"factor", 2.0}},
                        "'rope_scaling' = {\"factor\":2.0");
  expect_config_refused("rope_scaling", {{"rope_type", "llama3"}}, "the rotation is not scaled here");
  expect_config_refused("rope_parameters", {{"rope_type", "yarn"}}, "'rope_parameters' =");
  expect_config_refused("rope_parameters", {{"partial_rotary_factor", 0.5}}, "'partial_rotary_factor' = 0.5");
  expect_config_refused("attention_bias", true,
                        "'attention_bias' = true: the projections here have no biases");
  expect_config_refused("mlp_bias", true, "'mlp_bias' = true");
  expect_config_refused("hidden_act", "gelu", "'hidden_act' = \"gelu\"");
  expect_config_refused("quantization_config", json::object(), "quantised weights");
  expect_config_refused("partial_rotary_factor", 0.5, "'partial_rotary_factor' = 0.5");
  expect_config_refused("head_dim", 4, "'head_dim' = 4: heads are width / heads = 12 / 6 = 2 wide");
}

TEST_F(Llama, AConfigThatIsNoneIsRefused) {
  expect_config_refused("hidden_size", nullptr, "'hidden_size' is missing");
  expect_config_refused("hidden_size", "12", "'hidden_size' must be a whole number, it is \"12\"");
  expect_config_refused("hidden_size", 12.5, "'hidden_size' must be a whole number");
  expect_config_refused("hidden_size", UINT64_MAX, "must be a whole number below 2^63");
  expect_config_refused("hidden_size", 13, "13 does not divide into 6 heads");
  expect_config_refused("num_attention_heads", 0, "'num_attention_heads' = 0: heads = 0 is out of range");
  expect_config_refused("rms_norm_eps", -1.0, "'rms_norm_eps' = -1.0");
  expect_config_refused("max_position_embeddings", -1, "'max_position_embeddings' = -1");
  expect_config_refused("rope_theta", "big", "'rope_theta' must be a number");
  expect_config_refused("tie_word_embeddings", 1, "'tie_word_embeddings' must be true or false");
  expect_config_refused("hidden_act", 1, "'hidden_act' must be a string");
  expect_config_refused("rope_scaling", 2, "rope_scaling: must be a JSON object");
  write_text(hf_ / "config.json", "{\"hidden_size\":12,\"hidden_size\":16}");
  expect_refusal("'hidden_size' appears twice");
  write_text(hf_ / "config.json", "[]");
  expect_refusal("must be a JSON object");
  write_text(hf_ / "config.json", std::string(100'000, '['));
  expect_refusal("nested deeper than 64");
  write_text(hf_ / "config.json", config_.dump() + "x");
  expect_refusal("it is not JSON");
  fs::remove(hf_ / "config.json");
  expect_refusal("config.json: cannot open");
}

TEST_F(Llama, TensorsThatDoNotFitAreRefused) {
  const auto all = [](const std::string&) { return true; };
  expect_config_refused("vocab_size", 20,
                        "'model.embed_tokens.weight' has shape (19, 12) where (20, 12) is needed");
  expect_config_refused("num_hidden_layers", 4, "tensor 'model.layers.3.input_layernorm.weight' is missing");
  expect_config_refused("num_hidden_layers", 2, "has no place in a LLaMA of this config");
  write_some("model.safetensors", all, {{"model.layers.0.self_attn.q_proj.bias", StoredType::f32, {1}}});
  expect_refusal("'model.layers.0.self_attn.q_proj.bias' has no place");
  write_some("model.safetensors", all,
             {{"model.layers.0.self_attn.rotary_emb.inv_freq", StoredType::f32, {1}}});
  EXPECT_EQ(import_llama(hf_).checkpoint.parameters, weights_) << "frequencies follow from the config";
  write_text(hf_ / "model.safetensors", "half a fi");
  expect_refusal("model.safetensors: the header");
}

class LlamaText : public Llama {
 protected:
  void SetUp() override {
    Llama::SetUp();
    config_["vocab_size"] = std::ssize(bpe_.pieces) + 2;
    ModelSpec spec = spec_;
    spec.vocab = std::ssize(bpe_.pieces) + 2;
    export_llama(hf_, spec, initial_parameters(spec, seed_));
    write_text(folder_ / "tokenizer.model", to_bytes(bpe_as_sentencepiece(bpe_.json(), "t", "<s>", "</s>")));
    config_ = json::parse(photon::testing::read_text(hf_ / "config.json"));
  }
  void with_model() const { fs::copy_file(folder_ / "tokenizer.model", hf_ / "tokenizer.model"); }
  void with_json(const json& tokenizer) const { write_text(hf_ / "tokenizer.json", tokenizer.dump()); }
  void with_settings(const json& settings) const {
    write_text(hf_ / "tokenizer_config.json", settings.dump());
  }
  std::optional<int64_t> begin() const { return import_llama(hf_).checkpoint.spec.begin_of_text; }

  const testing::BpeSample bpe_{testing::without_merges({"\u2581", "a", "b", "ab"}).pieces, {{"a", "b"}}};
};

TEST_F(LlamaText, BeginsWithItsTokenUnlessToldOtherwise) {
  EXPECT_EQ(begin(), std::nullopt) << "bos_token_id is null";
  config_["bos_token_id"] = 1;
  write_config(config_);
  EXPECT_EQ(begin(), 1) << "no tokenizer: config.json's";
  config_["bos_token_id"] = 261 + 4;
  write_config(config_);
  expect_refusal("'bos_token_id' = 265: an id below 'vocab_size' is wanted");
  config_["bos_token_id"] = 2;
  write_config(config_);
  with_model();
  EXPECT_EQ(begin(), 1) << "the tokenizer's <s>";
  with_settings({{"tokenizer_class", "LlamaTokenizer"}});
  EXPECT_EQ(begin(), 1);
  with_settings({{"add_bos_token", false}});
  EXPECT_EQ(begin(), std::nullopt);
  with_settings({{"add_bos_token", true}, {"bos_token", {{"content", "</s>"}}}});
  EXPECT_EQ(begin(), 2);
  with_settings({{"add_bos_token", true}, {"bos_token", nullptr}});
  EXPECT_EQ(begin(), std::nullopt);
  with_settings({{"bos_token", "<start>"}});
  expect_refusal("tokenizer_config.json: 'bos_token' = '<start>' is no piece of");
  with_settings({{"add_bos_token", "yes"}});
  expect_refusal("tokenizer_config.json: 'add_bos_token' must be true or false");
}

TEST_F(LlamaText, ATokenizerOfNoClassBeginsAsItsTemplateSays) {
  json tokenizer = bpe_.json();
  with_json(tokenizer);
  EXPECT_EQ(begin(), 1);
  with_settings({{"tokenizer_class", "PreTrainedTokenizerFast"}});
  EXPECT_EQ(begin(), std::nullopt);
  tokenizer["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}}};
  with_json(tokenizer);
  EXPECT_EQ(begin(), 1);
  with_settings({{"tokenizer_class", "LlamaTokenizer"}});
  tokenizer["post_processor"]["single"].erase(0);
  with_json(tokenizer);
  EXPECT_EQ(begin(), std::nullopt) << "as transformers 5 saves a tokenizer that adds none";
  with_model();
  EXPECT_EQ(begin(), std::nullopt);
  with_settings({{"add_bos_token", true}});
  EXPECT_EQ(begin(), 1);
}

TEST_F(LlamaText, BothFormsOfATokenizerGiveTheSame) {
  with_json(bpe_.json());
  const LlamaFolder from_json = import_llama(hf_);
  with_model();
  const LlamaFolder from_model = import_llama(hf_);
  EXPECT_EQ(from_json.tokenizer, from_model.tokenizer);
  EXPECT_EQ(from_json.checkpoint.spec, from_model.checkpoint.spec);
  EXPECT_TRUE(from_json.warnings.empty()) << from_json.warnings[0];
}

TEST_F(LlamaText, PiecesWithoutRowsAreRefused) {
  with_model();
  ModelSpec spec = spec_;
  spec.vocab = std::ssize(bpe_.pieces) - 1;
  config_["vocab_size"] = spec.vocab;
  write_config(config_);
  expect_refusal("tokenizer.model: 263 pieces, but 'vocab_size' of");
  write_text(hf_ / "tokenizer.model", "pieces");
  expect_refusal("no SentencePiece model");
}

TEST_F(LlamaText, IsExportedWithWhatItsModelSaw) {
  ModelSpec spec = spec_;
  spec.vocab = std::ssize(bpe_.pieces) + 2;
  const auto weights = initial_parameters(spec, seed_);
  const auto settings = [&] {
    export_llama(hf_, spec, weights, folder_ / "tokenizer.model");
    return json::parse(photon::testing::read_text(hf_ / "tokenizer_config.json"));
  };
  json plain = settings();
  EXPECT_EQ(plain["add_bos_token"], false);
  EXPECT_EQ(plain["add_prefix_space"], true);
  EXPECT_EQ(plain["legacy"], false);
  EXPECT_EQ(import_llama(hf_).checkpoint.spec, spec);
  spec.begin_of_text = 1;
  spec.trained_context = 77;
  plain = settings();
  EXPECT_EQ(plain["add_bos_token"], true);
  EXPECT_EQ(plain["bos_token"], "<s>");
  EXPECT_EQ(plain["eos_token"], "</s>");
  config_ = json::parse(photon::testing::read_text(hf_ / "config.json"));
  EXPECT_EQ(config_["bos_token_id"], 1);
  EXPECT_EQ(config_["eos_token_id"], 2);
  EXPECT_EQ(config_["max_position_embeddings"], 77);
  const LlamaFolder back = import_llama(hf_);
  EXPECT_EQ(back.checkpoint.spec, spec);
  EXPECT_EQ(back.tokenizer, photon::testing::read_text(folder_ / "tokenizer.model"));
  write_text(folder_ / "tokenizer.model",
             to_bytes(bpe_as_sentencepiece(bpe_.json(false), "t", "<s>", "</s>")));
  EXPECT_EQ(settings()["add_prefix_space"], false);
}

TEST_F(Llama, NothingButAVanillaModelIsExported) {
  ModelSpec block = spec_;
  block.layers = 0;
  block.levels.push_back({.chunk = 2,
                          .prefix = 1,
                          .encoder_layers = 1,
                          .decoder_layers = 1,
                          .encoder_window = {},
                          .converter_context = 1,
                          .shape = block.base});
  EXPECT_NE(message_of<Error>([&] {
              export_llama(hf_, block, initial_parameters(block, 1));
            }).find("has 1 levels; only a vanilla"),
            std::string::npos);
  auto bad = weights_;
  bad[0] = std::nanf("");
  EXPECT_THROW(export_llama(hf_, spec_, bad), Error);
  EXPECT_EQ(import_llama(hf_).checkpoint.parameters, weights_) << "a failed export replaced the folder";
}

}  // namespace
}  // namespace photon::baselines
