#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "baselines/llama.h"
#include "core/checkpoint.h"
#include "core/parameters.h"
#include "core/paths.h"
#include "tests/app/run_photon.h"
#include "tests/core/temp_folder.h"

namespace photon {
namespace {

namespace fs = std::filesystem;
using testing::TempFolder;

using testing::ProgramRun;

class InitAndConvert : public ::testing::Test {
 protected:
  ProgramRun photon(const std::string& arguments) const { return testing::run_photon(arguments); }
  std::string at(const char* name) const { return (folder_ / name).string(); }
  static std::string model(const char* name) { return share_folder() / "configs" / "models" / name; }

  const TempFolder folder_;
};

TEST_F(InitAndConvert, InitWritesTheWeightsOfItsSeed) {
  const ProgramRun made = photon(fmt::format(
      "init {} --seed 7 --out {} --set vocab=50 --set level.1.prefix=3", model("photon-tiny.toml"), at("c")));
  ASSERT_EQ(made.code, 0) << made.messages;
  EXPECT_EQ(made.out, "");
  const Checkpoint c = load_checkpoint(at("c"));
  EXPECT_EQ(c.spec.vocab, 50);
  EXPECT_EQ(c.spec.level(1).prefix, 3);
  EXPECT_EQ(c.parameters, initial_parameters(c.spec, 7));
  EXPECT_NE(made.messages.find("seed 7"), std::string::npos);
  EXPECT_NE(made.messages.find(fmt::format("{} parameters", parameters_total(c.spec))), std::string::npos);

  const std::string again = fmt::format("init {} --seed 8 --out {}", model("block-tiny.toml"), at("c"));
  const ProgramRun refused = photon(again);
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.messages.find("exists already"), std::string::npos) << refused.messages;
  EXPECT_EQ(load_checkpoint(at("c")).parameters, c.parameters);
  EXPECT_EQ(photon(again + " --force").code, 0);
  EXPECT_EQ(load_checkpoint(at("c")).spec.name, "block-tiny");
}

TEST_F(InitAndConvert, WrongUseIsCode2AndABadModelCode1) {
  EXPECT_EQ(photon("init").code, 2);
  EXPECT_EQ(photon(fmt::format("init {} --out {}", model("photon-tiny.toml"), at("c"))).code, 2) << "no seed";
  EXPECT_EQ(photon(fmt::format("init {} --seed x --out {}", model("photon-tiny.toml"), at("c"))).code, 2);
  EXPECT_EQ(photon(fmt::format("init {} --seed 1 --out {}", at("none.toml"), at("c"))).code, 1);
  EXPECT_EQ(photon("convert").code, 2);
  EXPECT_EQ(photon(fmt::format("convert --from-llama {}", at("a"))).code, 2);
  EXPECT_EQ(photon(fmt::format("convert --to-llama {} --from-llama {}", at("a"), at("b"))).code, 2);
  EXPECT_FALSE(fs::exists(at("c")));
}

TEST_F(InitAndConvert, ToLlamaAndBackKeepsEveryBitAndTheTokenizer) {
  ASSERT_EQ(
      photon(fmt::format("init {} --seed 3 --out {}", model("vanilla-tiny.toml"), at("vanilla-tiny"))).code,
      0);
  testing::write_text(at("vanilla-tiny") + "/tokenizer.model", "pieces");
  const ProgramRun out =
      photon(fmt::format("convert --to-llama {} --checkpoint {}", at("hf/vanilla-tiny"), at("vanilla-tiny")));
  ASSERT_EQ(out.code, 0) << out.messages;
  const ProgramRun back =
      photon(fmt::format("convert --from-llama {} --out {}", at("hf/vanilla-tiny"), at("back")));
  ASSERT_EQ(back.code, 0) << back.messages;
  for (const char* const file : {"model.safetensors", "config.toml", "tokenizer.model"}) {
    EXPECT_EQ(testing::read_text(at("back") + "/" + file),
              testing::read_text(at("vanilla-tiny") + "/" + file))
        << file;
  }
  EXPECT_EQ(photon(fmt::format("convert --from-llama {} --out {}", at("hf/vanilla-tiny"), at("back"))).code,
            1);

  ASSERT_EQ(photon(fmt::format("init {} --seed 3 --out {}", model("photon-tiny.toml"), at("p"))).code, 0);
  const ProgramRun levels = photon(fmt::format("convert --to-llama {} --checkpoint {}", at("hf2"), at("p")));
  EXPECT_EQ(levels.code, 1);
  EXPECT_NE(levels.messages.find("only a vanilla model is a LLaMA"), std::string::npos) << levels.messages;
}

}  // namespace
}  // namespace photon
