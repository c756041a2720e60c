// SPDX-License-Identifier: Apache-2.0
// photon train and photon eval with the real program on the CPU: killed and resumed training, and what eval
// says about the result.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <regex>
#include <span>
#include <sstream>
#include <thread>

#include "core/base/random.h"
#include "core/cost/cost.h"
#include "core/model/model_config.h"
#include "core/results/results.h"
#include "core/text/token_file.h"
#include "core/text/tokenizer.h"
#include "tests/app/run_photon.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon {
namespace {

namespace fs = std::filesystem;
using testing::read_text;
using testing::write_text;

struct Outcome {
  int code = -1;  ///< -1: ended by a signal
  std::string out;
  std::string messages;
};

/// Sentences that a model can learn something about in a few steps.
std::string sample_text() {
  constexpr std::array subjects{"the old house", "a small grey cat", "my sister", "the river", "nobody"};
  constexpr std::array verbs{"waited for", "remembered", "did not see", "looked at"};
  const Philox random(11);
  std::string text;
  for (uint64_t i = 0; i < 1500; ++i) {
    const auto w = random(0, i);
    text += fmt::format("{} {} {}.{}", subjects[w[0] % 5], verbs[w[1] % 4], subjects[w[2] % 5],
                        w[3] % 7 ? " " : "\n");
  }
  return text;
}

class TrainAndEval : public ::testing::Test {
 protected:
  TrainAndEval() {
    const std::string text = sample_text();
    const fs::path corpus = folder_ / "corpus";
    fs::create_directories(corpus);
    std::istringstream lines(text);
    train_tokenizer([&](std::string& line) { return static_cast<bool>(std::getline(lines, line)); }, 300,
                    corpus / "tokenizer.model");
    const Tokenizer tokenizer(corpus / "tokenizer.model");
    const auto ids = tokenizer.encode(text);
    write_token_file(corpus / "train.tokens", tokenizer.vocab(), ids, tokenizer.hash());
    test_text_ = text.substr(0, 3000);
    write_text(folder_ / "test.txt", test_text_);
    const auto test_ids = tokenizer.encode(test_text_);
    write_token_file(corpus / "test.tokens", tokenizer.vocab(), test_ids, tokenizer.hash());
    write_token_file(corpus / "validation.tokens", tokenizer.vocab(),
                     std::span(test_ids).first(test_ids.size() / 64 * 64), tokenizer.hash());
    write_text(folder_ / "photon.toml",
               "name = \"tiny\"\nvocab = 300\nwidth = 24\nffn = 32\nheads = 2\n"
               "[[level]]\nchunk = 2\nprefix = 2\nencoder_layers = 1\ndecoder_layers = 1\n"
               "[[level]]\nchunk = 2\nprefix = 2\nencoder_layers = 1\ndecoder_layers = 1\n");
    write_text(folder_ / "padded.toml",
               "name = \"padded\"\nvocab = 384\nwidth = 24\nffn = 32\nheads = 2\nlayers = 1\n");
    write_text(folder_ / "vanilla.toml",
               "name = \"plain\"\nvocab = 300\nwidth = 24\nffn = 32\nheads = 2\nlayers = 4\n");
    write_text(folder_ / "train.toml",
               fmt::format("model = \"{0}/photon.toml\"\ndata = \"{0}/corpus\"\nout = \"{0}/run\"\nseed = 5\n"
                           "batch = 4\nmicro_batch = 2\ncontext = 64\nlearning_rate = 1e-2\nwarmup = 4\n"
                           "budget = {{steps = 60}}\nalpha = 0.1\nbeta = 0.05\nvalidation_every = 11\n"
                           "validation_batches = 100\ncheckpoint_every = 5\nmfu = false\n",
                           folder_.path().string()));
  }

  std::string at(std::string_view name) const { return (folder_ / name).string(); }

  /// `signal` is sent `delay` after the start; 0 is none.
  Outcome photon(const std::vector<std::string>& words, int signal = 0,
                 std::chrono::milliseconds delay = {}) const {
    const std::string program = testing::photon_program();
    const pid_t child = fork();
    if (child == 0) {
      dup2(open(at("out.txt").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
      dup2(open(at("err.txt").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
      // Threads that spin while they wait are slow where other tests run beside this one.
      setenv("OMP_WAIT_POLICY", "passive", 1);
      std::vector<char*> argv{const_cast<char*>("photon")};
      for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
      argv.push_back(nullptr);
      execv(program.c_str(), argv.data());
      _exit(127);
    }
    if (signal != 0) {
      std::this_thread::sleep_for(delay);
      kill(child, signal);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(at("out.txt")), read_text(at("err.txt"))};
  }

  nlohmann::json eval_json(std::vector<std::string> words) const {
    words.insert(words.begin(), {"eval", "--format", "json"});
    const Outcome o = photon(words);
    EXPECT_EQ(o.code, 0) << o.messages;
    nlohmann::json rows;
    std::istringstream in(o.out);
    for (std::string line; std::getline(in, line);) rows.push_back(nlohmann::json::parse(line));
    return rows;
  }

  /// metrics.csv without its last three columns, which are times.
  std::string metrics(std::string_view run) const {
    std::istringstream in(read_text(at(fmt::format("{}/metrics.csv", run))));
    std::string all;
    for (std::string line; std::getline(in, line);) {
      for (int i = 0; i < 3; ++i) line.resize(line.rfind(','));
      all += line + "\n";
    }
    return all;
  }

  const testing::TempFolder folder_;
  std::string test_text_;
};

TEST_F(TrainAndEval, KilledAndResumedTheRunIsTheSame) {
  const std::vector<std::string> train{"train", at("train.toml"), "--set", "budget.steps=300"};
  auto elsewhere = train;
  elsewhere.insert(elsewhere.end(), {"--out", at("whole")});
  const Outcome whole = photon(elsewhere);
  ASSERT_EQ(whole.code, 0) << whole.messages;
  EXPECT_EQ(whole.out, "");

  auto resumed = train;
  resumed.push_back("--resume");
  std::mt19937_64 random(testing::test_seed());
  int kills = 0;
  for (; kills < 40; ++kills) {
    const int signal = std::array{SIGKILL, SIGINT, SIGTERM}[random() % 3];
    const Outcome o = photon(resumed, signal, std::chrono::milliseconds(20 + random() % 200));
    if (o.code == 0) break;
    if (o.code == 130) {
      EXPECT_NE(o.messages.find("resume with: photon train"), std::string::npos) << o.messages;
    } else {
      EXPECT_EQ(o.code, -1) << o.messages;
    }
  }
  EXPECT_GT(kills, 0);
  const Outcome rest = photon({"train", at("run/train.toml"), "--resume"});
  ASSERT_EQ(rest.code, 0) << rest.messages;
  for (const char* name : {"model.safetensors", "state.json", "config.toml", "tokenizer.model", "DONE"}) {
    EXPECT_EQ(read_text(at(fmt::format("whole/checkpoint/{}", name))),
              read_text(at(fmt::format("run/checkpoint/{}", name))))
        << name << " after " << kills << " kills";
  }
  EXPECT_EQ(metrics("whole"), metrics("run")) << "after " << kills << " kills";
}

TEST_F(TrainAndEval, EvalAgreesWithTrainingAndWithItself) {
  const Outcome trained = photon({"train", at("train.toml")});
  ASSERT_EQ(trained.code, 0) << trained.messages;
  const std::vector<std::string> checkpoint{"--checkpoint", at("run/checkpoint")};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), checkpoint.begin(), checkpoint.end());
    return eval_json(more);
  };

  const auto tokens = with({"--tokens", at("corpus/test.tokens")})[0];
  const auto text = with({"--text", at("test.txt")})[0];
  for (const char* key : {"token_nll", "perplexity", "bits_per_byte", "tokens_scored", "bytes_scored"}) {
    EXPECT_EQ(tokens[key], text[key]) << key;
  }
  const double nll = tokens["token_nll"];
  EXPECT_LT(nll, 0.8 * std::log(300.0)) << "nothing learnt";
  EXPECT_NEAR(tokens["perplexity"], std::exp(nll), 1e-9 * std::exp(nll));
  EXPECT_EQ(tokens["training_tokens"], 60 * 4 * 64);
  EXPECT_EQ(tokens["training_flops"], 60.0 * 4.0 * training_flops(load_model_spec(at("photon.toml")), 64));
  EXPECT_EQ(tokens["training_seed"], 5);

  const Outcome of_folder =
      photon({"eval", "--checkpoint", at("run/checkpoint"), "--text", folder_.path().string()});
  EXPECT_EQ(of_folder.code, 1);
  EXPECT_NE(of_folder.messages.find(folder_.path().string() + ": cannot be read: "), std::string::npos)
      << of_folder.messages;

  // All text but the first token, at one's own stride: every byte of it.
  const auto strided = with({"--text", at("test.txt"), "--stride", "32"})[0];
  EXPECT_GT(strided["tokens_scored"], tokens["tokens_scored"]);
  EXPECT_LE(strided["bytes_scored"], std::ssize(test_text_));
  EXPECT_GE(strided["bytes_scored"], std::ssize(test_text_) - 20);

  // Scored as a whole, the validation split gives the last validation loss of the metrics.
  const auto row = with({"--tokens", at("corpus/validation.tokens"), "--out", at("results.csv")})[0];
  const std::string rows = metrics("run");
  std::istringstream last(rows.substr(rows.rfind('\n', rows.size() - 2) + 1));
  std::string cell;
  for (int i = 0; i < 9; ++i) std::getline(last, cell, ',');
  EXPECT_NEAR(row["token_nll"].get<double>(), std::stod(cell), 1e-5) << rows;
  EXPECT_EQ(read_results(at("results.csv")).size(), 1u);

  const auto both = with({"--tokens", at("corpus/test.tokens"), "--generation", "recgen", "--prompt", "16"});
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0]["generation"], "hiergen");
  EXPECT_EQ(both[1]["generation"], "recgen");
  EXPECT_EQ(both[0]["tokens_scored"], both[1]["tokens_scored"]);
  EXPECT_EQ(both[0]["new_tokens"], 48);
  EXPECT_GT(both[1]["token_nll"], both[0]["token_nll"]) << "recgen sees less of a text than teacher forcing";
}

TEST_F(TrainAndEval, AnotherTokenizerIsNotTaken) {
  ASSERT_EQ(photon({"train", at("train.toml"), "--set", "budget.steps=2"}).code, 0);
  std::string line = "another text, of other words; it has the same number of pieces";
  bool given = false;
  train_tokenizer([&](std::string& text) { return text = line, !std::exchange(given, true); }, 300,
                  folder_ / "other.model");
  const auto replace_in = [&](const char* folder) {
    fs::copy_file(folder_ / "other.model", at(folder) + "/tokenizer.model",
                  fs::copy_options::overwrite_existing);
  };
  replace_in("run/checkpoint");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"eval", "--text", at("test.txt"), "--checkpoint", at("run/checkpoint")},
        {"eval", "--tokens", at("corpus/test.tokens"), "--checkpoint", at("run/checkpoint")},
        {"generate", "--prompt", "the river", "--checkpoint", at("run/checkpoint")}}) {
    const Outcome o = photon(words);
    EXPECT_EQ(o.code, 1);
    EXPECT_TRUE(testing::holds(o.messages, {"run/checkpoint/tokenizer.model: another tokenizer"}));
  }
  // Nor is a corpus that it was put into.
  replace_in("corpus");
  const Outcome o = photon({"train", at("train.toml"), "--out", at("second")});
  EXPECT_EQ(o.code, 1);
  EXPECT_TRUE(testing::holds(o.messages, {"corpus/train.tokens: made by another tokenizer than"}));
}

TEST_F(TrainAndEval, APaddedVocabularyGeneratesToo) {
  ASSERT_EQ(photon({"train", at("train.toml"), "--set", "budget.steps=2", "--set",
                    "model=" + at("padded.toml"), "--set", "mfu=false"})
                .code,
            0);
  const std::vector<std::string> generate{"generate", "--checkpoint", at("run/checkpoint"),
                                          "--prompt", "the river",    "--temperature",
                                          "9",        "--new",        "200"};
  for (const char* device : {"cpu", "emulated"}) {
    auto words = generate;
    words.insert(words.end(), {"--device", device, "--ignore-end-of-text"});
    const Outcome o = photon(words);
    EXPECT_EQ(o.code, 0) << o.messages;
    EXPECT_TRUE(testing::holds(o.messages, {"200 out", "up to 200 out are more than the 64"}));
  }
  const Outcome o =
      photon({"eval", "--checkpoint", at("run/checkpoint"), "--text", at("test.txt"), "--context", "128"});
  EXPECT_EQ(o.code, 0) << o.messages;
  EXPECT_TRUE(testing::holds(o.messages, {"windows of 128 tokens are longer than the 64"}));
  EXPECT_TRUE(testing::holds(o.out, {"nats a token", "± one standard error"}));
}

TEST_F(TrainAndEval, MatchGivesABaselineTheSameFlops) {
  const Outcome o = photon({"train", at("train.toml"), "--set", "model=" + at("vanilla.toml"), "--set",
                            "match=flops", "--set", "match_model=" + at("photon.toml"), "--set",
                            "budget.steps=20", "--set", "validation_batches=0"});
  ASSERT_EQ(o.code, 0) << o.messages;
  const auto state = nlohmann::json::parse(read_text(at("run/checkpoint/state.json")));
  const double given = 20.0 * 4.0 * training_flops(load_model_spec(at("photon.toml")), 64);
  const double a_step = 4.0 * training_flops(load_model_spec(at("vanilla.toml")), 64);
  EXPECT_NEAR(state["flops"], given, 0.5 * a_step);
  EXPECT_NE(state["step"], 20) << "the two models cost the same: nothing was tested";
  EXPECT_EQ(state["tokens"], state["step"].get<int64_t>() * 4 * 64);
}

TEST_F(TrainAndEval, WhatCannotFitIsRefusedAtOnceAndLeavesNothing) {
  const Outcome o =
      photon({"train", at("train.toml"), "--set", "batch=100000000", "--set", "micro_batch=100000000"});
  EXPECT_EQ(o.code, 1);
  EXPECT_TRUE(testing::holds(o.messages, {"GiB", "micro_batch", "would fit"}));
  EXPECT_FALSE(fs::exists(at("run")));
  EXPECT_EQ(photon({"train", at("train.toml"), "--set", "recompute=layer"}).code, 2);
  EXPECT_FALSE(fs::exists(at("run")));
}

TEST_F(TrainAndEval, ASmallerModelGetsTheCorpussVocabulary) {
  const Outcome o =
      photon({"train", at("train.toml"), "--set", "model.vocab=280", "--set", "budget.steps=2"});
  EXPECT_EQ(o.code, 1);
  EXPECT_TRUE(testing::holds(o.messages, {"300", "280", "--set model.vocab=300"}));
  write_text(at("photon.toml"), std::regex_replace(read_text(at("photon.toml")), std::regex("300"), "280"));
  const Outcome follows =
      photon({"train", at("train.toml"), "--set", "model.width=16", "--set", "budget.steps=2"});
  EXPECT_EQ(follows.code, 0) << follows.messages;
  const ModelSpec trained = load_model_spec(at("run/checkpoint/config.toml"));
  EXPECT_EQ(trained.vocab, 300);
  EXPECT_EQ(trained.base.width, 16);
  EXPECT_EQ(photon({"train", at("run/train.toml"), "--resume"}).code, 0) << "the run's config says it all";
}

TEST_F(TrainAndEval, ATrainingGoesOnFromAnyCheckpoint) {
  ASSERT_EQ(photon({"train", at("train.toml"), "--set", "budget.steps=40"}).code, 0);
  const double before =
      eval_json({"--checkpoint", at("run/checkpoint"), "--tokens", at("corpus/test.tokens")})[0]["token_nll"];
  const Outcome o = photon({"train", at("train.toml"), "--set", "model=" + at("run/checkpoint"), "--out",
                            at("onward"), "--set", "budget.steps=40"});
  ASSERT_EQ(o.code, 0) << o.messages;
  EXPECT_TRUE(testing::holds(o.messages, {"starts with the weights of", "run/checkpoint"}));
  const double after = eval_json(
      {"--checkpoint", at("onward/checkpoint"), "--tokens", at("corpus/test.tokens")})[0]["token_nll"];
  EXPECT_LT(after, before);
}

TEST_F(TrainAndEval, ClosedStreamsLoseNothingAndAreNotWrittenInto) {
  const std::string train =
      testing::photon_program() + " train " + at("train.toml") + " --set budget.steps=6 --out ";
  ASSERT_EQ(std::system((train + at("open") + " 2>/dev/null").c_str()), 0);
  const std::vector<std::string> closed{"0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-", "2>/dev/full"};
  for (size_t i = 0; i < closed.size(); ++i) {
    const std::string run = fmt::format("run{}", i);
    EXPECT_EQ(std::system((train + at(run) + " 2>/dev/null " + closed[i]).c_str()), 0) << closed[i];
    EXPECT_EQ(metrics(run), metrics("open")) << closed[i];
  }
  const std::string help =
      testing::photon_program() + " inspect " + at("photon.toml") + " 2>" + at("err.txt");
  for (const char* lost : {" >&-", " >/dev/full"}) {
    const int status = std::system((help + lost).c_str());
    EXPECT_EQ(WEXITSTATUS(status), 1) << lost;
    EXPECT_TRUE(testing::holds(read_text(at("err.txt")), {"standard output"})) << lost;
  }
}

TEST_F(TrainAndEval, WrongUseIsToldApartFromFailure) {
  EXPECT_EQ(photon({"train"}).code, 2);
  EXPECT_EQ(photon({"train", at("none.toml")}).code, 2);
  EXPECT_EQ(photon({"train", at("train.toml"), "--device", "abacus"}).code, 2);
  const Outcome typo = photon({"train", at("train.toml"), "--set", "warmpu=3"});
  EXPECT_NE(typo.code, 0);
  EXPECT_NE(typo.messages.find("warmup"), std::string::npos) << typo.messages;
  EXPECT_EQ(photon({"eval", "--checkpoint", at("corpus")}).code, 2);
  EXPECT_EQ(photon({"eval", "--checkpoint", at("corpus"), "--text", at("test.txt")}).code, 1);
  EXPECT_EQ(
      photon({"eval", "--checkpoint", at("corpus"), "--text", at("test.txt"), "--generation", "recgen"}).code,
      2);
}

}  // namespace
}  // namespace photon
