// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/base/paths.h"
#include "core/results/results.h"

namespace photon {
namespace {

TEST(NumbersDocument, DefinesEveryColumn) {
  const auto file = share_folder() / "docs" / "numbers.md";
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  ASSERT_FALSE(text.str().empty()) << file;
  for (const ResultColumn& column : result_columns()) {
    EXPECT_NE(text.str().find("`" + std::string(column.name) + "`"), std::string::npos) << column.name;
  }
}

}  // namespace
}  // namespace photon
