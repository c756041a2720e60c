#include "core/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/error.h"
#include "core/markov.h"
#include "core/utf8.h"
#include "tests/core/temp_folder.h"

namespace photon {
namespace {

using testing::file_test_seed;
using testing::message_of;
using testing::read_text;
using testing::TempFolder;
using testing::write_text;

void train_small(const std::filesystem::path& out, uint64_t seed = 1) {
  const MarkovWords source(seed);
  uint64_t at = 0;
  train_tokenizer(
      [&](std::string& line) {
        line.clear();
        for (const int32_t state : source.walk(at, 40)) (line += source.word(state)) += ' ';
        return at++ < 200;
      },
      400, out);
}

/// Any characters but U+2581, which stands for the space: ASCII most often, so that pieces are found.
std::string random_utf8(std::mt19937_64& random, size_t characters) {
  std::string text;
  while (characters-- > 0) {
    const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
    const uint32_t kind = below(10);
    auto c = static_cast<uint32_t>("the rain \n\tand salt"[below(19)]);
    if (kind >= 6) c = kind < 8 ? below(0x800) : below(0x110000);
    if ((c >= 0xD800 && c < 0xE000) || c == 0x2581) c = 'x';
    const auto byte = [&](uint32_t value) { text.push_back(static_cast<char>(value)); };
    if (c < 0x80) {
      byte(c);
    } else if (c < 0x800) {
      byte(0xC0 | c >> 6), byte(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
      byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F));
    } else {
      byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 0x3F)), byte(0x80 | (c >> 6 & 0x3F)),
          byte(0x80 | (c & 0x3F));
    }
  }
  return text;
}

class TokenizerTest : public ::testing::Test {
 protected:
  void SetUp() override { train_small(folder_ / "t.model"); }
  TempFolder folder_;
};

TEST_F(TokenizerTest, AnyTextComesBack) {
  std::mt19937_64 random(file_test_seed());
  const Tokenizer tokenizer(folder_ / "t.model");
  EXPECT_EQ(tokenizer.vocab(), 400);
  EXPECT_TRUE(tokenizer.encode("").empty());
  for (int trial = 0; trial < 200; ++trial) {
    const std::string text = random_utf8(random, random() % 60);
    ASSERT_TRUE(is_utf8(text));
    const auto ids = tokenizer.encode(text);
    ASSERT_EQ(tokenizer.decode(ids), text) << ::testing::PrintToString(text);
    int64_t bytes = 0;
    for (const int32_t id : ids) bytes += tokenizer.bytes(id);
    ASSERT_EQ(bytes, static_cast<int64_t>(text.size()));
  }
  for (const std::string text : {" ", "  two  spaces  ", "\n\n", "tail ", " head"})
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  EXPECT_EQ(tokenizer.bytes(tokenizer.end_of_text()), 0);
}

TEST_F(TokenizerTest, StreamHandsOutWholeCharacters) {
  std::mt19937_64 random(file_test_seed());
  const Tokenizer tokenizer(folder_ / "t.model");
  for (int trial = 0; trial < 50; ++trial) {
    const std::string text = random_utf8(random, 30);
    StreamDecoder stream(tokenizer);
    std::string heard;
    for (const int32_t id : tokenizer.encode(text)) {
      const std::string piece = stream.append(std::span(&id, 1));
      ASSERT_TRUE(is_utf8(piece));
      heard += piece;
    }
    heard += stream.finish();
    ASSERT_EQ(heard, text);
  }
  // The first byte of a character and nothing more.
  const auto ids = tokenizer.encode("\xf0\x9f\x8c\x99");
  ASSERT_EQ(ids.size(), 4u);
  StreamDecoder stream(tokenizer);
  EXPECT_EQ(stream.append(std::span(ids).first(3)), "");
  EXPECT_EQ(stream.finish(), "\xf0\x9f\x8c");
}

TEST_F(TokenizerTest, TheSameLinesGiveTheSameModel) {
  train_small(folder_ / "again.model");
  train_small(folder_ / "other.model", 2);
  EXPECT_EQ(read_text(folder_ / "t.model"), read_text(folder_ / "again.model"));
  EXPECT_EQ(Tokenizer(folder_ / "t.model").hash(), Tokenizer(folder_ / "again.model").hash());
  EXPECT_NE(Tokenizer(folder_ / "t.model").hash(), Tokenizer(folder_ / "other.model").hash());
}

TEST_F(TokenizerTest, Errors) {
  const auto load = [&](std::string_view name) {
    return message_of<Error>([&] { Tokenizer unused(folder_ / name); });
  };
  EXPECT_NE(load("absent.model").find("cannot be read"), std::string::npos);
  write_text(folder_ / "empty.model", "");
  EXPECT_NE(load("empty.model").find("no SentencePiece model"), std::string::npos);
  write_text(folder_ / "text.model", "not a model at all, but text");
  EXPECT_NE(load("text.model").find("no SentencePiece model"), std::string::npos);
  const Tokenizer tokenizer(folder_ / "t.model");
  EXPECT_THROW(tokenizer.bytes(400), Error);
  EXPECT_THROW(tokenizer.bytes(-1), Error);
  EXPECT_THROW(train_tokenizer([](std::string&) { return false; }, 400, folder_ / "none.model"), Error);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "none.model"));
}

}  // namespace
}  // namespace photon
