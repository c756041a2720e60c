#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tests/core/temp_folder.h"

namespace photon {
namespace {

struct Outcome {
  int code = -1;
  std::string out;
  std::string messages;
};

Outcome inspect(const std::string& arguments) {
  const testing::TempFolder folder;
  const std::string model = fmt::format("{}/configs/models/photon-600m.toml", PHOTON_SOURCE_DIR);
  const int status = std::system(fmt::format("'{}' inspect '{}' {} >'{}' 2>'{}'", PHOTON_BINARY, model,
                                             arguments, (folder / "out").string(), (folder / "err").string())
                                     .c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, testing::read_text(folder / "out"),
          testing::read_text(folder / "err")};
}

TEST(InspectCommand, PrintsTheModelInBothFormats) {
  const Outcome markdown = inspect("");
  EXPECT_EQ(markdown.code, 0) << markdown.messages;
  EXPECT_NE(markdown.out.find("646,399,104"), std::string::npos) << markdown.out;
  const Outcome json = inspect("--format json --context 4096");
  EXPECT_EQ(json.code, 0) << json.messages;
  EXPECT_EQ(nlohmann::json::parse(json.out).at("parameters_total"), 646399104);
  EXPECT_EQ(nlohmann::json::parse(json.out).at("kv_units_hiergen"), 1280);
}

TEST(InspectCommand, OverridesChangeTheModelAndTheirFaultsAreWrongUse) {
  const Outcome changed = inspect(
      "--format json --set level.1.prefix=3 --set 'level.2={chunk = 2, prefix = 1, "
      "encoder_layers = 1, decoder_layers = 1}'");
  ASSERT_EQ(changed.code, 0) << changed.messages;
  EXPECT_EQ(nlohmann::json::parse(changed.out).at("kv_units_hiergen"), 512 + 256);
  const Outcome unknown = inspect("--set level.1.chnk=3");
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.messages.find("did you mean 'chunk'?"), std::string::npos) << unknown.messages;
  EXPECT_EQ(unknown.out, "");
  EXPECT_EQ(inspect("--context 100").code, 2);
  EXPECT_EQ(inspect("--format xml").code, 2);
}

}  // namespace
}  // namespace photon
