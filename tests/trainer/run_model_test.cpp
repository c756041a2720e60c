// SPDX-License-Identifier: Apache-2.0
// The model of a run: whose vocabulary it has, which weights it starts from, and what does not go together.
#include "trainer/run_model.h"

#include <gtest/gtest.h>

#include "core/base/error.h"
#include "core/model/checkpoint.h"
#include "core/model/model_config.h"
#include "core/model/parameters.h"
#include "core/text/token_file.h"
#include "core/text/tokenizer.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon::trainer {
namespace {

using testing::holds;
using testing::message_of;
using testing::write_text;

class RunModelTest : public ::testing::Test {
 protected:
  RunModelTest() {
    std::filesystem::create_directories(folder_ / "corpus");
    write_tokens(16, 77);
    write_text(folder_ / "model.toml",
               "name = \"m\"\nvocab = 8\nwidth = 8\nffn = 8\nheads = 2\nlayers = 1\n");
    config_.model = folder_ / "model.toml";
    config_.match_model = folder_ / "model.toml";
    config_.data = folder_ / "corpus";
  }

  void write_tokens(int64_t vocab, uint64_t tokenizer) {
    write_token_file(folder_ / "corpus/train.tokens", vocab, std::vector<int32_t>(100, 5), tokenizer);
  }

  /// A tokenizer that knows these words.
  static void make_tokenizer(const std::filesystem::path& file, const std::string& words) {
    int lines = 0;
    train_tokenizer(
        [&](std::string& line) {
          line = words;
          return ++lines <= 50;
        },
        280, file);
  }

  /// The config of training on from a checkpoint of `vocab` tokens.
  TrainConfig from_checkpoint(int64_t vocab, const std::filesystem::path& tokenizer = {}) {
    const ModelSpec spec = load_model_spec(folder_ / "model.toml", {"vocab=" + std::to_string(vocab)});
    save_checkpoint(folder_ / "given", spec, initial_parameters(spec, 9), tokenizer);
    TrainConfig config = config_;
    config.model = folder_ / "given";
    return config;
  }

  std::string refusal(const TrainConfig& config) {
    return message_of<Error>([&] { run_model(config); });
  }

  const testing::TempFolder folder_;
  TrainConfig config_;
};

TEST_F(RunModelTest, ASmallerVocabularyBecomesThatOfTheCorpusAndIsSaid) {
  ::testing::internal::CaptureStderr();
  const RunModel model = run_model(config_);
  EXPECT_TRUE(holds(::testing::internal::GetCapturedStderr(), {"16", "in place of 8"}));
  EXPECT_EQ(model.spec.vocab, 16);
  EXPECT_EQ(matched_spec(config_).vocab, 16) << "both sides of a match have one vocabulary";
  EXPECT_EQ(first_parameters(model, 3), initial_parameters(model.spec, 3));
}

TEST_F(RunModelTest, ALargerVocabularyStaysAsItWasWritten) {
  config_.model_set = {"vocab=24"};
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(run_model(config_).spec.vocab, 24);
  EXPECT_TRUE(holds(::testing::internal::GetCapturedStderr(), {"24", "model.vocab=16"}));
}

TEST_F(RunModelTest, OverridesReachTheSpecAndAVocabularyThatIsAskedForIsNotChanged) {
  config_.model_set = {"width=12", "vocab=16"};
  EXPECT_EQ(run_model(config_).spec.base.width, 12);
  config_.model_set = {"vocab=15"};
  EXPECT_TRUE(holds(refusal(config_), {"16", "15", "--set model.vocab=16"}));
  config_.model_set = {"widht=12"};
  EXPECT_TRUE(holds(refusal(config_), {"widht", "width"}));
}

TEST_F(RunModelTest, StartsFromACheckpointsWeights) {
  const RunModel model = run_model(from_checkpoint(16));
  EXPECT_EQ(model.checkpoint, folder_ / "given");
  EXPECT_EQ(first_parameters(model, 3), initial_parameters(model.spec, 9));
  TrainConfig overridden = from_checkpoint(16);
  overridden.model_set = {"width=12"};
  EXPECT_TRUE(holds(message_of<UsageError>([&] { run_model(overridden); }), {"width=12", "given"}));
}

TEST_F(RunModelTest, ACheckpointOfOtherTokensIsRefusedWithTheRemedy) {
  EXPECT_TRUE(holds(refusal(from_checkpoint(12)), {"16", "12", "corpus build --tokenizer"}));
  make_tokenizer(folder_ / "one.model", "the river and the old house");
  make_tokenizer(folder_ / "two.model", "nobody remembered a grey cat");
  const Tokenizer one(folder_ / "one.model");
  const Tokenizer two(folder_ / "two.model");
  ASSERT_EQ(one.vocab(), two.vocab());
  write_tokens(one.vocab(), one.hash());
  EXPECT_EQ(run_model(from_checkpoint(one.vocab(), folder_ / "one.model")).spec.vocab, one.vocab());
  EXPECT_TRUE(holds(refusal(from_checkpoint(one.vocab(), folder_ / "two.model")),
                    {"given", "--tokenizer", "tokenizer.model"}));
}

}  // namespace
}  // namespace photon::trainer
