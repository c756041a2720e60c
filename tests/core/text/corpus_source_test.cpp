// SPDX-License-Identifier: Apache-2.0
#include "core/text/corpus_source.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <cmath>
#include <map>
#include <random>

#include "core/base/error.h"
#include "core/base/line_reader.h"
#include "core/base/read_file.h"
#include "core/base/sha256.h"
#include "core/base/subprocess.h"
#include "core/text/markov.h"
#include "core/text/prose.h"
#include "core/text/r_data.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon {
namespace {

namespace fs = std::filesystem;
using testing::message_of;
using testing::TempFolder;
using testing::test_seed;
using testing::write_text;

std::vector<Document> all(CorpusSource& source) {
  std::vector<Document> documents;
  for (Document d; source.next(d);) documents.push_back(d);
  EXPECT_EQ(source.bytes_done(), source.bytes_total());
  return documents;
}

std::string compressed(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(FileSource, JsonLinesPlainAndCompressed) {
  const TempFolder folder;
  std::string lines;
  for (int i = 0; i < 3000; ++i) {
    lines +=
        "{\"meta\": {\"pile_set_name\": \"X\"}, \"text\": \"number " + std::to_string(i) + " \\u00e9\\n\"}\n";
    if (i % 100 == 0) lines += "\n";
  }
  lines += "{\"text\": \"\"}\n{\"text\": \"no line feed at the end\"}";
  write_text(folder / "a.jsonl", lines);
  const size_t half = lines.find('\n', lines.size() / 2) + 7;
  write_text(folder / "b.jsonl.zst", compressed(lines.substr(0, half)) + compressed(lines.substr(half)));
  const auto plain = all(*file_source(folder / "a.jsonl"));
  ASSERT_EQ(plain.size(), 3001u);
  EXPECT_EQ(plain[17].text, "number 17 \xc3\xa9\n");
  EXPECT_EQ(plain.back().text, "no line feed at the end");
  const auto source = file_source(folder / "b.jsonl.zst");
  const auto packed = all(*source);
  ASSERT_EQ(packed.size(), plain.size());
  for (size_t i = 0; i < plain.size(); ++i) {
    ASSERT_EQ(packed[i].text, plain[i].text);
    ASSERT_EQ(packed[i].id, plain[i].id);
  }
  EXPECT_EQ(source->records().at(0).sha256, sha256_of_file(folder / "b.jsonl.zst"));
}

TEST(FileSource, BadJsonIsNamedWithFileAndLine) {
  const TempFolder folder;
  const auto refused = [&](const std::string& line) {
    write_text(folder / "a.jsonl", "{\"text\": \"fine\"}\n\n" + line + "\n");
    return message_of<Error>([&] { all(*file_source(folder / "a.jsonl")); });
  };
  for (const char* line : {"{\"text\": \"open", "{\"txt\": \"x\"}", "{\"text\": 3}", "[\"text\"]", "7",
                           "{} {}", "{\"text\": \"\xff\"}", "{\"text\": \"a\", \"text\": \"b\"}"}) {
    EXPECT_NE(refused(line).find("a.jsonl:3"), std::string::npos) << line;
  }
}

TEST(FileSource, BrokenCompressionIsRefused) {
  const TempFolder folder;
  std::string text;
  std::mt19937_64 random(test_seed());
  for (int i = 0; i < 20000; ++i) text += "{\"text\": \"" + std::to_string(random()) + "\"}\n";
  const std::string packed = compressed(text);
  write_text(folder / "cut.jsonl.zst", packed.substr(0, packed.size() / 2));
  EXPECT_NE(message_of<Error>([&] { all(*file_source(folder / "cut.jsonl.zst")); }).find("break off"),
            std::string::npos);
  write_text(folder / "no.jsonl.zst", "no zstd at all, but text");
  EXPECT_NE(message_of<Error>([&] { all(*file_source(folder / "no.jsonl.zst")); }).find("broken zstd"),
            std::string::npos);
}

TEST(FileSource, BadLinesAreLeftOutUpToANumber) {
  const TempFolder folder;
  write_text(folder / "a.jsonl",
             "{\"text\": \"one\"}\n{\"text\": \"open\n7\n{\"text\": \"two\"}\n{\"text\": 1e999}\n{\"text\": "
             "\"three\"}");
  const auto read = [&](int64_t allowed) {
    BadLines bad(allowed);
    const auto source = file_source(folder / "a.jsonl", &bad);
    std::string texts;
    for (const Document& d : all(*source)) texts += d.text + " ";
    EXPECT_EQ(bad.count(), 3);
    EXPECT_EQ(source->records().at(0).bad_lines, 3);
    EXPECT_NE(bad.first().find("a.jsonl:2: breaks off"), std::string::npos) << bad.first();
    return texts;
  };
  EXPECT_EQ(read(3), "one two three ");
  EXPECT_EQ(read(100), "one two three ");
  const std::string third = message_of<Error>([&] { read(2); });
  EXPECT_TRUE(testing::holds(third, {"a.jsonl:5", "--skip-bad allows 2", "a.jsonl:2"})) << third;
  const std::string first = message_of<Error>([&] { read(0); });
  EXPECT_TRUE(testing::holds(first, {"a.jsonl:2", "--skip-bad N"})) << first;

  // One number for all sources; in a text a bad line goes and its neighbours stay.
  write_text(folder / "b.txt", "fine\nnot \xff fine\nfine again\n");
  BadLines bad(4);
  const auto json = file_source(folder / "a.jsonl", &bad);
  const auto text = file_source(folder / "b.txt", &bad);
  all(*json);
  const auto documents = all(*text);
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].text, "fine\nfine again\n");
  EXPECT_EQ(bad.count(), 4);
  EXPECT_EQ(text->records().at(0).bad_lines, 1);
}

/// A zstd frame as the library's other interface writes it; the size in the header is told or not.
std::string frame(const std::string& text, std::mt19937_64& random) {
  const std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, static_cast<int>(random() % 2));
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_contentSizeFlag, static_cast<int>(random() % 2));
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress2(context.get(), out.data(), out.size(), text.data(), text.size()));
  return out;
}

std::string skippable(std::mt19937_64& random) {
  const std::string content(random() % 3 == 0 ? 0 : random() % 300, 'x');
  const auto size = static_cast<uint32_t>(content.size());
  std::string out(1, static_cast<char>(0x50 + random() % 16));
  out += "\x2a\x4d\x18";
  return out.append(reinterpret_cast<const char*>(&size), sizeof(size)) + content;
}

/// All lines, and that each but the last ends with its line feed.
std::string read_lines(const fs::path& path) {
  LineReader reader(path);
  std::string text;
  for (std::string line; reader.next(line);) {
    EXPECT_TRUE(text.empty() || text.ends_with('\n'));
    EXPECT_EQ(line.find('\n') + 1, line.ends_with('\n') ? line.size() : 0);
    text += line;
  }
  EXPECT_EQ(reader.bytes_read(), static_cast<int64_t>(fs::file_size(path)));
  EXPECT_EQ(reader.sha256(), sha256_of_file(path));
  return text;
}

TEST(LineReader, ZstdFilesReadAsTheirFramesSay) {
  std::mt19937_64 random(test_seed());
  const TempFolder folder;
  // A reader takes a block at a time, which is some power of two.
  constexpr size_t mib = size_t{1} << 20;
  constexpr std::array<size_t, 10> sizes = {0,       1,       777,     mib - 1, mib,
                                            mib + 1, 2 * mib, 1 << 16, 1 << 17, 3 << 16};
  for (int trial = 0; trial < 30; ++trial) {
    std::string text;
    std::string packed;
    std::vector<size_t> ends;  // of frames: the only places where a file may end
    for (size_t frames = trial < 10 ? 1 : 1 + random() % 4; frames > 0; --frames) {
      if (trial >= 10 && random() % 3 == 0) {
        packed += skippable(random);
      } else {
        std::string part(trial < 10 ? sizes[static_cast<size_t>(trial)] : sizes[random() % sizes.size()],
                         '\0');
        for (size_t i = 0; i < part.size(); ++i)
          part[i] = i % 1000 == 999 ? '\n' : static_cast<char>('a' + i * i % 23);
        packed += frame(part, random);
        text += part;
      }
      ends.push_back(packed.size());
    }
    write_text(folder / "a.zst", packed);
    ASSERT_TRUE(read_lines(folder / "a.zst") == text) << "trial " << trial;
    std::string whole(text.size() + 1, '\0');
    ASSERT_EQ(ZSTD_decompress(whole.data(), whole.size(), packed.data(), packed.size()), text.size());
    for (int cut = 0; cut < 4; ++cut) {
      const size_t size = random() % packed.size();
      if (std::find(ends.begin(), ends.end(), size) != ends.end()) continue;
      write_text(folder / "cut.zst", packed.substr(0, size));
      EXPECT_TRUE(testing::holds(message_of<Error>([&] { read_lines(folder / "cut.zst"); }),
                                 {"cut.zst", "break off"}))
          << "trial " << trial << ", " << size << " of " << packed.size() << " bytes";
    }
    write_text(folder / "more.zst", packed + "more");
    EXPECT_NE(message_of<Error>([&] { read_lines(folder / "more.zst"); }).find("more.zst: broken zstd"),
              std::string::npos);
  }
}

TEST(LineReader, WhatIsNoFileIsNamed) {
  const TempFolder folder;
  write_text(folder / "empty.zst", "");
  EXPECT_NE(message_of<Error>([&] { read_lines(folder / "empty.zst"); }).find("break off"),
            std::string::npos);
  write_text(folder / "empty.txt", "");
  EXPECT_EQ(read_lines(folder / "empty.txt"), "");
  for (const auto& path : {folder.path(), folder / "none"}) {
    EXPECT_NE(message_of<Error>([&] { read_lines(path); }).find(path.string() + ": cannot be read: "),
              std::string::npos);
    EXPECT_NE(message_of<Error>([&] { read_file(path); }).find(path.string() + ": cannot be read: "),
              std::string::npos);
  }
  const std::string text(3'000'000, 'x');
  write_text(folder / "whole", text);
  EXPECT_TRUE(read_file(folder / "whole") == text);
  EXPECT_EQ(read_file(folder / "empty.txt"), "");
}

TEST(FileSource, TextIsCutAtEmptyLinesAndNothingIsLost) {
  const TempFolder folder;
  std::string text;
  for (int i = 0; text.size() < 200'000; ++i) {
    text += "Line " + std::to_string(i) + " of a text.\n";
    if (i % 10 == 9) text += "\n";
  }
  write_text(folder / "book.txt", text);
  const auto pieces = all(*file_source(folder / "book.txt"));
  EXPECT_GT(pieces.size(), 8u);
  std::string joined;
  for (const Document& piece : pieces) {
    EXPECT_LE(piece.text.size(), 20'000u);
    joined += piece.text;
  }
  EXPECT_EQ(joined, text);

  fs::create_directories(folder / "f/g");
  fs::copy(folder / "book.txt", folder / "f/g/book.txt");
  write_text(folder / "f/z.md", "short");
  write_text(folder / "f/image.png", "\xff");
  const auto files = all(*file_source(folder / "f"));
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].id, "g/book.txt");
  EXPECT_EQ(files[0].text, text);

  write_text(folder / "f/z.md", "fine\nnot \xff fine\n");
  EXPECT_NE(message_of<Error>([&] {
              all(*file_source(folder / "f"));
            }).find("z.md:2: byte 5 of the line is no UTF-8"),
            std::string::npos);
  fs::create_directories(folder / "none");
  EXPECT_THROW(file_source(folder / "none"), Error);
}

TEST(Markov, EntropyIsThatOfItsText) {
  const uint64_t seed = test_seed();
  const MarkovWords words(seed);
  double nll = 0.0;
  double bytes = 0.0;
  const auto walk = words.walk(3, 200'001);
  for (size_t i = 1; i < walk.size(); ++i) {
    const double p = words.probability(walk[i - 1], walk[i]);
    ASSERT_GT(p, 0.0);
    nll -= std::log2(p);
    bytes += static_cast<double>(words.word(walk[i]).size() + 1);
  }
  EXPECT_NEAR(nll / 200'000.0, words.entropy_per_word(), 0.03);
  EXPECT_NEAR(nll / bytes, words.entropy_per_byte(), 0.01);
  for (int32_t w = 0; w < words.states(); ++w) {
    double sum = 0.0;
    for (int32_t next = 0; next < words.states(); ++next) sum += words.probability(w, next);
    ASSERT_NEAR(sum, 1.0, 1e-12);
    for (int32_t other = 0; other < w; ++other) ASSERT_NE(words.word(w), words.word(other));
  }
  EXPECT_THROW(MarkovWords(seed, 3), Error);
}

TEST(Markov, TheSameSeedGivesTheSameTextAndALongerOneGoesOn) {
  const uint64_t seed = test_seed();
  Document a;
  Document b;
  const auto shorter = markov_source(seed, 20'000);
  const auto longer = markov_source(seed, 40'000);
  const auto other = markov_source(seed + 1, 20'000);
  Document c;
  ASSERT_TRUE(other->next(c));
  int count = 0;
  while (shorter->next(a)) {
    ASSERT_TRUE(longer->next(b));
    EXPECT_EQ(a.text, b.text);
    EXPECT_EQ(a.id, b.id);
    EXPECT_NE(a.text, c.text);
    ++count;
  }
  EXPECT_GT(count, 5);
  EXPECT_TRUE(longer->next(b));
}

TEST(Prose, HtmlBecomesParagraphs) {
  const auto found = html_paragraphs(
      "<html><head><title>no</title><style>p {x: y}</style></head><body><h1>Head&amp;er</h1>\n<p>One\n two "
      "<i>three"
      "</i>&nbsp;four &lt;five&gt; &#233;&#x2014;.</p><!-- <p>no</p> --><p>1 < 2 & 3 "
      "&bogus;</p>a<br>b<br/><br>c"
      "<ul><li>item</li></ul><p>tail");
  const std::vector<std::string> expected = {
      "Head&er", "One two three four <five> \xc3\xa9\xe2\x80\x94.", "1 < 2 & 3 &bogus;", "a b", "c", "item",
      "tail"};
  EXPECT_EQ(found, expected);
  EXPECT_TRUE(html_paragraphs("").empty());
  EXPECT_EQ(html_paragraphs("x <unclosed"), std::vector<std::string>{"x"});
}

TEST(Prose, RunningEnglishPassesTablesAndListsDoNot) {
  const std::string prose =
      "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in "
      "want of "
      "a wife, however little known the feelings of such a man may be.";
  EXPECT_TRUE(is_english_prose(prose));
  EXPECT_FALSE(is_english_prose(prose.substr(0, 100)));
  EXPECT_FALSE(
      is_english_prose("1789 1790 1791 1792 1793 1794 1795 1796 1797 1798 of the and to 1799 1800 1801 1802 "
                       "1803 1804 1805 1806 1807 of"
                       " the and a to in that"));
  EXPECT_FALSE(
      is_english_prose("Proudhon Bakunin Kropotkin Malatesta Goldman Berkman Rocker Bookchin Chomsky Tucker "
                       "Spooner Warren Stirner "
                       "Godwin Tolstoy Landauer Durruti Makhno Voline Ward"));
  const std::vector<std::string> lines = {"", "one", "two ", "", " ", "three", ""};
  EXPECT_EQ(joined_paragraphs(lines), (std::vector<std::string>{"one two", "three"}));
}

std::string big_endian(uint32_t n) {
  return {static_cast<char>(n >> 24), static_cast<char>(n >> 16), static_cast<char>(n >> 8),
          static_cast<char>(n)};
}

std::string r_block(const std::string& object) {
  uLongf size = ::compressBound(object.size());
  std::string packed(size, '\0');
  ::compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(object.data()),
             object.size());
  return big_endian(static_cast<uint32_t>(object.size())) + packed.substr(0, size);
}

TEST(RData, ReadsStringsAndRefusesTheRest) {
  const TempFolder folder;
  const std::string head = "X\n" + big_endian(3) + big_endian(1) + big_endian(2) + big_endian(5) + "UTF-8";
  const auto element = [](const std::string& s) {
    return big_endian(0x40009) + big_endian(static_cast<uint32_t>(s.size())) + s;
  };
  const std::string good = head + big_endian(16) + big_endian(3) + element("one") + element("") +
                           big_endian(9) + big_endian(0xFFFFFFFF);
  write_text(folder / "a.rdb", r_block(good) + r_block("X\n" + big_endian(2) + big_endian(1) + big_endian(2) +
                                                       big_endian(16) + big_endian(1) + element("two")));
  const std::vector<std::vector<std::string>> expected = {{"one", "", ""}, {"two"}};
  EXPECT_EQ(read_r_texts(folder / "a.rdb"), expected);

  const std::string block = r_block(good);
  for (const std::string& bad :
       {std::string("\0\0", 2), big_endian(0xFFFFFFFF), block.substr(0, block.size() - 9),
        big_endian(9) + block.substr(4), r_block("Y\n"), r_block(head),
        r_block(head + big_endian(13) + big_endian(0)),
        r_block(head + big_endian(16) + big_endian(0x7FFFFFFF)), r_block(good.substr(0, good.size() - 2)),
        r_block(head + big_endian(16) + big_endian(1) + big_endian(9) + big_endian(100) + "short")}) {
    write_text(folder / "bad.rdb", bad);
    EXPECT_NE(message_of<Error>([&] { read_r_texts(folder / "bad.rdb"); }).find("bad.rdb"),
              std::string::npos);
  }
}

TEST(Subprocess, OutputStatusAndAbsence) {
  std::string out;
  const auto echo =
      run_command({"sh", "-c", "pwd; echo oops >&2; exit 3"}, "/", [&](std::string_view s) { out += s; });
  EXPECT_TRUE(echo.found);
  EXPECT_EQ(echo.status, 3);
  EXPECT_EQ(out, "/\n");
  EXPECT_EQ(echo.messages, "oops\n");
  EXPECT_FALSE(run_command({"no-such-program-here"}).found);
  EXPECT_EQ(run_command({"sh", "-c", "kill -9 $$"}).status, 137);
}

/// Environment variables as they were when the test ends.
class Environment {
 public:
  void set(const char* name, const std::string& value) {
    if (const char* const old = std::getenv(name)) before_.emplace(name, old);
    names_.push_back(name);
    ::setenv(name, value.c_str(), 1);
  }
  ~Environment() {
    for (const char* name : names_) {
      const auto old = before_.find(name);
      old == before_.end() ? ::unsetenv(name) : ::setenv(name, old->second.c_str(), 1);
    }
  }

 private:
  std::map<std::string, std::string> before_;
  std::vector<const char*> names_;
};

TEST(DebianSource, SaysWhatToDoWithoutAptAndRefusesAWrongPackage) {
  const TempFolder folder;
  Environment environment;
  environment.set("XDG_CACHE_HOME", (folder / "cache").string());
  environment.set("PATH", folder.path().string());
  const auto source = debian_source(folder / "fallback");
  Document document;
  const std::string message = message_of<Error>([&] { source->next(document); });
  EXPECT_NE(message.find("apt-get, which is not here"), std::string::npos) << message;
  EXPECT_NE(message.find("markov"), std::string::npos) << message;
  write_text(folder / "cache/photon/anarchism_15.3-3_all.deb", "something else");
  EXPECT_NE(message_of<Error>([&] { source->next(document); }).find("SHA-256"), std::string::npos);
}

}  // namespace
}  // namespace photon
