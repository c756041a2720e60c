// SPDX-License-Identifier: Apache-2.0
#include "core/base/config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <limits>

#include "core/base/error.h"
#include "core/base/nearest.h"
#include "tests/core/base/temp_folder.h"

namespace photon {
namespace {

using Reader = std::function<void(const ConfigTable&)>;

/// What `read` on `toml` throws; fails the test if it throws nothing or the wrong kind.
std::string fault(const std::string& toml, const Reader& read,
                  const std::vector<std::string>& overrides = {}) {
  try {
    read(parse_config(toml, "f.toml", overrides).root());
  } catch (const UsageError& e) {
    EXPECT_FALSE(overrides.empty()) << "a file's fault is no wrong use: " << e.what();
    return e.what();
  } catch (const Error& e) {
    EXPECT_TRUE(overrides.empty()) << "an override's fault is wrong use: " << e.what();
    return e.what();
  }
  ADD_FAILURE() << "nothing thrown for: " << toml;
  return "";
}

const Reader nothing = [](const ConfigTable&) {};
const Reader width = [](const ConfigTable& t) {
  t.integer("width", 2, 100);
  t.finish();
};

TEST(Config, ReadsEveryType) {
  const ConfigTable t = parse_config(R"(
i = -3
x = 2.5
whole = 7
yes = true
word = "a\tb"
pick = "two"
words = ["a", "b"]
ints = [1, 2]
reals = [1, 2.5]
empty = []
[sub]
k = 1
[[row]]
c = 1
[[row]]
c = 2
)",
                                     "f.toml")
                            .root();
  EXPECT_EQ(t.integer("i", -3, 0), -3);
  EXPECT_EQ(t.number("x", 0, 3), 2.5);
  EXPECT_EQ(t.number("whole", 0, 7), 7.0);
  EXPECT_TRUE(t.boolean("yes"));
  EXPECT_EQ(t.text("word"), "a\tb");
  EXPECT_EQ(t.choice("pick", {"one", "two"}), "two");
  EXPECT_EQ(t.texts("words"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(t.integers("ints", 1, 2), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(t.numbers("reals", 0, 3), (std::vector<double>{1.0, 2.5}));
  EXPECT_TRUE(t.integers("empty", 1, 2).empty());
  EXPECT_EQ(t.table("sub")->integer("k", 0, 9), 1);
  ASSERT_EQ(t.tables("row").size(), 2u);
  EXPECT_EQ(t.tables("row")[0].integer("c", 0, 9), 1);
  EXPECT_EQ(t.tables("row")[1].integer("c", 0, 9), 2);
  EXPECT_EQ(t.tables("row")[1].where("c"), "f.toml:17: row.2.c");
  EXPECT_EQ(t.tables("row")[1].where(), "f.toml:16: row.2");
  EXPECT_TRUE(t.is_integer("i"));
  EXPECT_TRUE(t.is_text("word"));
  EXPECT_FALSE(t.is_text("absent"));
  t.finish();
}

TEST(Config, FallbacksStandForMissingKeys) {
  const ConfigDocument document = parse_config("", "f.toml");
  const ConfigTable t = document.root();
  EXPECT_EQ(t.integer("i", 0, 9, 4), 4);
  EXPECT_EQ(t.integers("list", 0, 9, std::vector<int64_t>{}), std::vector<int64_t>{});
  EXPECT_EQ(t.text("word", ""), "");
  EXPECT_FALSE(t.table("sub").has_value());
  EXPECT_TRUE(t.tables("row").empty());
  EXPECT_FALSE(t.has("i")) << "a fallback is not in the file";
  t.finish();
}

TEST(Config, FaultsNameLineKeyFindingAndAllowance) {
  const auto number = [](const ConfigTable& t) { t.number("x", 0, 1); };
  EXPECT_EQ(fault("a = 1\nwidth = \"x\"", width),
            "f.toml:2: width is the text \"x\", an integer from 2 to 100 is wanted");
  EXPECT_EQ(fault("width = 4.0", width),
            "f.toml:1: width is the number 4, an integer from 2 to 100 is wanted");
  EXPECT_EQ(fault("\n\nwidth = 101", width),
            "f.toml:3: width is the integer 101, an integer from 2 to 100 is wanted");
  EXPECT_EQ(fault("width = 1", width),
            "f.toml:1: width is the integer 1, an integer from 2 to 100 is wanted");
  EXPECT_EQ(fault("width = 1979-05-27", width),
            "f.toml:1: width is the date or time 1979-05-27, an integer from 2 to 100 is wanted");
  EXPECT_EQ(fault("", width), "f.toml: width is missing, an integer from 2 to 100 is wanted");
  EXPECT_EQ(fault("\nwdth = 3", width),
            "f.toml: width is missing, an integer from 2 to 100 is wanted; there is 'wdth' (f.toml:2)");
  EXPECT_EQ(fault("x = nan", number), "f.toml:1: x is the number nan, a number from 0 to 1 is wanted");
  EXPECT_EQ(fault("x = inf",
                  [](const ConfigTable& t) { t.number("x", 0, std::numeric_limits<double>::infinity()); }),
            "f.toml:1: x is the number inf, a number, 0 or more, is wanted");
  EXPECT_EQ(fault("x = true", number), "f.toml:1: x is true, a number from 0 to 1 is wanted");
  EXPECT_EQ(fault("x = 1", [](const ConfigTable& t) { t.boolean("x"); }),
            "f.toml:1: x is the integer 1, true or false is wanted");
  EXPECT_EQ(fault("x = 1", [](const ConfigTable& t) { t.text("x"); }),
            "f.toml:1: x is the integer 1, a text in quotes is wanted");
  EXPECT_EQ(fault("x = \"caual\"",
                  [](const ConfigTable& t) {
                    t.choice("x", {"causal", "hatted"});
                  }),
            "f.toml:1: x is \"caual\", one of \"causal\", \"hatted\" is wanted; did you mean \"causal\"?");
  EXPECT_EQ(fault("x = 3", [](const ConfigTable& t) { t.integers("x", 0, 9); }),
            "f.toml:1: x is the integer 3, a list of integers is wanted");
  EXPECT_EQ(fault("x = [1,\n2,\n99]", [](const ConfigTable& t) { t.integers("x", 0, 9); }),
            "f.toml:3: x.3 is the integer 99, an integer from 0 to 9 is wanted");
  EXPECT_EQ(fault("x = [1, \"a\"]", [](const ConfigTable& t) { t.numbers("x", 0, 9); }),
            "f.toml:1: x.2 is the text \"a\", a number from 0 to 9 is wanted");
  EXPECT_EQ(fault("x = 1", [](const ConfigTable& t) { t.table("x"); }),
            "f.toml:1: x is the integer 1, a table [x] is wanted");
  EXPECT_EQ(fault("[x]", [](const ConfigTable& t) { t.tables("x"); }),
            "f.toml:1: x is a table, tables [[x]] is wanted");
  EXPECT_EQ(fault("x = [1]", [](const ConfigTable& t) { t.tables("x"); }),
            "f.toml:1: x.1 is the integer 1, tables [[x]] is wanted");
  EXPECT_EQ(fault("[s]\nx = 1", [](const ConfigTable& t) { t.table("s")->fail("x", "is odd"); }),
            "f.toml:2: s.x: is odd");
}

TEST(Config, UnknownKeysAreRefusedWithTheNearestKnown) {
  const auto read = [](const ConfigTable& t) {
    t.integer("width", 0, 9, 1);
    for (const ConfigTable& row : t.tables("row")) row.integer("chunk", 0, 9, 1);
    if (const auto sub = t.table("sub")) sub->table("deep");
    t.finish();
  };
  EXPECT_EQ(fault("width = 1\nwidht = 2", read), "f.toml:2: widht: unknown key; did you mean 'width'?");
  EXPECT_EQ(fault("zebra = 2", read), "f.toml:1: zebra: unknown key; known: width, row, sub");
  EXPECT_EQ(fault("[[row]]\n[[row]]\nchnk = 2", read),
            "f.toml:3: row.2.chnk: unknown key; did you mean 'chunk'?");
  EXPECT_EQ(fault("[[row]]\nwidth = 2", read),
            "f.toml:2: row.1.width: unknown key; 'width' belongs to the top level, before the first [table]");
  EXPECT_EQ(fault("[sub.deep]\nx = 2", read), "f.toml:2: sub.deep.x: unknown key; none is known here");
  EXPECT_EQ(fault("b = 1\na = 1", read), "f.toml:1: b: unknown key; known: width, row, sub")
      << "the first in the file, not in the alphabet";
}

TEST(Config, SyntaxFaultsNameTheLine) {
  EXPECT_EQ(fault("a = 1\nb = \n", nothing).substr(0, 23), "f.toml:2: syntax error:");
  const std::string twice = fault("a = 1\n\na = 2\n", nothing);
  EXPECT_EQ(twice.substr(0, 10), "f.toml:3: ");
  EXPECT_NE(twice.find("redefine"), std::string::npos) << twice;
  EXPECT_EQ(fault("a = 99999999999999999999", nothing).substr(0, 10), "f.toml:1: ");
  for (const std::string bad :
       {"\xff", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"}) {
    const std::string message = fault("a = 1\nb = \"" + bad, nothing);
    EXPECT_NE(message.find("f.toml:2: byte 0x"), std::string::npos) << message;
  }
  EXPECT_NO_THROW(parse_config("a = \"\xe2\x82\xac \xf0\x9f\x98\x80\"", "f.toml"));
}

TEST(Config, RefusesTreesTooDeepToFree) {
  std::string dots = "a";
  for (int i = 0; i < 100000; ++i) dots += ".a";
  EXPECT_EQ(fault(dots + " = 1", nothing), "f.toml:1: more than 32 dots in one key");
  EXPECT_EQ(fault("x = \"\"\"q\"\"\"\"\n[" + dots + "]", nothing), "f.toml:2: more than 32 dots in one key");
  EXPECT_EQ(fault("x = {" + dots + " = 1}", nothing), "f.toml:1: more than 32 dots in one key");
  EXPECT_EQ(fault("a = " + std::string(100000, '['), nothing),
            "f.toml:1: more than 32 brackets open at once");
  EXPECT_EQ(fault("", nothing, {dots + "=1"}).substr(0, 6), "--set ");
  EXPECT_NO_THROW(parse_config("# " + dots + "\nx = \"" + dots + "[[[[\" # [", "f.toml"))
      << "text is not structure";
}

TEST(Config, FilesThatCannotBeRead) {
  const testing::TempFolder folder;
  const auto message = [](const std::filesystem::path& file) {
    try {
      load_config(file);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_EQ(message(folder / "none.toml"), (folder / "none.toml").string() + ": there is no such file");
  EXPECT_EQ(message(folder.path()), folder.path().string() + ": a directory, a TOML file is wanted");
  const auto big = folder / "big.toml";
  testing::write_text(big, std::string(static_cast<size_t>(largest_config_bytes), '#') + "\na = 1\n");
  EXPECT_EQ(message(big), big.string() + ": a config above 1048576 bytes is refused");
  testing::write_text(big,
                      "\xef\xbb\xbf"
                      "a = 1\r\nb = 2\r\n");
  EXPECT_EQ(load_config(big).root().integer("b", 0, 9), 2) << "byte order mark and CRLF";
}

TEST(Config, OverridesReplaceAddAndIndex) {
  const std::string file =
      "width = 1\nname = \"a\"\n[[level]]\nchunk = 1\n[[level]]\nchunk = 2\n[sub]\nk = 1\n";
  const ConfigTable t =
      parse_config(file, "f.toml",
                   {"width=3", "width=5", "name=b-2", "level.2.chunk=4", "sub.k=9", "sub.new=[1, 2]",
                    "fresh.table.x=1.5", "year=2024", "level.1.word=a = b # c"})
          .root();
  EXPECT_EQ(t.integer("width", 0, 9), 5) << "the last one wins";
  EXPECT_EQ(t.text("name"), "b-2") << "a bare word is text";
  EXPECT_EQ(t.tables("level")[0].integer("chunk", 0, 9), 1);
  EXPECT_EQ(t.tables("level")[0].text("word"), "a = b # c");
  EXPECT_EQ(t.tables("level")[1].integer("chunk", 0, 9), 4);
  EXPECT_EQ(t.table("sub")->integer("k", 0, 9), 9);
  EXPECT_EQ(t.table("sub")->integers("new", 0, 9), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(t.table("fresh")->table("table")->number("x", 0, 9), 1.5);
  EXPECT_EQ(t.text("year"), "2024") << "where text is asked for, a number on the command line is its digits";
  EXPECT_EQ(t.where("width"), "--set width=5: width");
  t.finish();
}

TEST(Config, OverrideFaultsAreWrongUse) {
  const std::string file = "width = 10\n[[level]]\nchunk = 1\n";
  const auto read = [](const ConfigTable& t) {
    t.integer("width", 2, 100);
    for (const ConfigTable& level : t.tables("level")) level.integer("chunk", 1, 9);
    t.finish();
  };
  EXPECT_EQ(fault(file, read, {"width=200"}),
            "--set width=200: width is the integer 200, an integer from 2 to 100 is wanted");
  EXPECT_EQ(fault(file, read, {"widht=20"}), "--set widht=20: widht: unknown key; did you mean 'width'?");
  EXPECT_EQ(fault(file, read, {"a.b=1"}), "--set a.b=1: a: unknown key; known: width, level");
  EXPECT_EQ(fault(file, read, {"level.1.chunk=0"}),
            "--set level.1.chunk=0: level.1.chunk is the integer 0, an integer from 1 to 9 is wanted");
  EXPECT_EQ(fault(file, read, {"level.2.chunk=1"}),
            "--set level.2.chunk=1: level has 1 entries in f.toml, '2' is none of them (counted from 1)");
  for (const std::string index : {"0", "-1", "x", "99999999999999999999999", "1x"}) {
    EXPECT_NE(fault(file, read, {"level." + index + ".chunk=1"}).find("is none of them"), std::string::npos)
        << index;
  }
  EXPECT_EQ(fault(file, read, {"width.x=1"}),
            "--set width.x=1: width is the integer 10 in f.toml, not a table");
  EXPECT_EQ(fault(file, read, {"width"}), "--set width: an override is key=value");
  EXPECT_EQ(fault(file, read, {"=3"}), "--set =3: an empty name in the key; an override is key=value");
  EXPECT_EQ(fault(file, read, {"level..x=3"}),
            "--set level..x=3: an empty name in the key; an override is key=value");
  EXPECT_EQ(fault(file, read, {"width=\xff"}), "--set: an override is not valid UTF-8");
  EXPECT_EQ(fault(file, read, {"level=[{chunk = 1}, {chunk = 1, z = 1}]"}),
            "--set level=[{chunk = 1}, {chunk = 1, z = 1}]: level.2.z: unknown key; known: chunk");
}

TEST(Config, ResolvedReadsBackWithFallbacksWrittenOut) {
  const auto read = [](const ConfigTable& t) {
    t.integer("width", 0, 99);
    t.number("rate", 0, 1, 3e-4);
    t.number("whole", 0, 1e30, 1e20);
    t.text("name", "quo\"te\\ \x01\n");
    t.texts("files", std::vector<std::string>{"a", "b"});
    t.boolean("flag", true);
    for (const ConfigTable& level : t.tables("level")) level.integer("chunk", 0, 9, 4);
    t.table("sub")->number("odd key", 0, 1);
    t.finish();
  };
  const ConfigDocument first = parse_config(
      "width = 1\n[[level]]\n[[level]]\nchunk = 2\n[sub]\n\"odd key\" = 0.1\n", "f.toml", {"width=7"});
  read(first.root());
  const ConfigDocument second = parse_config(first.resolved(), "resolved");
  read(second.root());
  EXPECT_EQ(second.resolved(), first.resolved());
  EXPECT_EQ(second.root().integer("width", 0, 99), 7);
  EXPECT_EQ(second.root().number("rate", 0, 1), 3e-4);
  EXPECT_EQ(second.root().text("name"), "quo\"te\\ \x01\n");
  EXPECT_EQ(second.root().tables("level")[0].integer("chunk", 0, 9), 4);
}

TEST(Config, TablesOutliveTheirDocument) {
  std::optional<ConfigTable> sub;
  {
    const ConfigDocument document = parse_config("[sub]\nk = 3\n", "f.toml");
    sub = document.root().table("sub");
  }
  EXPECT_EQ(sub->integer("k", 0, 9), 3);
}

TEST(Nearest, FindsMisspeltWordsAndNothingElse) {
  const std::vector<std::string> words{"width", "heads", "kv_heads", "encoder_window"};
  EXPECT_EQ(nearest("widht", words), "width");
  EXPECT_EQ(nearest("WIDTH", words), "width");
  EXPECT_EQ(nearest("head", words), "heads");
  EXPECT_EQ(nearest("encoder-windw", words), "encoder_window");
  EXPECT_EQ(nearest("zebra", words), "");
  EXPECT_EQ(nearest("", words), "");
  EXPECT_EQ(nearest("x", {"y"}), "") << "all letters replaced is no misspelling";
  EXPECT_EQ(nearest(std::string(1 << 20, 'a'), words), "");
  EXPECT_EQ(nearest("width", {}), "");
}

}  // namespace
}  // namespace photon
