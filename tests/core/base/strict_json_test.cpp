// SPDX-License-Identifier: Apache-2.0
#include "core/base/strict_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon {
namespace {

using testing::message_of;

TEST(StrictJson, ReadsJson) {
  EXPECT_EQ(parse_strict_json(R"({"a": [1, {"a": 2}, {"a": 3}], "b": {"a": null}})", "s"),
            nlohmann::json::parse(R"({"a": [1, {"a": 2}, {"a": 3}], "b": {"a": null}})"));
}

TEST(StrictJson, RefusesWhatIsAmbiguousOrExcessive) {
  const auto refusal = [](std::string_view text) {
    return message_of<Error>([&] { parse_strict_json(text, "s"); });
  };
  EXPECT_EQ(refusal(R"({"k": {"a": 1, "\u0061": 2}})"), "s: 'a' appears twice");
  EXPECT_EQ(refusal(std::string("{}\0{}", 5)), "s: holds a zero byte");
  EXPECT_EQ(refusal(std::string(1'000'000, '[')), "s: nested deeper than 64");
  for (const char* const text : {"", "{", "{} {}", "[1,]", "{'a':1}", "NaN", "\"\xFF\"", "[1] // one"}) {
    EXPECT_TRUE(refusal(text).starts_with("s: breaks off at byte ")) << refusal(text);
  }
  for (const char* const text : {"1e999", R"({"a": [-1e400]})"}) {
    EXPECT_EQ(refusal(text), "s: a number that no double holds");
  }
  const testing::TempFolder folder;
  testing::write_text(folder / "f", "[1, 2, 3]");
  EXPECT_EQ(read_strict_json(folder / "f", 9).size(), 3u);
  EXPECT_NE(message_of<Error>([&] { read_strict_json(folder / "f", 8); }).find("9 bytes, at most 8"),
            std::string::npos);
  EXPECT_NE(message_of<Error>([&] { read_strict_json(folder / "g"); }).find("cannot open"),
            std::string::npos);
}

}  // namespace
}  // namespace photon
