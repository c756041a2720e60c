// SPDX-License-Identifier: Apache-2.0
#include "core/cost/inspect.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/paths.h"
#include "core/model/model_config.h"
#include "core/model/parameters.h"

namespace photon {
namespace {

const std::filesystem::path source = share_folder();

ModelSpec model(const std::string& name, const std::vector<std::string>& overrides = {}) {
  return load_model_spec(source / "configs" / "models" / (name + ".toml"), overrides);
}

/// Parameters of the module, 0 if there is none of that name.
int64_t parameters(const Inspection& x, const std::string& module) {
  const auto it =
      std::find_if(x.modules.begin(), x.modules.end(), [&](const auto& m) { return m.name == module; });
  return it == x.modules.end() ? 0 : it->parameters;
}

// The paper's tables 4 to 12, every number of them: nine models, stack by stack.
TEST(Inspect, ReproducesThePapersParameterTables) {
  CsvReader reader(source / "tests" / "core" / "cost" / "paper_parameters.csv");
  std::vector<std::string> cells;
  int models = 0;
  while (reader.next(cells)) {
    const auto text = [&](const std::string& column) {
      const auto at =
          std::find(reader.header().begin(), reader.header().end(), column) - reader.header().begin();
      return cells.at(static_cast<size_t>(at));
    };
    const auto number = [&](const std::string& column) {
      return text(column).empty() ? int64_t{0} : int64_t{std::stoll(text(column))};
    };
    std::string size = text("size");
    std::transform(size.begin(), size.end(), size.begin(), [](unsigned char c) { return std::tolower(c); });
    const ModelSpec spec = model(text("architecture") + "-" + size);
    SCOPED_TRACE(spec.name);
    const Inspection x = inspect(spec, 2048);
    ++models;

    EXPECT_EQ(spec.base.width, number("width"));
    EXPECT_EQ(spec.base.ffn, number("ffn"));
    EXPECT_EQ(spec.base.heads, number("heads"));
    EXPECT_EQ(spec.base.head_size(), number("head_dim"));
    EXPECT_EQ(spec.decoder_layers(1), number("layers_per_stack"));
    EXPECT_EQ(x.parameters_total, number("total_params"));
    EXPECT_EQ(parameters_total(spec), number("total_params"));

    const int64_t embedding = spec.vocab * spec.base.width;
    int64_t stacks = 0;
    int64_t sum = 0;
    for (const ModuleCount& m : x.modules) {
      sum += m.parameters;
      if (!m.name.ends_with(".stack")) continue;
      ++stacks;
      EXPECT_EQ(m.parameters, number("stack_params")) << m.name;
    }
    EXPECT_EQ(sum, x.parameters_total);
    EXPECT_EQ(stacks, number("stacks"));
    EXPECT_EQ(parameters(x, "encoder.embedding"), spec.vocab * number("encoder_embedding_width"));
    EXPECT_EQ(parameters(x, "encoder.2.chunker"), number("chunker2_params"));
    EXPECT_EQ(parameters(x, "decoder.1.converter"), number("converter_params"));
    EXPECT_EQ(parameters(x, "decoder.2.converter"), spec.depth() == 2 ? number("converter_params") : 0);
    EXPECT_EQ(parameters(x, "decoder.1.embedding"), embedding);
    EXPECT_EQ(parameters(x, "head"), embedding);
  }
  EXPECT_EQ(models, 9);
}

TEST(Inspect, KvOfThePapersModels) {
  const Inspection vanilla = inspect(model("vanilla-600m"), 2048);
  const Inspection block = inspect(model("block-600m"), 2048);
  const Inspection photon = inspect(model("photon-600m"), 2048);
  EXPECT_EQ(vanilla.kv_units.hiergen, 2048);
  EXPECT_EQ(block.kv_units.hiergen, 512);
  EXPECT_EQ(photon.kv_units.hiergen, 512 + 128);
  EXPECT_EQ(photon.kv_units.recgen, 128);
  EXPECT_FALSE(block.kv_units.recgen.has_value()) << "recgen is refused below two levels";
  EXPECT_EQ(photon.kv_units.first_version, 512 + 128 + 2 * 2048 + 2 * 512);
  // The paper's ratios: 8, 12.8 and 64 whatever the size.
  EXPECT_EQ(vanilla.kv_bytes_per_token_hiergen, 2.0 * 2 * 16 * 1664);
  EXPECT_EQ(vanilla.kv_bytes_per_token_hiergen / block.kv_bytes_per_token_hiergen, 8.0);
  EXPECT_EQ(vanilla.kv_bytes_per_token_hiergen / photon.kv_bytes_per_token_hiergen, 12.8);
  EXPECT_EQ(vanilla.kv_bytes_per_token_hiergen / photon.kv_bytes_per_token_recgen.value(), 64.0);
}

TEST(Inspect, FlopsOfVanillaByHand) {
  const ModelSpec spec = model("vanilla-600m");
  const int64_t t = 2048;
  const double matrices = 16.0 * (4.0 * 1664 * 1664 + 3.0 * 1664 * 4096) + 1664.0 * 32000;
  const double attention = 4.0 * 1664 * 16 * static_cast<double>(t + 1) / 2.0;  // mean over the positions
  EXPECT_DOUBLE_EQ(inspect(spec, t).flops_per_token, 2.0 * matrices + attention);
}

TEST(Inspect, WindowsBoundTheUnits) {
  const auto units = [](const std::string& window) {
    return inspect(model("photon-600m", {"level.1.encoder_window=" + window}), 2048).kv_units.hiergen;
  };
  EXPECT_EQ(units("0"), 512 + 128);
  EXPECT_EQ(units("100"), 100 + 128);
  EXPECT_EQ(units("1000"), 512 + 128);
  EXPECT_EQ(units("block"), 4 + 128);
}

TEST(Inspect, CountsModulesOfUnequalLevels) {
  const ModelSpec spec =
      model("photon-tiny", {"level.1.heads=2", "level.1.width=96", "level.2.converter_context=3",
                            "level.2.kv_heads=2", "level.2.prefix=5"});
  const Inspection x = inspect(spec, 64);
  int64_t sum = 0;
  for (const ModuleCount& m : x.modules) sum += m.parameters;
  EXPECT_EQ(sum, parameters_total(spec));
  EXPECT_EQ(sum + x.start_latents, parameter_elements(spec));
  EXPECT_EQ(x.start_latents, 96 + 128);
  EXPECT_EQ(parameters(x, "decoder.2.converter"), 3 * 128 * 5 * 96 + 5 * 96);
  EXPECT_EQ(parameters(x, "encoder.2.chunker"), 4 * 96 * 128 + 4 * 96 + 128);
}

TEST(Inspect, RefusesAContextThatIsNoMultiple) {
  for (const int64_t context : {0, -16, 15, 100}) {
    EXPECT_THROW(inspect(model("photon-tiny"), context), UsageError) << context;
  }
  EXPECT_NO_THROW(inspect(model("vanilla-tiny"), 1));
}

TEST(Inspect, JsonHoldsWhatMarkdownShows) {
  const Inspection x = inspect(model("photon-600m"), 2048);
  const auto json = nlohmann::json::parse(to_json(x));
  EXPECT_EQ(json.at("parameters_total"), 646399104);
  ASSERT_EQ(json.at("modules").size(), x.modules.size());
  for (size_t i = 0; i < x.modules.size(); ++i) {
    EXPECT_EQ(json["modules"][i].at("name"), x.modules[i].name);
    EXPECT_EQ(json["modules"][i].at("parameters"), x.modules[i].parameters);
    EXPECT_NE(to_markdown(x).find(x.modules[i].name), std::string::npos);
  }
  EXPECT_NE(to_markdown(x).find("646,399,104"), std::string::npos);
  EXPECT_EQ(json.at("flops_per_token"), x.flops_per_token);
  const auto vanilla = nlohmann::json::parse(to_json(inspect(model("vanilla-tiny"), 64)));
  EXPECT_TRUE(vanilla.at("kv_units_recgen").is_null()) << "empty rather than absent";
}

}  // namespace
}  // namespace photon
