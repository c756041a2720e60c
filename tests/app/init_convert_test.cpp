// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "baselines/bpe_tokenizer.h"
#include "core/base/paths.h"
#include "core/model/checkpoint.h"
#include "core/model/parameters.h"
#include "tests/app/run_photon.h"
#include "tests/baselines/bpe_sample.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

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

  /// A checkpoint whose vocabulary is larger than its tokenizer.
  void make_vanilla() const {
    ASSERT_EQ(
        photon(fmt::format("init {} --seed 3 --out {}", model("vanilla-tiny.toml"), at("vanilla-tiny"))).code,
        0);
    testing::write_text(at("vanilla-tiny") + "/tokenizer.model",
                        to_bytes(baselines::bpe_as_sentencepiece(sample_.json(), "sample", "<s>", "</s>")));
  }

  const TempFolder folder_;
  const baselines::testing::BpeSample sample_{
      baselines::testing::without_merges({"\u2581", "a", "b", "ab"}).pieces, {{"a", "b"}}};
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

TEST_F(InitAndConvert, WrongUseIsCode2) {
  EXPECT_EQ(photon("init").code, 2);
  EXPECT_EQ(photon(fmt::format("init {} --out {}", model("photon-tiny.toml"), at("c"))).code, 2) << "no seed";
  EXPECT_EQ(photon(fmt::format("init {} --seed x --out {}", model("photon-tiny.toml"), at("c"))).code, 2);
  EXPECT_EQ(photon(fmt::format("init {} --seed 1 --out {}", at("none.toml"), at("c"))).code, 2);
  EXPECT_EQ(photon("convert").code, 2);
  EXPECT_EQ(photon(fmt::format("convert --from-llama {}", at("a"))).code, 2);
  EXPECT_EQ(photon(fmt::format("convert --to-llama {} --from-llama {}", at("a"), at("b"))).code, 2);
  EXPECT_FALSE(fs::exists(at("c")));
}

TEST_F(InitAndConvert, ToLlamaAndBackKeepsEveryBitAndTheTokenizer) {
  make_vanilla();
  const ProgramRun out =
      photon(fmt::format("convert --to-llama {} --checkpoint {}", at("hf/vanilla-tiny"), at("vanilla-tiny")));
  ASSERT_EQ(out.code, 0) << out.messages;
  const std::string import =
      fmt::format("convert --from-llama {} --out {}", at("hf/vanilla-tiny"), at("back"));
  const ProgramRun back = photon(import);
  ASSERT_EQ(back.code, 0) << back.messages;
  EXPECT_EQ(load_checkpoint(at("back")).parameters, load_checkpoint(at("vanilla-tiny")).parameters);
  for (const char* const file : {"config.toml", "tokenizer.model"}) {
    EXPECT_EQ(testing::read_text(at("back") + "/" + file),
              testing::read_text(at("vanilla-tiny") + "/" + file))
        << file;
  }
  EXPECT_EQ(photon(import).code, 1);

  ASSERT_EQ(photon(fmt::format("init {} --seed 3 --out {}", model("photon-tiny.toml"), at("p"))).code, 0);
  const ProgramRun levels = photon(fmt::format("convert --to-llama {} --checkpoint {}", at("hf2"), at("p")));
  EXPECT_EQ(levels.code, 1);
  EXPECT_NE(levels.messages.find("only a vanilla model is a LLaMA"), std::string::npos) << levels.messages;
}

// A LLaMA's text begins with <s>, whatever way its weights have come since.
TEST_F(InitAndConvert, AnImportedLlamaGetsItsBeginOfText) {
  make_vanilla();
  const auto run = [&](const std::string& arguments) {
    const ProgramRun r = photon(arguments);
    EXPECT_EQ(r.code, 0) << arguments << ": " << r.messages;
    return r.messages;
  };
  const std::string generate = "generate --new 3 --temperature 0 --ignore-end-of-text --checkpoint ";
  EXPECT_TRUE(testing::holds(run(generate + at("vanilla-tiny") + " --prompt ab"), {"2 tokens in, 3 out"}));
  EXPECT_EQ(photon(generate + at("vanilla-tiny") + " --prompt ''").code, 1);

  run(fmt::format("convert --to-llama {} --checkpoint {}", at("hf"), at("vanilla-tiny")));
  testing::write_text(at("hf") + "/tokenizer_config.json", "{\"tokenizer_class\": \"LlamaTokenizer\"}");
  EXPECT_TRUE(testing::holds(run(fmt::format("convert --from-llama {} --out {}", at("hf"), at("c"))),
                             {"token 1 in front of every text"}));
  run(fmt::format("convert --to-llama {} --checkpoint {}", at("again"), at("c")));
  run(fmt::format("convert --from-llama {} --out {} --force", at("again"), at("c")));
  EXPECT_TRUE(
      testing::holds(run(generate + at("c") + " --prompt ab"), {"3 tokens in, begin of text included"}));
  EXPECT_TRUE(testing::holds(run(generate + at("c") + " --prompt ''"), {"1 tokens in"}));

  // <s> is not scored, and what follows it is.
  testing::write_text(at("t.txt"), "ab");
  const auto scored = [&](const char* checkpoint) {
    const ProgramRun r = photon(
        fmt::format("eval --format json --context 8 --checkpoint {} --text {}", at(checkpoint), at("t.txt")));
    EXPECT_EQ(r.code, 0) << r.messages;
    EXPECT_TRUE(testing::holds(r.messages, {"scored tokens say little"}));
    return nlohmann::json::parse(r.out)["tokens_scored"].get<int>();
  };
  EXPECT_EQ(scored("c"), 2);
  EXPECT_EQ(scored("vanilla-tiny"), 1);
}

TEST_F(InitAndConvert, ATokenizerJsonIsImported) {
  make_vanilla();
  ASSERT_EQ(photon(fmt::format("convert --to-llama {} --checkpoint {}", at("hf"), at("vanilla-tiny"))).code,
            0);
  fs::remove(at("hf") + "/tokenizer.model");
  testing::write_text(at("hf") + "/tokenizer.json", sample_.json().dump());
  const ProgramRun run = photon(fmt::format("convert --from-llama {} --out {}", at("hf"), at("c")));
  ASSERT_EQ(run.code, 0) << run.messages;
  EXPECT_EQ(testing::read_text(at("c") + "/tokenizer.model"),
            testing::read_text(at("vanilla-tiny") + "/tokenizer.model"));
  nlohmann::json llama3 = sample_.json();
  llama3["pre_tokenizer"] = {{"type", "ByteLevel"}};
  testing::write_text(at("hf") + "/tokenizer.json", llama3.dump());
  const ProgramRun refused = photon(fmt::format("convert --from-llama {} --out {}", at("hf"), at("d")));
  EXPECT_EQ(refused.code, 1);
  EXPECT_TRUE(testing::holds(refused.messages, {"hf/tokenizer.json", "byte-level BPE"}));
  EXPECT_FALSE(fs::exists(at("d")));
}

TEST_F(InitAndConvert, WhatIsReadOrStoredIsNamedBeforeTheWork) {
  make_vanilla();
  const ProgramRun folder =
      photon(fmt::format("eval --checkpoint {} --text {}", at("vanilla-tiny"), at("vanilla-tiny")));
  EXPECT_EQ(folder.code, 1);
  EXPECT_TRUE(testing::holds(folder.messages, {at("vanilla-tiny") + ": cannot be read: Is a directory"}));
  const ProgramRun prompt = photon(
      fmt::format("generate --checkpoint {} --prompt-file {}", at("vanilla-tiny"), at("vanilla-tiny")));
  EXPECT_TRUE(testing::holds(prompt.messages, {at("vanilla-tiny") + ": cannot be read: Is a directory"}));

  testing::write_text(at("binary"), std::string("ab\0ab", 5));
  const ProgramRun binary =
      photon(fmt::format("eval --checkpoint {} --text {}", at("vanilla-tiny"), at("binary")));
  EXPECT_EQ(binary.code, 0);
  EXPECT_TRUE(testing::holds(binary.messages, {at("binary") + ": byte 2 is NUL"}));

  const std::string odd = at("odd\nname");
  fs::copy(at("vanilla-tiny"), odd, fs::copy_options::recursive);
  for (const std::string& command :
       {fmt::format("bench '{}' --prompt 8 --new 4 --out {}", odd, at("r.csv")),
        fmt::format("eval --checkpoint '{}' --text {} --out {}", odd, at("binary"), at("r.csv"))}) {
    const ProgramRun run = photon(command);
    EXPECT_EQ(run.code, 1);
    EXPECT_TRUE(testing::holds(run.messages, {"cannot hold a line break"}));
    EXPECT_EQ(run.messages.find("GB/s"), std::string::npos) << "it was measured: " << run.messages;
    EXPECT_FALSE(fs::exists(at("r.csv")));
  }
}

}  // namespace
}  // namespace photon
