// SPDX-License-Identifier: Apache-2.0
#include "core/base/csv.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <random>

#include "core/base/error.h"

namespace photon {
namespace {

struct CsvFile : testing::Test {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("photon-csv-" + std::to_string(getpid()));
  void SetUp() override { std::filesystem::create_directories(folder); }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::filesystem::path write(std::string_view bytes) {
    const auto file = folder / "table.csv";
    std::ofstream(file, std::ios::binary) << bytes;
    return file;
  }
  /// The message of the Error that reading every line throws; "" if none.
  std::string fault(std::string_view bytes) {
    try {
      CsvReader reader(write(bytes));
      std::vector<std::string> cells;
      while (reader.next(cells)) {
      }
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  }
};

TEST_F(CsvFile, GivesBackRandomCellsExactly) {
  const char* given = std::getenv("PHOTON_TEST_SEED");
  const auto seed = given ? static_cast<unsigned>(std::stoul(given)) : std::random_device{}();
  SCOPED_TRACE(testing::Message() << "PHOTON_TEST_SEED=" << seed);
  std::mt19937 random(seed);
  const std::string alphabet = "ab,\"\" \t;|\\'\xc3\xa9";
  std::vector<std::vector<std::string>> table(57, std::vector<std::string>(7));
  std::string text;
  for (auto& row : table) {
    for (size_t i = 0; i < row.size(); ++i) {
      for (auto n = random() % 9; n > 0; --n) row[i] += alphabet[random() % alphabet.size()];
      text += i == 0 ? "" : ",";
      text += csv_cell(row[i]);
    }
    text += '\n';
  }
  CsvReader reader(write(text));
  EXPECT_EQ(reader.header(), table[0]);
  std::vector<std::string> cells;
  for (size_t r = 1; r < table.size(); ++r) {
    ASSERT_TRUE(reader.next(cells));
    EXPECT_EQ(cells, table[r]);
  }
  EXPECT_FALSE(reader.next(cells));
  const CsvTable parsed = parse_csv(text, "memory");
  EXPECT_EQ(parsed.header, table[0]);
  EXPECT_EQ(parsed.rows, std::vector(table.begin() + 1, table.end()));
}

TEST_F(CsvFile, ReadsForeignLineEndsAndByteOrderMark) {
  CsvReader reader(
      write("\xEF\xBB\xBF"
            "a,b\r\n1,\"x\"\r\n"));
  EXPECT_EQ(reader.header(), (std::vector<std::string>{"a", "b"}));
  std::vector<std::string> cells;
  ASSERT_TRUE(reader.next(cells));
  EXPECT_EQ(cells, (std::vector<std::string>{"1", "x"}));
}

TEST_F(CsvFile, NamesThePlaceOfEveryFault) {
  EXPECT_NE(fault("").find("empty"), std::string::npos);
  EXPECT_NE(fault("a,b\n1,2\n3,4").find("line 3: cut off"), std::string::npos);
  EXPECT_NE(fault("a,b\n1\n").find("line 2: 1 cells where the header has 2"), std::string::npos);
  EXPECT_NE(fault("a,b\n1,2,3\n").find("line 2: 3 cells"), std::string::npos);
  EXPECT_NE(fault("a,b\n1,\"2\n").find("line 2, cell 2: a quote is not closed"), std::string::npos);
  EXPECT_NE(fault("a,b\n\"1\"x,2\n").find("line 2, cell 1: text after"), std::string::npos);
  EXPECT_NE(fault("a,b\n1x\"y,2\n").find("line 2, cell 1: a quote inside"), std::string::npos);
  EXPECT_NE(fault(std::string_view("a,b\n1,\0\n", 8)).find("line 2: a NUL"), std::string::npos);
  EXPECT_NE(fault("a,b\n\n").find("line 2"), std::string::npos);
  const std::string too_long(size_t{17} << 20, 'x');
  EXPECT_NE(fault(too_long + "\n").find("line 1: longer than 16 MiB"), std::string::npos);
  EXPECT_NE(fault("a,b\n1,2\n" + too_long + ",2\n").find("line 3: longer than 16 MiB"), std::string::npos);
  EXPECT_THROW(CsvReader(folder / "absent.csv"), Error);
  EXPECT_THROW(CsvReader{folder}, Error);
}

TEST(CsvCell, RefusesWhatALineCannotHold) {
  EXPECT_THROW(csv_cell("a\nb"), Error);
  EXPECT_THROW(csv_cell("a\rb"), Error);
  EXPECT_THROW(csv_cell(std::string_view("a\0b", 3)), Error);
}

TEST(CsvNumber, TakesTheWholeCellOrNothing) {
  EXPECT_EQ(csv_number("-1.5e3", "here"), -1500.0);
  for (const char* bad : {"", " 1", "1 ", "1,5", "0x10", "one", "1e999"})
    EXPECT_THROW(csv_number(bad, "here"), Error);
}

}  // namespace
}  // namespace photon
