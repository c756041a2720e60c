// SPDX-License-Identifier: Apache-2.0
#include "core/results/results.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "core/base/error.h"

namespace photon {
namespace {

struct Results : testing::Test {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("photon-results-" + std::to_string(getpid()));
  std::filesystem::path file = folder / "results.csv";
  void SetUp() override { std::filesystem::create_directories(folder); }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string bytes() const {
    std::ostringstream out;
    out << std::ifstream(file, std::ios::binary).rdbuf();
    return out.str();
  }
  std::string fault(const std::string& text) {
    std::ofstream(file, std::ios::binary) << text;
    try {
      read_results(file);
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  }
  static ResultRow sample() {
    ResultRow row;
    set_identity(row, std::vector<std::string>{"photon", "bench", "a file, quoted \"so\".toml"});
    row.set("kind", "bench");
    row.set("model", "tiny");
    row.set("prefill_seconds", 0.1);
    row.set("parameters", int64_t{646399104});
    return row;
  }
};

/// The text with `from` replaced once.
std::string with(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST_F(Results, ColumnsHaveDistinctNamesAndAMeaning) {
  std::set<std::string_view> names;
  for (const ResultColumn& column : result_columns()) {
    EXPECT_TRUE(names.insert(column.name).second) << column.name;
    EXPECT_FALSE(column.meaning.empty()) << column.name;
    EXPECT_TRUE(!column.is_text || column.unit.empty()) << column.name;
  }
}

TEST_F(Results, UnknownColumnsAreProgrammingErrors) {
  ResultRow row;
  EXPECT_THROW(row.set("no_such", 1), std::logic_error);
  EXPECT_THROW(row.text("no_such"), std::logic_error);
}

TEST_F(Results, NumbersReadBackEqual) {
  ResultRow row;
  for (const double value : {0.1, 1.0 / 3.0, 1e-300, 5e-324, 1.7976931348623157e308, -0.0, 123456789.0}) {
    row.set("perplexity", value);
    EXPECT_EQ(row.number("perplexity"), value);
  }
  EXPECT_FALSE(row.number("token_nll").has_value());
  EXPECT_THROW(row.set("perplexity", std::nan("")), Error);
  EXPECT_THROW(row.set("perplexity", std::numeric_limits<double>::infinity()), Error);
  row.set("perplexity", "nan");
  EXPECT_THROW(row.number("perplexity"), Error);
}

TEST_F(Results, FilesGiveBackTheirRows) {
  const std::vector<ResultRow> rows{sample(), sample()};
  append_results(file, rows);
  append_results(file, std::span(rows).first(1));
  const auto back = read_results(file);
  ASSERT_EQ(back.size(), 3u);
  for (const ResultColumn& column : result_columns()) {
    EXPECT_EQ(back[2].text(column.name), rows[0].text(column.name)) << column.name;
  }
  EXPECT_EQ(back[0].text("argv"), "photon bench 'a file, quoted \"so\".toml'");
  EXPECT_EQ(bytes(), to_csv(back));
}

TEST_F(Results, ColumnsMayStandInAnyOrder) {
  const std::string text = to_csv(std::vector{sample()});
  std::string header = text.substr(0, text.find('\n'));
  std::string row = text.substr(text.find('\n') + 1);
  header = header.substr(header.find(',') + 1) + ",schema_version\n";
  row = row.substr(row.find(',') + 1);
  row.insert(row.size() - 1, "," + std::to_string(results_schema_version));
  ASSERT_EQ(fault(header + row), "");
  EXPECT_EQ(read_results(file).at(0).text("model"), "tiny");
}

TEST_F(Results, NamesFileLineAndColumnOfWhatDoesNotFit) {
  const std::string good = to_csv(std::vector{sample()});
  EXPECT_EQ(fault(good), "");
  EXPECT_EQ(fault(with(good, ",token_nll,", ",token_null,")),
            file.string() + ", line 1: unknown column \"token_null\"; the columns of schema 4 were expected");
  EXPECT_NE(fault(with(good, ",token_nll,", ",model,")).find("line 1: column model twice"),
            std::string::npos);
  const std::string shorter = with(good.substr(0, good.size() - 2) + "\n", ",step_bytes_planned", "");
  EXPECT_NE(fault(shorter).find("line 1: column step_bytes_planned is missing"), std::string::npos);
  EXPECT_NE(
      fault(with(good, "\n4,bench,", "\n1,bench,")).find("line 2, column schema_version: this is schema 1"),
      std::string::npos);
  EXPECT_NE(
      fault(with(with(good, "\n4,bench,", "\n7,bench,"), ",token_nll,", ",other,")).find("this is schema 7"),
      std::string::npos);
  EXPECT_NE(fault(with(good, ",bench,", ",race,")).find("line 2, column kind"), std::string::npos);
  EXPECT_NE(fault(with(good, ",0.1,", ",0.1s,")).find("line 2, column prefill_seconds: \"0.1s\""),
            std::string::npos);
  EXPECT_NE(fault(with(good, ",0.1,", ",nan,")).find("column prefill_seconds"), std::string::npos);
  EXPECT_NE(fault(good.substr(0, good.size() - 1)).find("line 2: cut off"), std::string::npos);
  EXPECT_NE(fault(good + "2,bench\n").find("line 3: 2 cells"), std::string::npos);
}

/// `text` as a program of schema 3 wrote it: without the columns that came later.
std::string as_schema_3(const std::string& text) {
  std::istringstream lines(text);
  std::string line, out;
  for (bool header = true; std::getline(lines, line); header = false) {
    std::istringstream cells(line + ",");
    std::string cell, kept;
    for (const ResultColumn& column : result_columns()) {
      std::getline(cells, cell, ',');
      if (column.since > 3) continue;
      if (column.name == "schema_version" && !header) cell = "3";
      kept += (kept.empty() ? "" : ",") + cell;
    }
    out += kept + "\n";
  }
  return out;
}

TEST_F(Results, FilesOfTheSchemaBeforeAreReadAndLackWhatCameLater) {
  ResultRow row = sample();
  row.set("argv", "photon bench");  // no comma, no quote: split by hand above
  row.set("learning_rate", "");
  const std::string old = as_schema_3(to_csv(std::vector{row}));
  ASSERT_EQ(fault(old), "");
  const auto back = read_results(file);
  ASSERT_EQ(back.size(), 1u);
  EXPECT_TRUE(back[0].empty("learning_rate"));
  EXPECT_EQ(to_csv(back), to_csv(std::vector{row})) << "a row that was read is one of today's";
  EXPECT_NE(fault(with(old, "\n3,bench,", "\n4,bench,")).find("the columns of schema 3"), std::string::npos)
      << "a version that the columns contradict";
  EXPECT_NE(fault(with(to_csv({}), ",learning_rate,", ",")).find("column learning_rate is missing"),
            std::string::npos)
      << "half of the new columns";
}

TEST_F(Results, AppendingLeavesForeignAndBrokenFilesAsTheyAre) {
  const std::string good = to_csv(std::vector{sample()});
  for (const std::string& text : {std::string("a,b\n1,2\n"), good.substr(0, good.size() - 1)}) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
    EXPECT_THROW(append_results(file, std::vector{sample()}), Error);
    EXPECT_EQ(bytes(), text);
  }
  EXPECT_THROW(append_results(folder / "absent" / "results.csv", std::vector{sample()}), Error);
  ResultRow broken = sample();
  broken.set("corpus", "two\nlines");
  std::filesystem::remove(file);
  EXPECT_THROW(append_results(file, std::vector{sample(), broken}), Error);
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(Results, WritersAtTheSameTimeKeepTheirRowsWhole) {
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < 25; ++i) {
        ResultRow row = sample();
        row.set("seed", w * 1000 + i);
        append_results(file, std::vector{row});
      }
    });
  }
  for (auto& writer : writers) writer.join();
  std::set<double> seeds;
  for (const ResultRow& row : read_results(file)) seeds.insert(row.number("seed").value());
  EXPECT_EQ(seeds.size(), 100u);
}

TEST_F(Results, IdentityIsOneLineAndOneRun) {
  ResultRow a;
  ResultRow b;
  set_identity(a, std::vector<std::string>{"photon", "it's", "two\nlines", ""});
  set_identity(b, std::vector<std::string>{"photon"});
  EXPECT_EQ(a.text("argv"), "photon 'it'\\''s' $'two\\x0alines' ''");
  EXPECT_FALSE(a.empty("run_id"));
  EXPECT_EQ(a.text("run_id"), b.text("run_id"));
  EXPECT_FALSE(a.empty("commit"));
  EXPECT_TRUE(a.text("dirty") == "0" || a.text("dirty") == "1");
  EXPECT_GE(a.number("threads").value(), 1.0);
  const std::string time = a.text("time");
  ASSERT_EQ(time.size(), 20u) << time;
  EXPECT_EQ(time[10], 'T');
  EXPECT_EQ(time[19], 'Z');
}

TEST_F(Results, JsonLinesHoldNumbersAsNumbersAndNoEmptyCells) {
  ResultRow row = sample();
  row.set("commit", "1234567");
  row.set("seed", int64_t{9007199254740993});
  row.set("corpus", "bad utf-8 \xff");
  const std::string lines = to_jsonl(std::vector{row, row});
  ASSERT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
  const auto json = nlohmann::json::parse(lines.substr(0, lines.find('\n')));
  EXPECT_EQ(json.at("commit"), "1234567");
  EXPECT_EQ(json.at("prefill_seconds"), 0.1);
  EXPECT_EQ(json.at("seed").get<int64_t>(), 9007199254740993);
  EXPECT_FALSE(json.contains("token_nll"));
}

TEST_F(Results, MarkdownLiftsWhatAllRowsShareAboveTheTable) {
  std::vector<ResultRow> rows{sample(), sample()};
  rows[1].set("model", "a|b");
  rows[1].set("prefill_seconds", 1.0 / 3.0);
  const std::vector<std::string_view> columns{"kind", "model", "reading", "prefill_seconds"};
  EXPECT_EQ(
      to_markdown(rows, columns),
      "kind: bench\n\n| model | prefill_seconds (s) |\n|---|--:|\n| tiny | 0.1 |\n| a\\|b | 0.33333 |\n");
  EXPECT_EQ(
      to_markdown(std::span(rows).first(1), columns),
      "| kind | model | reading | prefill_seconds (s) |\n|---|---|---|--:|\n| bench | tiny |  | 0.1 |\n");
}

}  // namespace
}  // namespace photon
