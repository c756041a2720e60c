// SPDX-License-Identifier: Apache-2.0
#include "core/text/corpus.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <omp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <map>
#include <random>
#include <thread>

#include "core/base/error.h"
#include "core/base/folder_lock.h"
#include "core/base/interrupt.h"
#include "core/text/corpus_rebuild.h"
#include "core/text/token_file.h"
#include "core/text/tokenizer.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon {
namespace {

namespace fs = std::filesystem;
using testing::message_of;
using testing::read_text;
using testing::TempFolder;
using testing::test_seed;
using testing::write_text;

CorpusConfig markov_config(const fs::path& out) {
  CorpusConfig config;
  config.sources = {"markov"};
  config.markov_bytes = 300'000;
  config.vocab = 400;
  config.out = out;
  return config;
}

/// Name and content of every file below a folder.
std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      files[entry.path().lexically_relative(folder).string()] = read_text(entry.path());
  }
  return files;
}

std::string decoded(const fs::path& folder, Split split) {
  const Tokenizer tokenizer(folder / "tokenizer.model");
  const TokenFile file(folder / (std::string(to_string(split)) + ".tokens"));
  std::vector<int32_t> ids(static_cast<size_t>(file.size()));
  file.read(0, ids);
  return tokenizer.decode(ids);
}

TEST(Corpus, OneRunAtATimeBuildsInAFolder) {
  const TempFolder folder;
  const CorpusConfig config = markov_config(folder / "c");
  {
    const FolderLock other(config.out);
    const std::string message = message_of<Error>([&] { build_corpus(config); });
    EXPECT_NE(message.find("another run writes into this folder"), std::string::npos) << message;
    EXPECT_TRUE(fs::is_empty(config.out));
  }
  EXPECT_GT(build_corpus(config).of(Split::train).tokens, 0);
}

TEST(Corpus, FilesAgreeWithEachOther) {
  const TempFolder folder;
  const CorpusConfig config = markov_config(folder / "c");
  const CorpusSummary s = build_corpus(config);
  EXPECT_EQ(s.name, "markov");
  EXPECT_TRUE(s.entropy_rate.has_value());
  EXPECT_EQ(s.vocab, 400);
  int64_t bytes = 0;
  for (const Split split : splits) {
    const TokenFile file(config.out / (std::string(to_string(split)) + ".tokens"));
    EXPECT_EQ(file.size(), s.of(split).tokens);
    EXPECT_EQ(file.vocab(), 400);
    EXPECT_EQ(file.tokenizer_hash(), s.tokenizer_hash);
    std::vector<int32_t> ids(static_cast<size_t>(file.size()));
    file.read(0, ids);
    const Tokenizer tokenizer(config.out / "tokenizer.model");
    EXPECT_EQ(std::count(ids.begin(), ids.end(), tokenizer.end_of_text()), s.of(split).documents);
    EXPECT_EQ(ids.back(), tokenizer.end_of_text());
    EXPECT_EQ(static_cast<int64_t>(decoded(config.out, split).size()), s.of(split).bytes);
    bytes += s.of(split).bytes;
  }
  EXPECT_GE(bytes, config.markov_bytes);
  EXPECT_EQ(decoded(config.out, Split::test), read_text(config.out / "test.txt"));
  EXPECT_NEAR(static_cast<double>(s.of(Split::test).bytes) / static_cast<double>(bytes), config.test, 0.03);
}

TEST(Corpus, DoneStagesAreKeptAndChangedInputsAreNot) {
  const TempFolder folder;
  CorpusConfig config = markov_config(folder / "c");
  build_corpus(config);
  const auto first = contents(config.out);
  const auto times = [&](std::string_view name) { return fs::last_write_time(config.out / name); };
  const auto documents = times("train.documents");
  const auto model = times("tokenizer.model");
  const auto tokens = times("train.tokens");
  build_corpus(config);
  EXPECT_EQ(contents(config.out), first);
  EXPECT_EQ(times("train.documents"), documents);
  EXPECT_EQ(times("tokenizer.model"), model);
  EXPECT_EQ(times("train.tokens"), tokens);

  fs::remove(config.out / "train.tokens");
  EXPECT_THROW(load_corpus_info(config.out), Error);
  build_corpus(config);
  EXPECT_EQ(contents(config.out), first);
  EXPECT_EQ(times("tokenizer.model"), model);

  CorpusConfig given = markov_config(folder / "given");
  given.tokenizer = config.out / "tokenizer.model";
  EXPECT_EQ(build_corpus(given).vocab, 400);
  EXPECT_EQ(read_text(given.out / "train.tokens"), read_text(config.out / "train.tokens"));
}

TEST(Corpus, AFinishedCorpusOfOtherSettingsIsLeftAlone) {
  const TempFolder folder;
  const CorpusConfig config = markov_config(folder / "c");
  build_corpus(config);
  const auto first = contents(config.out);
  const auto with = [&](auto change) {
    CorpusConfig other = config;
    change(other);
    return other;
  };
  const std::map<std::string, CorpusConfig> others = {
      {"vocab 400, now 350", with([](CorpusConfig& c) { c.vocab = 350; })},
      {"seed 0, now 1", with([](CorpusConfig& c) { c.seed = 1; })},
      {"validation 0.035, now 0.1", with([](CorpusConfig& c) { c.validation = 0.1; })},
      {"test 0.035, now 0.1", with([](CorpusConfig& c) { c.test = 0.1; })},
      {"markov_bytes 300000, now 310000", with([](CorpusConfig& c) { c.markov_bytes = 310'000; })},
      {"tokenizer_bytes 8388608, now 100", with([](CorpusConfig& c) { c.tokenizer_bytes = 100; })},
      {"vocab 400, now \"none\"",
       with([&](CorpusConfig& c) { c.tokenizer = config.out / "tokenizer.model"; })},
      {R"(sources ["markov"], now [)", with([&](CorpusConfig& c) {
         write_text(folder / "text.txt", std::string(100'000, 'x'));
         c.sources = {(folder / "text.txt").string()};
       })}};
  for (const auto& [difference, other] : others) {
    const std::string message = message_of<Error>([&] { build_corpus(other); });
    EXPECT_TRUE(testing::holds(message, {config.out.string(), difference, "--replace", "--out"})) << message;
    EXPECT_TRUE(contents(config.out) == first) << difference;
  }

  CorpusConfig other = others.at("seed 0, now 1");
  other.replace = true;
  build_corpus(other);
  CorpusConfig fresh = other;
  fresh.out = folder / "fresh";
  build_corpus(fresh);
  EXPECT_TRUE(contents(config.out) == contents(fresh.out));
}

/// A folder of texts, whose words `seed` chooses.
void write_texts(const fs::path& folder, uint64_t seed) {
  std::mt19937_64 random(seed);
  fs::create_directories(folder);
  for (int i = 0; i < 60; ++i) {
    std::string text;
    for (int word = 0; word < 200; ++word) {
      for (uint64_t letters = 2 + random() % 6; letters > 0; --letters)
        text.push_back(static_cast<char>('a' + random() % 26));
      text += word % 20 == 19 ? ".\n" : " ";
    }
    write_text(folder / (std::to_string(i) + ".txt"), text);
  }
}

CorpusConfig texts_config(const TempFolder& folder, std::string_view out) {
  CorpusConfig config;
  config.sources = {(folder / "texts").string()};
  config.out = folder / out;
  config.vocab = 300;
  config.validation = config.test = 0.2;
  return config;
}

TEST(Corpus, TheOldOneStaysUntilTheNewOneIsWhole) {
  const TempFolder folder;
  write_texts(folder / "texts", test_seed());
  const CorpusConfig config = texts_config(folder, "c");
  build_corpus(config);
  write_text(config.out / "notes.md", "not photon's");
  const auto first = contents(config.out);
  const auto corpus = [&] {
    auto files = contents(config.out);
    std::erase_if(files, [](const auto& file) { return file.first.starts_with("rebuild"); });
    return files;
  };

  // A source that fails, and a tokenizer that cannot be trained on what has become of it.
  const std::string sound = read_text(folder / "texts/30.txt");
  write_text(folder / "texts/30.txt", "not \xff text\n" + sound);
  EXPECT_THROW(build_corpus(config), Error);
  EXPECT_TRUE(corpus() == first);
  for (int i = 0; i < 60; ++i) write_text(folder / ("texts/" + std::to_string(i) + ".txt"), "a\n");
  EXPECT_NE(message_of<Error>([&] { build_corpus(config); }).find("no tokenizer of 300 pieces"),
            std::string::npos);
  EXPECT_TRUE(corpus() == first);
  EXPECT_GT(load_corpus_info(config.out).of(Split::train).tokens, 0);

  write_texts(folder / "texts", test_seed() + 1);
  build_corpus(config);
  const CorpusConfig fresh = texts_config(folder, "fresh");
  build_corpus(fresh);
  write_text(fresh.out / "notes.md", "not photon's");
  EXPECT_TRUE(contents(config.out) == contents(fresh.out));
  EXPECT_NE(read_text(config.out / "test.txt"), first.at("test.txt"));
}

/// In a process of its own, with one thread: a fork must not meet the threads of another test.
pid_t build_in_child(const CorpusConfig& config) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  omp_set_num_threads(1);
  if (std::freopen("/dev/null", "w", stderr) == nullptr) ::_exit(3);
  try {
    build_corpus(config);
  } catch (const std::exception&) {
    ::_exit(1);
  }
  ::_exit(0);
}

int wait_for(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

TEST(Corpus, KilledAtAnyMomentTheNextRunGivesTheSameBytes) {
  std::mt19937_64 random(test_seed());
  const TempFolder folder;
  const CorpusConfig whole = markov_config(folder / "whole");
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(wait_for(build_in_child(whole)), 0);
  const auto took = std::chrono::steady_clock::now() - begin;
  const auto expected = contents(whole.out);
  int killed = 0;
  for (int trial = 0; trial < 4; ++trial) {
    const CorpusConfig config = markov_config(folder / ("killed" + std::to_string(trial)));
    for (int again = 0; again < 3; ++again) {
      const pid_t child = build_in_child(config);
      const double share = std::uniform_real_distribution<>(0.05, 1.0)(random);
      std::this_thread::sleep_for(took * share);
      ::kill(child, SIGKILL);
      killed += WIFSIGNALED(wait_for(child)) ? 1 : 0;
    }
    ASSERT_EQ(wait_for(build_in_child(config)), 0);
    EXPECT_EQ(contents(config.out), expected);
  }
  EXPECT_GT(killed, 0);
}

TEST(Corpus, KilledWhileItIsReplacedItIsTheOldOneOrTheNewOne) {
  std::mt19937_64 random(test_seed());
  const TempFolder folder;
  const auto info_of = [](const CorpusConfig& config) { return read_text(config.out / "corpus.json"); };
  const CorpusConfig fresh = texts_config(folder, "fresh");
  const CorpusConfig config = texts_config(folder, "c");
  write_texts(folder / "texts", test_seed());
  ASSERT_EQ(wait_for(build_in_child(config)), 0);
  const std::string before = info_of(config);
  write_texts(folder / "texts", test_seed() + 1);
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(wait_for(build_in_child(fresh)), 0);
  const auto took = std::chrono::steady_clock::now() - begin;
  for (int trial = 0; trial < 5; ++trial) {
    const pid_t child = build_in_child(config);
    std::this_thread::sleep_for(took * std::uniform_real_distribution<>(0.05, 1.1)(random));
    ::kill(child, SIGKILL);
    wait_for(child);
    if (!fs::exists(config.out / "corpus.json")) continue;  // killed between the two: the next run goes on
    const std::string info = info_of(config);
    EXPECT_TRUE(info == before || info == info_of(fresh)) << info;
    EXPECT_NO_THROW(load_corpus_info(config.out));
  }
  ASSERT_EQ(wait_for(build_in_child(config)), 0);
  EXPECT_TRUE(contents(config.out) == contents(fresh.out));
}

TEST(Corpus, AMoveThatWasCutOffGoesOn) {
  const TempFolder folder;
  write_texts(folder / "texts", test_seed());
  const CorpusConfig whole = texts_config(folder, "whole");
  build_corpus(whole);
  const auto expected = contents(whole.out);
  std::mt19937_64 random(test_seed());
  for (int trial = 0; trial < 10; ++trial) {
    // Some files have been moved, others not.
    const fs::path out = folder / ("cut" + std::to_string(trial));
    fs::create_directories(out / "stages");
    fs::create_directories(out / "rebuild/stages");
    for (const auto& [name, content] : expected) {
      const bool moved = name != "corpus.json" && random() % 2 == 0;
      write_text((moved ? out : out / "rebuild") / name, content);
      if (!moved && random() % 2 == 0 && name != "corpus.json") write_text(out / name, "of the old corpus");
    }
    finish_rebuild(out);
    EXPECT_TRUE(contents(out) == expected);
  }
}

TEST(Corpus, WhatCanBeRefusedEarlyIsRefusedBeforeThereIsAFolder) {
  const TempFolder folder;
  CorpusConfig config = markov_config(folder / "c");
  config.tokenizer = folder / "no-such.model";
  EXPECT_NE(message_of<Error>([&] { build_corpus(config); }).find("no-such.model: cannot be read"),
            std::string::npos);
  config.tokenizer = folder.path();
  EXPECT_NE(message_of<Error>([&] { build_corpus(config); }).find("cannot be read"), std::string::npos);
  config.tokenizer.clear();
  config.sources = {"markov", (folder / "none").string()};
  EXPECT_THROW(build_corpus(config), Error);
  EXPECT_FALSE(fs::exists(config.out));
}

TEST(Corpus, BadLinesThatWereLeftOutAreTold) {
  const TempFolder folder;
  std::string lines;
  for (int i = 0; i < 80; ++i) lines += fmt::format("{{\"text\": \"some words of document {}\"}}\n", i);
  write_text(folder / "a.jsonl", lines + "{\n" + lines.substr(0, 20) + "\n");
  CorpusConfig config = texts_config(folder, "c");
  config.sources = {(folder / "a.jsonl").string()};
  EXPECT_NE(message_of<Error>([&] { build_corpus(config); }).find("a.jsonl:81"), std::string::npos);
  config.skip_bad = 2;
  EXPECT_EQ(build_corpus(config).sources.at(0).bad_lines, 2);
  EXPECT_EQ(load_corpus_info(config.out).sources.at(0).bad_lines, 2);
}

TEST(Corpus, TextsOfOneLongLineTrainATokenizer) {
  const TempFolder folder;
  fs::create_directories(folder / "texts");
  std::mt19937_64 random(test_seed());
  for (int i = 0; i < 12; ++i) {
    std::string dna(100'000, 'A');
    for (char& c : dna) c = "ACGT"[random() % 4];
    write_text(folder / ("texts/" + std::to_string(i) + ".txt"), dna);
  }
  CorpusConfig config = texts_config(folder, "c");
  config.tokenizer_bytes = 150'000;
  config.seed = 3;
  const CorpusSummary s = build_corpus(config);
  EXPECT_LT(s.of(Split::train).tokens * 2, s.of(Split::train).bytes) << "nothing was learnt of the text";
  EXPECT_EQ(decoded(config.out, Split::test), read_text(config.out / "test.txt"));
}

TEST(Corpus, ManyThreadsGiveTheBytesOfOne) {
  const TempFolder folder;
  const CorpusConfig one = markov_config(folder / "one");
  const CorpusConfig many = markov_config(folder / "many");
  ASSERT_EQ(wait_for(build_in_child(one)), 0);
  const int before = omp_get_max_threads();
  omp_set_num_threads(5);
  build_corpus(many);
  omp_set_num_threads(before);
  EXPECT_EQ(contents(one.out), contents(many.out));
}

TEST(Corpus, InterruptionStopsBetweenDocuments) {
  const TempFolder folder;
  const CorpusConfig config = markov_config(folder / "c");
  {
    const InterruptGuard guard;
    std::raise(SIGINT);
    EXPECT_NE(message_of<Error>([&] { build_corpus(config); }).find("interrupted"), std::string::npos);
  }
  EXPECT_THROW(load_corpus_info(config.out), Error);
  EXPECT_EQ(build_corpus(config).name, "markov");
}

TEST(Corpus, OtherDocumentsDoNotMoveADocument) {
  const uint64_t seed = test_seed();
  CorpusConfig config;
  config.seed = seed;
  CorpusConfig larger = config;
  larger.validation = 0.1;
  larger.test = 0.2;
  std::map<Split, int> count;
  for (int i = 0; i < 20000; ++i) {
    const std::string id = "document/" + std::to_string(i);
    const Split split = split_of(id, config);
    ++count[split];
    if (split != Split::train) {
      EXPECT_EQ(split_of(id, larger), split);
    }
  }
  EXPECT_NEAR(count[Split::test] / 20000.0, 0.035, 0.008);
  EXPECT_NEAR(count[Split::validation] / 20000.0, 0.035, 0.008);

  const TempFolder folder;
  fs::create_directories(folder / "text/deeper");
  const auto write = [&](int i) {
    write_text(folder / ((i % 2 == 0 ? "text/" : "text/deeper/") + std::to_string(i) + ".txt"),
               "<" + std::to_string(i) + "> some words, and some more words of it\n");
  };
  for (int i = 0; i < 60; i += 3) write(i);
  config.sources = {(folder / "text").string()};
  config.out = folder / "c";
  config.vocab = 300;
  config.validation = 0.25;
  config.test = 0.25;
  config.seed = 5;
  build_corpus(config);
  std::map<Split, std::string> before;
  for (const Split split : splits) before[split] = decoded(config.out, split);
  for (int i = 0; i < 60; ++i) write(i);
  EXPECT_EQ(build_corpus(config).of(Split::train).documents +
                load_corpus_info(config.out).of(Split::validation).documents +
                load_corpus_info(config.out).of(Split::test).documents,
            60);
  for (const Split split : splits) {
    const std::string after = decoded(config.out, split);
    for (int i = 0; i < 60; i += 3) {
      const std::string mark = "<" + std::to_string(i) + ">";
      EXPECT_EQ(before[split].find(mark) == std::string::npos, after.find(mark) == std::string::npos) << mark;
    }
  }
}

TEST(Corpus, Errors) {
  const TempFolder folder;
  CorpusConfig config = markov_config(folder / "c");
  EXPECT_NE(message_of<Error>([&] { load_corpus_info(config.out); }).find("corpus.json is missing"),
            std::string::npos);
  config.test = 0.0;
  EXPECT_THROW(build_corpus(config), UsageError);
  config.test = 0.4;
  config.validation = 0.2;
  EXPECT_THROW(build_corpus(config), UsageError);
  config = markov_config(folder / "c");
  config.vocab = 10;
  EXPECT_THROW(build_corpus(config), UsageError);
  config = markov_config(folder / "c");
  config.sources = {(folder / "nowhere").string()};
  EXPECT_NE(message_of<Error>([&] { build_corpus(config); }).find("no such file or folder"),
            std::string::npos);
  config = markov_config(folder / "c");
  config.markov_bytes = 10;
  EXPECT_NE(message_of<Error>([&] { build_corpus(config); }).find("no document fell into"),
            std::string::npos);
  config = markov_config(folder / "c");
  build_corpus(config);
  write_token_file(config.out / "test.tokens", 400, std::vector<int32_t>{1, 2});
  EXPECT_NE(message_of<Error>([&] { load_corpus_info(config.out); }).find("build the corpus again"),
            std::string::npos);
  write_text(config.out / "corpus.json", "{\"version\": 1}");
  EXPECT_NE(message_of<Error>([&] { load_corpus_info(config.out); }).find("not as photon corpus build"),
            std::string::npos);
}

}  // namespace
}  // namespace photon
