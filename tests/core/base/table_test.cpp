// SPDX-License-Identifier: Apache-2.0
// Tables that fit a terminal, and columns whose numbers are written alike.
#include "core/base/table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>

#include "tests/support.h"

namespace photon {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  for (size_t begin = 2; begin < line.size();) {
    const size_t end = line.find(" |", begin);
    cells.push_back(line.substr(begin, end - begin));
    begin = end + 3;
  }
  return cells;
}

TEST(Table, WideOnesGoOnBelowWithTheKeysAndLoseNothing) {
  std::mt19937_64 random(testing::test_seed());
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::vector<TableColumn> columns;
    const size_t rows = 1 + random() % 4;
    const size_t keys = random() % 3;
    const size_t count = keys + 1 + random() % 20;
    for (size_t c = 0; c < count; ++c) {
      TableColumn column{.title = fmt::format("title{}{}", c, std::string(random() % 30, 't')), .cells = {}};
      for (size_t r = 0; r < rows; ++r) {
        column.cells.push_back(fmt::format("cell{}/{}{}", r, c, std::string(random() % 20, 'x')));
      }
      columns.push_back(std::move(column));
    }
    const std::string text = markdown_table(columns, keys);
    std::vector<int> seen(count);
    for (const std::string& line : lines_of(text)) {
      ASSERT_LE(line.size(), table_width) << text;
      if (line.empty() || line.starts_with("|-")) continue;
      const auto cells = cells_of(line);
      for (size_t k = 0; k < keys; ++k) {
        const bool title = cells[k] == columns[k].title;
        const auto& known = columns[k].cells;
        ASSERT_TRUE(title || std::find(known.begin(), known.end(), cells[k]) != known.end()) << text;
      }
      for (size_t c = keys; c < count; ++c) {
        seen[c] += static_cast<int>(std::count(cells.begin(), cells.end(), columns[c].title));
        for (const std::string& cell : columns[c].cells) {
          seen[c] += static_cast<int>(std::count(cells.begin(), cells.end(), cell));
        }
      }
    }
    for (size_t c = keys; c < count; ++c) ASSERT_EQ(seen[c], static_cast<int>(rows) + 1) << c << "\n" << text;
  }
}

TEST(Table, PaddedOnesHoldTheSameInLinesOfOneLength) {
  const std::vector<TableColumn> columns{{.title = "row", .cells = {"a|b", "µ"}, .is_text = true},
                                         {.title = "x", .cells = {"12345", ""}}};
  EXPECT_EQ(markdown_table(columns, 1), "| row | x |\n|---|--:|\n| a\\|b | 12345 |\n| µ |  |\n");
  EXPECT_EQ(markdown_table(columns, 1, Cells::padded),
            "| row  | x     |\n"
            "|------|------:|\n"
            "| a\\|b | 12345 |\n"
            "| µ    |       |\n");
}

TEST(Table, ListsAreBrokenBetweenItems) {
  const std::vector<std::string> items{std::string(60, 'a'), std::string(57, 'b'), std::string(200, 'c'),
                                       "d"};
  EXPECT_EQ(in_lines(items), items[0] + ", " + items[1] + ",\n" + items[2] + ",\n" + items[3]);
  EXPECT_EQ(in_lines(std::vector<std::string>{}), "");
}

using Numbers = std::vector<std::optional<double>>;

TEST(Table, NumbersOfAColumnAreWrittenAlike) {
  EXPECT_EQ(readable_numbers(Numbers{696320, 1022600.4}), (std::vector<std::string>{"696320", "1022600"}));
  EXPECT_EQ(readable_numbers(Numbers{0.5, {}, 1.0 / 3.0}), (std::vector<std::string>{"0.5", "", "0.33333"}));
  EXPECT_EQ(readable_numbers(Numbers{12, 3}), (std::vector<std::string>{"12", "3"}));
  EXPECT_EQ(readable_numbers(Numbers{2e-5, 0.25, 0}),
            (std::vector<std::string>{"2.0000e-05", "2.5000e-01", "0"}));
  EXPECT_EQ(readable_numbers(Numbers{2.5e12, 12.25}), (std::vector<std::string>{"2.5000e+12", "1.2250e+01"}));
}

TEST(Table, NumbersKeepFiveDigits) {
  std::mt19937_64 random(testing::test_seed());
  std::uniform_real_distribution<double> exponent(-8.0, 14.0);
  for (int attempt = 0; attempt < 2000; ++attempt) {
    Numbers values;
    for (int i = 0; i < 3; ++i) values.push_back(std::pow(10.0, exponent(random)));
    const auto texts = readable_numbers(values);
    const auto with = [](const std::string& t) { return t.find('e') != std::string::npos; };
    ASSERT_TRUE(std::all_of(texts.begin(), texts.end(), with) ||
                std::none_of(texts.begin(), texts.end(), with));
    for (size_t i = 0; i < 3; ++i) ASSERT_NEAR(std::stod(texts[i]) / *values[i], 1.0, 5.1e-5) << texts[i];
  }
}

}  // namespace
}  // namespace photon
