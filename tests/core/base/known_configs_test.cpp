// SPDX-License-Identifier: Apache-2.0
// The files of configs/ by name, path, and what is neither.
#include "core/base/known_configs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "core/base/error.h"
#include "core/base/paths.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon::testing {
namespace {

namespace fs = std::filesystem;

/// Another folder to be in, for one test.
class Elsewhere {
 public:
  explicit Elsewhere(const fs::path& folder) : before_(fs::current_path()) { fs::current_path(folder); }
  ~Elsewhere() { fs::current_path(before_); }

 private:
  fs::path before_;
};

std::string refusal(ConfigKind kind, const std::string& text) {
  try {
    find_config(kind, text);
  } catch (const Error& e) {
    return e.what();
  }
  ADD_FAILURE() << text << " was found";
  return "";
}

TEST(KnownConfigs, EveryFileIsFoundByNameAndByPathFromAnyFolder) {
  const TempFolder folder;
  const Elsewhere elsewhere(folder.path());
  for (const auto& [kind, name] : {std::pair{ConfigKind::model, "models"},
                                   {ConfigKind::hardware, "hardware"},
                                   {ConfigKind::study, "reproduce"},
                                   {ConfigKind::preset, "bench"},
                                   {ConfigKind::training, "train"}}) {
    size_t files = 0;
    for (const auto& entry : fs::directory_iterator(share_folder() / "configs" / name)) {
      const std::string stem = entry.path().stem().string();
      EXPECT_TRUE(fs::equivalent(find_config(kind, stem), entry.path()));
      EXPECT_TRUE(fs::equivalent(find_config(kind, stem + ".toml"), entry.path()));
      EXPECT_TRUE(
          fs::equivalent(find_config(kind, fmt::format("configs/{}/{}.toml", name, stem)), entry.path()));
      EXPECT_EQ(find_config(kind, entry.path().string()), entry.path());
      ++files;
    }
    EXPECT_GE(files, 1u);
    EXPECT_EQ(config_names(kind).size(), files);
  }
}

TEST(KnownConfigs, WhatIsHereIsFoundByItsPath) {
  const TempFolder folder;
  const Elsewhere elsewhere(folder.path());
  fs::create_directories("a/b");
  std::ofstream("a/b/mine.toml") << "x = 1\n";
  std::ofstream("photon-tiny.toml") << "x = 1\n";
  EXPECT_EQ(find_config(ConfigKind::model, "a/b/mine.toml"), "a/b/mine.toml");
  EXPECT_EQ(find_config(ConfigKind::model, "a"), "a") << "a folder may be a checkpoint";
  EXPECT_EQ(find_config(ConfigKind::model, "photon-tiny.toml"), "photon-tiny.toml")
      << "spelled as the file here";
  EXPECT_EQ(find_config(ConfigKind::model, "photon-tiny"),
            share_folder() / "configs/models/photon-tiny.toml");
}

TEST(KnownConfigs, ANameThatMeansTwoThingsIsRefusedWithBothSpellings) {
  const TempFolder folder;
  const Elsewhere elsewhere(folder.path());
  fs::create_directories("photon-tiny");
  EXPECT_TRUE(
      holds(refusal(ConfigKind::model, "photon-tiny"), {"./photon-tiny", "configs/models/photon-tiny.toml"}));
  EXPECT_EQ(find_config(ConfigKind::model, "./photon-tiny"), "./photon-tiny");
}

TEST(KnownConfigs, UnknownNamesGetTheNearest) {
  EXPECT_TRUE(holds(refusal(ConfigKind::model, "foton-600m"), {"no model 'foton-600m'", "'photon-600m'"}));
  EXPECT_TRUE(holds(refusal(ConfigKind::hardware, "h20"), {"no hardware 'h20'", "'h200'"}));
  EXPECT_TRUE(holds(refusal(ConfigKind::preset, "h200-acceptence"), {"'h200-acceptance'"}));
  EXPECT_TRUE(holds(refusal(ConfigKind::study, "nothing like it"), {"known: ", "default", "paper"}));
  EXPECT_TRUE(holds(refusal(ConfigKind::model, "configs/models/photon-500m.toml"),
                    {"there is no configs/models/photon-500m.toml", "'photon-600m'"}));
  EXPECT_FALSE(refusal(ConfigKind::model, "").empty());
  EXPECT_FALSE(refusal(ConfigKind::model, std::string(5000, 'x')).empty());
}

}  // namespace
}  // namespace photon::testing
