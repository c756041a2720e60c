// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/base/paths.h"
#include "tests/app/run_photon.h"

namespace photon {
namespace {

using testing::ProgramRun;

ProgramRun inspect(const std::string& arguments) {
  const std::string model = share_folder() / "configs" / "models" / "photon-600m.toml";
  return testing::run_photon(fmt::format("inspect '{}' {}", model, arguments));
}

TEST(InspectCommand, PrintsTheModelInBothFormats) {
  const ProgramRun markdown = inspect("");
  EXPECT_EQ(markdown.code, 0) << markdown.messages;
  EXPECT_NE(markdown.out.find("646,399,104"), std::string::npos) << markdown.out;
  const ProgramRun json = inspect("--format json --context 4096");
  EXPECT_EQ(json.code, 0) << json.messages;
  EXPECT_EQ(nlohmann::json::parse(json.out).at("parameters_total"), 646399104);
  EXPECT_EQ(nlohmann::json::parse(json.out).at("kv_units_hiergen"), 1280);
}

TEST(InspectCommand, OverridesChangeTheModelAndTheirFaultsAreWrongUse) {
  const ProgramRun changed = inspect(
      "--format json --set level.1.prefix=3 --set 'level.2={chunk = 2, prefix = 1, "
      "encoder_layers = 1, decoder_layers = 1}'");
  ASSERT_EQ(changed.code, 0) << changed.messages;
  EXPECT_EQ(nlohmann::json::parse(changed.out).at("kv_units_hiergen"), 512 + 256);
  const ProgramRun unknown = inspect("--set level.1.chnk=3");
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.messages.find("did you mean 'chunk'?"), std::string::npos) << unknown.messages;
  EXPECT_EQ(unknown.out, "");
  EXPECT_EQ(inspect("--context 100").code, 2);
  EXPECT_EQ(inspect("--format xml").code, 2);
}

}  // namespace
}  // namespace photon
