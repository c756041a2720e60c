// SPDX-License-Identifier: Apache-2.0
// An imported LLaMA computes what its format means: the reference's logits beside a scalar LLaMA written from
// the format's own definition (rotate_half over cat(freqs, freqs), repeated key heads, weights by their names
// there).
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "baselines/llama.h"
#include "core/base/strict_json.h"
#include "core/model/parameters.h"
#include "core/model/safetensors.h"
#include "reference/backend.h"
#include "tests/core/base/temp_folder.h"
#include "tests/reference/support.h"

namespace photon {
namespace {

using Row = std::vector<double>;
using Rows = std::vector<Row>;

class ScalarLlama {
 public:
  explicit ScalarLlama(const std::filesystem::path& folder)
      : config_(read_strict_json(folder / "config.json")), file_(folder / "model.safetensors") {}

  Rows logits(std::span<const int32_t> tokens) const {
    Rows x;
    for (const int32_t t : tokens)
      x.push_back(matrix("model.embed_tokens.weight").at(static_cast<size_t>(t)));
    const int layers = config_["num_hidden_layers"];
    for (int i = 0; i < layers; ++i) {
      const std::string p = "model.layers." + std::to_string(i) + ".";
      add(x, attention(norm(x, p + "input_layernorm.weight"), p + "self_attn."));
      add(x, feed_forward(norm(x, p + "post_attention_layernorm.weight"), p + "mlp."));
    }
    return product(norm(x, "model.norm.weight"), "lm_head.weight");
  }

 private:
  Row vector(const std::string& name) const {
    const StoredTensor& t = *file_.find(name);
    std::vector<float> values(static_cast<size_t>(t.elements()));
    file_.read_floats(t, values);
    return {values.begin(), values.end()};
  }

  Rows matrix(const std::string& name) const {
    const Row flat = vector(name);
    const int64_t in = file_.find(name)->shape.at(1);
    Rows rows;
    for (auto at = flat.begin(); at != flat.end(); at += in) rows.emplace_back(at, at + in);
    return rows;
  }

  Rows product(const Rows& x, const std::string& name) const {
    const Rows w = matrix(name);
    Rows y(x.size(), Row(w.size()));
    for (size_t r = 0; r < x.size(); ++r) {
      for (size_t o = 0; o < w.size(); ++o) {
        for (size_t i = 0; i < w[o].size(); ++i) y[r][o] += w[o][i] * x[r][i];
      }
    }
    return y;
  }

  Rows norm(Rows x, const std::string& name) const {
    const Row gain = vector(name);
    for (Row& row : x) {
      double square = 0.0;
      for (const double v : row) square += v * v;
      const double scale =
          1.0 / std::sqrt(square / static_cast<double>(row.size()) + config_["rms_norm_eps"].get<double>());
      for (size_t i = 0; i < row.size(); ++i) row[i] = gain[i] * (row[i] * scale);
    }
    return x;
  }

  static void add(Rows& x, const Rows& y) {
    for (size_t r = 0; r < x.size(); ++r) {
      for (size_t i = 0; i < x[r].size(); ++i) x[r][i] += y[r][i];
    }
  }

  Row rotated(const Row& row, size_t head, size_t position) const {
    const size_t d = config_["head_dim"];
    const Row x(row.begin() + static_cast<int64_t>(head * d),
                row.begin() + static_cast<int64_t>((head + 1) * d));
    Row y(d);
    for (size_t i = 0; i < d; ++i) {
      const double frequency = std::pow(config_["rope_theta"].get<double>(),
                                        -2.0 * static_cast<double>(i % (d / 2)) / static_cast<double>(d));
      const double rotate_half = i < d / 2 ? -x[i + d / 2] : x[i - d / 2];
      const double angle = static_cast<double>(position) * frequency;
      y[i] = x[i] * std::cos(angle) + rotate_half * std::sin(angle);
    }
    return y;
  }

  Rows attention(const Rows& x, const std::string& p) const {
    const size_t d = config_["head_dim"], heads = config_["num_attention_heads"];
    const size_t group = heads / config_["num_key_value_heads"].get<size_t>();
    const Rows q = product(x, p + "q_proj.weight");
    const Rows k = product(x, p + "k_proj.weight");
    const Rows v = product(x, p + "v_proj.weight");
    Rows mixed(x.size(), Row(heads * d));
    for (size_t h = 0; h < heads; ++h) {
      for (size_t r = 0; r < x.size(); ++r) {
        Row weights;
        double total = 0.0;
        for (size_t s = 0; s <= r; ++s) {
          const Row a = rotated(q[r], h, r), b = rotated(k[s], h / group, s);
          double score = 0.0;
          for (size_t i = 0; i < d; ++i) score += a[i] * b[i];
          total += weights.emplace_back(std::exp(score / std::sqrt(static_cast<double>(d))));
        }
        for (size_t s = 0; s <= r; ++s) {
          for (size_t i = 0; i < d; ++i) mixed[r][h * d + i] += weights[s] / total * v[s][h / group * d + i];
        }
      }
    }
    return product(mixed, p + "o_proj.weight");
  }

  Rows feed_forward(const Rows& x, const std::string& p) const {
    Rows gate = product(x, p + "gate_proj.weight");
    const Rows up = product(x, p + "up_proj.weight");
    for (size_t r = 0; r < gate.size(); ++r) {
      for (size_t i = 0; i < gate[r].size(); ++i) gate[r][i] *= up[r][i] / (1.0 + std::exp(-gate[r][i]));
    }
    return product(gate, p + "down_proj.weight");
  }

  nlohmann::json config_;
  SafetensorsFile file_;
};

TEST(Llama, AnImportedOneComputesWhatItsFormatMeans) {
  const testing::TempFolder folder;
  ModelSpec spec;
  spec.name = "llama";
  spec.vocab = 13;
  spec.base = {.width = 24, .ffn = 11, .heads = 4, .kv_heads = 2};
  spec.layers = 3;
  spec.rope_theta = 50.0;  // so that far positions turn visibly
  spec.norm_eps = 1e-3;
  const auto doubles = testing::random_parameters(spec, testing::test_seed());
  baselines::export_llama(folder / "llama", spec, std::vector<float>(doubles.begin(), doubles.end()));

  const Checkpoint imported = baselines::import_llama(folder / "llama").checkpoint;
  const TokenBatch batch = testing::random_batch(imported.spec, 2, 9, testing::test_seed() + 1);
  BackendRegistry registry;
  reference::add_backend(registry);
  const auto model = registry.make("cpu")->inference(imported.spec, imported.parameters, DType::float64);
  const ScalarLlama llama(folder / "llama");
  for (const NamedTensor& stream : model->forward(batch)) {
    if (stream.name != "logits") continue;
    ASSERT_EQ(stream.shape, (std::vector<int64_t>{2, 9, 13}));
    size_t at = 0;
    for (int64_t b = 0; b < batch.sequences; ++b) {
      for (const Row& row : llama.logits(batch.sequence(b))) {
        for (const double logit : row) {
          ASSERT_NEAR(stream.values.at(at), logit, 1e-11 * (1.0 + std::abs(logit))) << "element " << at;
          ++at;
        }
      }
    }
    return;
  }
  FAIL() << "no logits";
}

}  // namespace
}  // namespace photon
