// SPDX-License-Identifier: Apache-2.0
#include "core/base/folder_lock.h"

#include <gtest/gtest.h>

#include "core/base/error.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon {
namespace {

using testing::message_of;
using testing::TempFolder;

TEST(FolderLock, AFolderThatItMadeGoesUnlessSomethingIsInIt) {
  const TempFolder folder;
  { const FolderLock lock(folder / "a/empty"); }
  EXPECT_FALSE(std::filesystem::exists(folder / "a/empty"));
  {
    const FolderLock lock(folder / "full");
    testing::write_text(folder / "full/file", "text");
  }
  EXPECT_TRUE(std::filesystem::exists(folder / "full/file"));
  std::filesystem::create_directory(folder / "given");
  { const FolderLock lock(folder / "given"); }
  EXPECT_TRUE(std::filesystem::exists(folder / "given")) << "what was there before stays";
}

TEST(FolderLock, OneAtATime) {
  const TempFolder folder;
  const FolderLock lock(folder / "run");
  EXPECT_NE(message_of<Error>([&] { FolderLock(folder / "run"); }).find("another run"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(folder / "run"));
}

}  // namespace
}  // namespace photon
