// SPDX-License-Identifier: Apache-2.0
#include "core/text/token_file.h"

#include <gtest/gtest.h>

#include <random>

#include "core/base/error.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon {
namespace {

using testing::message_of;
using testing::read_text;
using testing::TempFolder;
using testing::test_seed;
using testing::write_text;

TEST(TokenFile, WhatIsWrittenIsRead) {
  std::mt19937_64 random(test_seed());
  const TempFolder folder;
  for (const int64_t vocab : {1, 300, 65536, 65537, 200000}) {
    std::vector<int32_t> ids(777);
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % static_cast<uint64_t>(vocab));
    ids.back() = static_cast<int32_t>(vocab - 1);
    TokenFileWriter writer(folder / "f.tokens", vocab, 42);
    writer.write(std::span(ids).first(100));
    writer.write({});
    writer.write(std::span(ids).subspan(100));
    EXPECT_FALSE(std::filesystem::exists(folder / "f.tokens"));
    writer.finish();
    const TokenFile file(folder / "f.tokens");
    EXPECT_EQ(file.size(), 777);
    EXPECT_EQ(file.vocab(), vocab);
    EXPECT_EQ(file.tokenizer_hash(), 42u);
    std::vector<int32_t> read(500);
    file.read(277, read);
    EXPECT_TRUE(std::equal(read.begin(), read.end(), ids.begin() + 277));
    EXPECT_EQ(std::filesystem::file_size(folder / "f.tokens"), 40 + 777 * (vocab <= 65536 ? 2u : 4u));
    EXPECT_THROW(file.read(278, read), Error);
    EXPECT_THROW(file.read(-1, read), Error);
    EXPECT_THROW(file.read(int64_t{1} << 62, read), Error);
    std::filesystem::remove(folder / "f.tokens");
  }
}

TEST(TokenFile, AnAbandonedFileLeavesNothing) {
  const TempFolder folder;
  {
    TokenFileWriter writer(folder / "f.tokens", 10, 0);
    writer.write(std::vector<int32_t>{1, 2});
    EXPECT_THROW(writer.write(std::vector<int32_t>{10}), Error);
    EXPECT_THROW(writer.write(std::vector<int32_t>{-1}), Error);
  }
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(TokenFile, EveryCorruptionHasItsMessage) {
  const TempFolder folder;
  write_token_file(folder / "good.tokens", 300, std::vector<int32_t>{1, 2, 299}, 7);
  const std::string good = read_text(folder / "good.tokens");
  ASSERT_EQ(good.size(), 46u);
  const auto refused = [&](std::string bytes) {
    write_text(folder / "bad.tokens", bytes);
    return message_of<Error>([&] { TokenFile unused(folder / "bad.tokens"); });
  };
  const auto with = [&](size_t at, std::string_view bytes) {
    return std::string(good).replace(at, bytes.size(), bytes);
  };
  using namespace std::string_view_literals;
  struct Case {
    std::string bytes;
    const char* says;
  };
  const Case cases[] = {
      {"", "0 bytes are less than"},
      {good.substr(0, 39), "39 bytes are less than"},
      {with(0, "PHOTOKEM"), "does not begin with PHOTOKEN"},
      {with(8, "\x02"), "version 2, this program reads 1"},
      {with(12, "\x03"), "ids of 3 bytes; 2 or 4"},
      {with(12, "\x00"sv), "ids of 0 bytes"},
      {with(12, "\x04"), "counts 3 ids of 4 bytes, 6 bytes follow"},
      {with(16, "\0\0\0\0\0\0\0\0"sv), "a vocabulary of 0"},
      {with(16, "\xff\xff\xff\xff\xff\xff\xff\xff"), "a vocabulary of 18446744073709551615"},
      {with(24, "\x04"), "counts 4 ids of 2 bytes, 6 bytes follow"},
      {with(24, "\x02"), "counts 2 ids of 2 bytes, 6 bytes follow"},
      {with(24, "\x03\0\0\0\0\0\0\x80"sv), "counts 9223372036854775811 ids"},  // times 2 it wraps around to 6
      {good.substr(0, 45), "5 bytes follow"},
      {good + "x", "7 bytes follow"},
  };
  for (const Case& c : cases) {
    const std::string message = refused(c.bytes);
    EXPECT_NE(message.find(c.says), std::string::npos) << message << "\nshould say: " << c.says;
    EXPECT_NE(message.find("bad.tokens"), std::string::npos) << message;
  }
  EXPECT_THROW(TokenFile unused(folder / "absent.tokens"), Error);
}

TEST(TokenFile, AnIdOutsideTheVocabularyIsFoundOnReading) {
  const TempFolder folder;
  write_token_file(folder / "f.tokens", 300, std::vector<int32_t>{1, 2, 299});
  std::string bytes = read_text(folder / "f.tokens");
  bytes[42] = static_cast<char>(0x2C);  // 300
  bytes[43] = 1;
  write_text(folder / "f.tokens", bytes);
  const TokenFile file(folder / "f.tokens");
  std::vector<int32_t> ids(3);
  EXPECT_NE(
      message_of<Error>([&] { file.read(0, ids); }).find("id 300 at 1 is outside the vocabulary of 300"),
      std::string::npos);
  file.read(2, std::span(ids).first(1));
  EXPECT_EQ(ids[0], 299);
}

}  // namespace
}  // namespace photon
