// SPDX-License-Identifier: Apache-2.0
// Which tokenizer a checkpoint's text goes through, and what stands in front of it.
#include "core/text/checkpoint_text.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/base/read_file.h"
#include "core/model/parameters.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon {
namespace {

namespace fs = std::filesystem;
using testing::holds;
using testing::message_of;

/// Two tokenizers of equal size that cut text differently.
class CheckpointText : public ::testing::Test {
 protected:
  void SetUp() override {
    make_tokenizer("a.model", "the river and the house by the river");
    make_tokenizer("b.model", "nobody saw a grey cat, nobody at all");
    save_checkpoint(checkpoint_, spec_, initial_parameters(spec_, 1), folder_ / "a.model");
  }

  void make_tokenizer(const char* name, const std::string& text) const {
    bool given = false;
    train_tokenizer([&](std::string& line) { return line = text, !std::exchange(given, true); }, 280,
                    folder_ / name);
  }
  static ModelSpec vanilla(int64_t vocab) {
    ModelSpec spec;
    spec.name = "v";
    spec.vocab = vocab;
    spec.base = {.width = 8, .ffn = 8, .heads = 2, .kv_heads = 1};
    spec.layers = 1;
    return spec;
  }
  std::string refusal() const {
    return message_of<Error>([&] { checkpoint_tokenizer(checkpoint_, load_checkpoint(checkpoint_)); });
  }

  const testing::TempFolder folder_;
  const fs::path checkpoint_ = folder_ / "c";
  const ModelSpec spec_ = vanilla(290);
};

TEST_F(CheckpointText, GoesThroughTheTokenizerOfItsWeights) {
  const Checkpoint c = load_checkpoint(checkpoint_);
  const Tokenizer own = checkpoint_tokenizer(checkpoint_, c);
  EXPECT_EQ(c.tokenizer_hash, own.hash());
  EXPECT_EQ(own.hash(), Tokenizer(folder_ / "a.model").hash());

  fs::copy_file(folder_ / "b.model", checkpoint_ / "tokenizer.model", fs::copy_options::overwrite_existing);
  EXPECT_TRUE(holds(refusal(), {(checkpoint_ / "tokenizer.model").string(), "another tokenizer"}));
  fs::remove(checkpoint_ / "tokenizer.model");
  EXPECT_TRUE(holds(refusal(), {checkpoint_.string(), "no tokenizer.model"}));
}

TEST_F(CheckpointText, ATokenizerThatCameLaterIsTaken) {
  save_checkpoint(checkpoint_, spec_, initial_parameters(spec_, 1));
  EXPECT_EQ(load_checkpoint(checkpoint_).tokenizer_hash, 0u);
  fs::copy_file(folder_ / "b.model", checkpoint_ / "tokenizer.model");
  EXPECT_EQ(checkpoint_tokenizer(checkpoint_, load_checkpoint(checkpoint_)).vocab(), 280);
}

TEST_F(CheckpointText, PiecesWithoutRowsAreRefused) {
  const ModelSpec small = vanilla(279);
  save_checkpoint(checkpoint_, small, initial_parameters(small, 1), folder_ / "a.model");
  EXPECT_TRUE(holds(refusal(), {"tokenizer.model: 280 pieces, the model has rows for 279"}));
  ModelSpec spec = spec_;
  spec.begin_of_text = 285;
  save_checkpoint(checkpoint_, spec, initial_parameters(spec, 1), folder_ / "a.model");
  EXPECT_TRUE(holds(refusal(), {"begin_of_text = 285"}));
}

TEST_F(CheckpointText, BeginsWithWhatStoodInFrontOfEveryText) {
  const Tokenizer t(folder_ / "a.model");
  ModelSpec spec = spec_;
  EXPECT_EQ(encode_text(spec, t, "the river").ids, t.encode("the river"));
  spec.begin_of_text = 1;
  std::vector<int32_t> expected = t.encode("the river");
  expected.insert(expected.begin(), 1);
  EXPECT_EQ(encode_text(spec, t, "the river").ids, expected);
  std::vector<int32_t> bytes = t.encode_with_bytes("the river").bytes;
  bytes.insert(bytes.begin(), 0);
  EXPECT_EQ(encode_text(spec, t, "the river").bytes, bytes);
  EXPECT_EQ(encode_text(spec, t, "").ids, std::vector<int32_t>{1});
}

TEST_F(CheckpointText, WithoutPaddingEveryOtherWeightIsKept) {
  const Checkpoint all = load_checkpoint(checkpoint_);
  const Checkpoint cut = without_padding(all, 280);
  EXPECT_EQ(cut.spec, vanilla(280));
  const auto at = [](const Checkpoint& c, const std::string& name) {
    for (const auto& p : parameter_list(c.spec)) {
      if (p.name == name)
        return std::vector(c.parameters.begin() + p.offset, c.parameters.begin() + p.offset + p.size());
    }
    return std::vector<float>{};
  };
  for (const auto& p : parameter_list(all.spec)) {
    auto expected = at(all, p.name);
    if (p.shape[0] == 290) expected.resize(280 * 8);
    EXPECT_EQ(at(cut, p.name), expected) << p.name;
  }
}

TEST(ReadFile, ItsErrorsNameIt) {
  const testing::TempFolder folder;
  testing::write_text(folder / "f", std::string("a\0b", 3));
  EXPECT_EQ(read_file(folder / "f"), std::string("a\0b", 3));
  EXPECT_TRUE(holds(message_of<Error>([&] { read_file(folder.path()); }),
                    {folder.path().string(), "Is a directory"}));
  EXPECT_TRUE(
      holds(message_of<Error>([&] { read_file(folder / "g"); }), {(folder / "g").string(), "No such file"}));
}

}  // namespace
}  // namespace photon
