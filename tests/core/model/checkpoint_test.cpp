// SPDX-License-Identifier: Apache-2.0
#include "core/model/checkpoint.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <thread>

#include "core/base/error.h"
#include "core/model/flat_tensors.h"
#include "core/model/model_config.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon {
namespace {

namespace fs = std::filesystem;
using testing::message_of;
using testing::TempFolder;

/// Odd and unequal sizes at every level.
ModelSpec small_spec(int depth) {
  ModelSpec spec;
  spec.name = "small";
  spec.vocab = 17;
  spec.base = {.width = 12, .ffn = 7, .heads = 2, .kv_heads = 1};
  if (depth == 0) spec.layers = 2;
  for (int l = 1; l <= depth; ++l) {
    LevelSpec level;
    level.chunk = 3;
    level.prefix = 2;
    level.encoder_layers = 1;
    level.decoder_layers = 2;
    level.shape = {.width = 12 + 6 * l, .ffn = 5, .heads = 3, .kv_heads = 3};
    spec.levels.push_back(level);
  }
  spec.validate();
  return spec;
}

TEST(Checkpoint, RoundTripOfEveryDepth) {
  const uint64_t seed = testing::test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  const TempFolder folder;
  testing::write_text(folder / "t.model", "a tokenizer");
  for (int depth = 0; depth <= 3; ++depth) {
    const ModelSpec spec = small_spec(depth);
    const auto weights = initial_parameters(spec, seed);
    save_checkpoint(folder / "c", spec, weights, folder / "t.model");
    const Checkpoint back = load_checkpoint(folder / "c");
    EXPECT_EQ(back.spec, spec);
    EXPECT_EQ(back.parameters, weights);
    EXPECT_EQ(testing::read_text(folder / "c" / "tokenizer.model"), "a tokenizer");
    EXPECT_EQ(folder.entries(), 2u);
  }
}

TEST(Checkpoint, AFolderNameMayEndInASlashOrBeNewAndDeep) {
  const TempFolder folder;
  const ModelSpec spec = small_spec(1);
  const auto weights = initial_parameters(spec, 1);
  for (int round = 0; round < 2; ++round) {
    save_checkpoint(folder / "deep" / "er" / "c" / "", spec, weights);
    EXPECT_EQ(load_checkpoint(folder / "deep/er/c/").parameters, weights);
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "deep/er"), {}), 1);
}

class BrokenCheckpoint : public ::testing::Test {
 protected:
  void SetUp() override { save_checkpoint(path(), spec_, weights_); }

  fs::path path() const { return folder_ / "c"; }
  std::string refusal() const {
    return message_of<Error>([&] { load_checkpoint(path()); });
  }
  void expect_refusal(const std::string& piece) const {
    const std::string message = refusal();
    EXPECT_NE(message.find(piece), std::string::npos) << message;
    EXPECT_NE(message.find(path().string()), std::string::npos) << "names no file: " << message;
  }
  /// The same, and it is found without reading weights.
  void expect_refusal_unread(const std::string& piece) const {
    expect_refusal(piece);
    EXPECT_EQ(message_of<Error>([&] { checkpoint_spec(path()); }), refusal());
  }
  /// Rewrites model.safetensors with `edit` applied to each tensor's plan and values; it returns false to
  /// drop one.
  template <class Edit>
  void rewrite(Edit edit, const std::vector<TensorPlan>& extra = {}) const {
    std::vector<TensorPlan> plan;
    std::vector<std::vector<float>> values;
    for (const auto& p : parameter_list(spec_)) {
      TensorPlan t{p.name, StoredType::f32, p.shape};
      const auto given = part(std::span<const float>(weights_), p);
      std::vector<float> v(given.begin(), given.end());
      if (!edit(t, v)) continue;
      plan.push_back(t);
      values.push_back(v);
    }
    plan.insert(plan.end(), extra.begin(), extra.end());
    SafetensorsWriter writer(path() / "model.safetensors", plan);
    for (size_t i = 0; i < values.size(); ++i) writer.write<float>(plan[i].name, values[i]);
    for (const auto& t : extra) writer.write<float>(t.name, std::vector<float>{1.0f});
    writer.finish();
  }

  const TempFolder folder_;
  const ModelSpec spec_ = small_spec(2);
  const std::vector<float> weights_ = initial_parameters(spec_, 3);
};

TEST_F(BrokenCheckpoint, MissingPieces) {
  fs::remove(path() / "DONE");
  expect_refusal_unread("no DONE");
  testing::write_text(path() / "DONE", "");
  EXPECT_NO_THROW(load_checkpoint(path()));
  fs::rename(path() / "config.toml", path() / "config.was");
  expect_refusal_unread("config.toml");
  fs::rename(path() / "config.was", path() / "config.toml");
  fs::remove(path() / "model.safetensors");
  expect_refusal_unread("model.safetensors: cannot open");
  fs::remove_all(path());
  expect_refusal_unread("no such folder");
}

TEST_F(BrokenCheckpoint, TensorsThatAreNotTheModels) {
  const std::string name = "encoder.2.chunker.proj.weight";
  rewrite([&](auto& t, auto&) { return t.name != name; });
  expect_refusal_unread("tensor '" + name + "' is missing");
  rewrite([&](auto& t, auto&) {
    if (t.name == name) std::swap(t.shape[0], t.shape[1]);
    return true;
  });
  expect_refusal_unread("tensor '" + name + "' has shape (54, 24) where (24, 54) is needed");
  rewrite([](auto&, auto&) { return true; }, {{"lora.weight", StoredType::f32, {1}}});
  expect_refusal_unread("tensor 'lora.weight' is not one of this model's");
  testing::write_text(path() / "config.toml", to_toml(small_spec(1)));
  expect_refusal_unread("is not one of this model's");
}

TEST_F(BrokenCheckpoint, ValuesThatNoTrainingMakes) {
  const auto with_value = [&](const std::string& name, size_t at, float value) {
    rewrite([&](auto& t, auto& v) {
      if (t.name == name) v[at] = value;
      return true;
    });
  };
  with_value("decoder.1.layers.1.ffn.down.weight", 5, std::nanf(""));
  expect_refusal("tensor 'decoder.1.layers.1.ffn.down.weight' holds nan at element 5");
  with_value("encoder.1.norm.weight", 0, -std::numeric_limits<float>::infinity());
  expect_refusal("tensor 'encoder.1.norm.weight' holds -inf at element 0");
  for (const float zero : {0.0f, -0.0f}) {
    rewrite([&](auto& t, auto& v) {
      if (t.name == "head.weight") std::fill(v.begin(), v.end(), zero);
      return true;
    });
    expect_refusal("tensor 'head.weight' is entirely zero");
  }
}

TEST_F(BrokenCheckpoint, WhatLoadWouldRefuseIsNotSaved) {
  auto bad = weights_;
  bad[7] = std::nanf("");
  EXPECT_NE(message_of<Error>([&] { save_checkpoint(path(), spec_, bad); }).find("holds nan at element 7"),
            std::string::npos);
  bad = weights_;
  const auto head = parameter_list(spec_).back();
  std::fill(bad.begin() + head.offset, bad.end(), 0.0f);
  EXPECT_NE(
      message_of<Error>([&] { save_checkpoint(path(), spec_, bad); }).find("'head.weight' is entirely zero"),
      std::string::npos);
  bad.pop_back();
  EXPECT_NE(message_of<Error>([&] { save_checkpoint(path(), spec_, bad); }).find("values for a model of"),
            std::string::npos);
  EXPECT_EQ(load_checkpoint(path()).parameters, weights_);
  EXPECT_EQ(folder_.entries(), 1u);
}

TEST_F(BrokenCheckpoint, AFailedSaveLeavesTheOldOne) {
  EXPECT_THROW(save_checkpoint(path(), spec_, weights_, folder_ / "no tokenizer"), Error);
  EXPECT_THROW(
      save_checkpoint(path(), spec_, weights_, {}, [](const fs::path&) { throw Error("disk full"); }), Error);
  EXPECT_EQ(load_checkpoint(path()).parameters, weights_);
  EXPECT_EQ(folder_.entries(), 1u);
}

TEST_F(BrokenCheckpoint, NothingButACheckpointIsReplaced) {
  testing::write_text(path() / "thesis.tex", "years of work");
  EXPECT_NE(message_of<Error>([&] { save_checkpoint(path(), spec_, weights_); }).find("holds 'thesis.tex'"),
            std::string::npos);
  EXPECT_NE(message_of<Error>([&] { require_replaceable_checkpoint(path()); }).find("holds 'thesis.tex'"),
            std::string::npos);
  EXPECT_EQ(testing::read_text(path() / "thesis.tex"), "years of work");
  fs::remove(path() / "thesis.tex");
  EXPECT_NO_THROW(require_replaceable_checkpoint(path()));
  EXPECT_NO_THROW(require_replaceable_checkpoint(folder_ / "absent"));
  const auto adds_more = [](const fs::path& aside) { testing::write_text(aside / "more.txt", ""); };
  EXPECT_NE(message_of<Error>([&] {
              save_checkpoint(path(), spec_, weights_, {}, adds_more);
            }).find("holds 'more.txt'"),
            std::string::npos);
  testing::write_text(folder_ / "file", "text");
  EXPECT_NE(message_of<Error>([&] { save_checkpoint(folder_ / "file", spec_, weights_); }).find("is a file"),
            std::string::npos);
  EXPECT_EQ(testing::read_text(folder_ / "file"), "text");
}

TEST_F(BrokenCheckpoint, LeftoversOfACrashAreIgnoredAndRemoved) {
  // The number of a process that is certain to have ended.
  const pid_t ended = ::fork();
  if (ended == 0) ::_exit(0);
  ::waitpid(ended, nullptr, 0);
  const fs::path leftover = folder_ / ("c.tmp-" + std::to_string(ended));
  const fs::path alive = folder_ / "c.tmp-1";
  const fs::path other = folder_ / "c.tmp-notes";
  for (const auto& p : {leftover, alive, other}) {
    fs::create_directory(p);
    testing::write_text(p / "model.safetensors", "half");
  }
  EXPECT_EQ(load_checkpoint(path()).parameters, weights_);
  save_checkpoint(path(), spec_, weights_);
  EXPECT_FALSE(fs::exists(leftover));
  EXPECT_TRUE(fs::exists(alive)) << "a running process's";
  EXPECT_TRUE(fs::exists(other)) << "no leftover of ours";
}

TEST_F(BrokenCheckpoint, ADisplacedCheckpointIsFoundAgain) {
  const fs::path old = folder_ / ("c.old-" + std::to_string(::getpid()));
  fs::rename(path(), old);
  expect_refusal("an interrupted save left it as " + old.string());
  EXPECT_THROW(save_checkpoint(path(), spec_, weights_, folder_ / "no tokenizer"), Error);
  EXPECT_EQ(load_checkpoint(path()).parameters, weights_);
}

TEST_F(BrokenCheckpoint, KilledAtAnyMomentItHoldsOneWholeState) {
  const uint64_t seed = testing::test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 rng(seed);
  const auto others = initial_parameters(spec_, 4);
  const auto list = parameter_list(spec_);
  for (int round = 0; round < 30; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (int i = 0;; ++i) {
        const auto& weights = i % 2 == 0 ? others : weights_;
        save_checkpoint(path(), spec_, weights, {}, [&](const fs::path& aside) {
          write_flat_tensors(aside / "optimizer.safetensors", list, {{"", weights}});
        });
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(rng() % 8000));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const Checkpoint found = load_checkpoint(path());
    ASSERT_TRUE(found.parameters == weights_ || found.parameters == others);
    if (fs::exists(path() / "optimizer.safetensors")) {
      std::vector<float> beside(found.parameters.size());
      read_flat_tensors(path() / "optimizer.safetensors", list, {{"", beside}});
      ASSERT_EQ(beside, found.parameters) << "a mixture of two saves";
    }
  }
  save_checkpoint(path(), spec_, weights_);
  EXPECT_EQ(folder_.entries(), 1u);
}

TEST(FlatTensors, TwoMomentsRoundTrip) {
  const TempFolder folder;
  const auto list = parameter_list(small_spec(1));
  std::vector<float> first = initial_parameters(small_spec(1), 5);
  std::vector<float> second(first.size());  // all zero, as the second moment of what is not trained
  write_flat_tensors(folder / "o", list, {{"first_moment.", first}, {"second_moment.", second}},
                     {{"step", "12"}});
  const SafetensorsFile file(folder / "o");
  EXPECT_EQ(file.tensors().size(), 2 * list.size());
  EXPECT_NE(file.find("second_moment.head.weight"), nullptr);
  EXPECT_EQ(file.metadata().at("step"), "12");
  std::vector<float> a(first.size(), 1.0f), b(first.size(), 1.0f);
  read_flat_tensors(folder / "o", list, {{"first_moment.", a}, {"second_moment.", b}});
  EXPECT_EQ(a, first);
  EXPECT_EQ(b, second);
  EXPECT_NE(message_of<Error>([&] {
              read_flat_tensors(folder / "o", list, {{"first_moment.", a}});
            }).find("is not one of this model's"),
            std::string::npos);
  EXPECT_NE(message_of<Error>([&] {
              read_flat_tensors(folder / "o", list, {{"third.", a}});
            }).find("'third.encoder.embedding.weight' is missing"),
            std::string::npos);
  a.pop_back();
  EXPECT_NE(message_of<Error>([&] {
              read_flat_tensors(folder / "o", list, {{"first_moment.", a}, {"second_moment.", b}});
            }).find("where the parameters have"),
            std::string::npos);
  first[3] = std::nanf("");
  EXPECT_THROW(write_flat_tensors(folder / "o", list, {{"", first}}), Error);
  EXPECT_EQ(folder.entries(), 1u);
}

template <class T, class Narrow>
void check_stored_as(StoredType type, Narrow narrow) {
  const TempFolder folder;
  const ModelSpec spec = small_spec(1);
  const auto weights = initial_parameters(spec, 6);
  save_checkpoint(folder / "c", spec, weights);
  std::vector<TensorPlan> plan;
  std::string data;
  std::vector<float> expected;
  for (const auto& p : parameter_list(spec)) {
    plan.push_back({p.name, type, p.shape});
    for (const float v : part(std::span<const float>(weights), p)) {
      const auto [stored, value] = narrow(v);
      const T bits = stored;
      data.append(reinterpret_cast<const char*>(&bits), sizeof(bits));
      expected.push_back(value);
    }
  }
  testing::write_text(folder / "c" / "model.safetensors", safetensors_header(plan, {}, "test") + data);
  EXPECT_EQ(load_checkpoint(folder / "c").parameters, expected);
}

TEST(Checkpoint, WeightsMayBeStoredInOtherFloatTypes) {
  check_stored_as<double>(StoredType::f64, [](float v) { return std::pair(static_cast<double>(v), v); });
  check_stored_as<uint16_t>(StoredType::bf16, [](float v) {
    const auto bits = static_cast<uint16_t>(std::bit_cast<uint32_t>(v) >> 16);
    return std::pair(bits, std::bit_cast<float>(uint32_t{bits} << 16));
  });
}

}  // namespace
}  // namespace photon
