// SPDX-License-Identifier: Apache-2.0
#include "core/text/package_text.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "core/base/error.h"
#include "core/text/corpus.h"
#include "tests/core/base/temp_folder.h"

namespace photon {
namespace {

using testing::TempFolder;
using testing::write_text;

void append(std::string& out, uint32_t value) {
  for (int i = 0; i < 4; ++i) out += static_cast<char>(value >> (8 * i));
}

/// Adds a block to a testament.
void add(std::string& index, std::string& packed, const std::string& text) {
  uLongf size = ::compressBound(text.size());
  std::string block(size, '\0');
  ASSERT_EQ(::compress(reinterpret_cast<Bytef*>(block.data()), &size,
                       reinterpret_cast<const Bytef*>(text.data()), text.size()),
            Z_OK);
  append(index, static_cast<uint32_t>(packed.size()));
  append(index, static_cast<uint32_t>(size));
  append(index, static_cast<uint32_t>(text.size()));
  packed += block.substr(0, size);
}

TEST(PackageText, BlocksOfAModuleAreItsTextWithoutNotes) {
  const TempFolder folder;
  std::string index, packed;
  add(index, packed, "<div sID=\"1\"/>In the <hi>beginning</hi><note place=\"foot\">or: start</note> was.");
  add(index, packed, "<div sID=\"2\"/>Second.");
  write_text(folder / "ot.bzs", index);
  write_text(folder / "ot.bzz", packed);
  write_text(folder / "ot.bzv", "not looked at");
  const auto texts = sword_texts(folder.path());
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(texts[0].id, "ot/0");
  EXPECT_EQ(texts[0].paragraphs, std::vector<std::string>{"In the beginning was."});
  EXPECT_EQ(texts[1].paragraphs, std::vector<std::string>{"Second."});
  for (const std::string& broken : {index.substr(1), index.substr(0, 12 + 3)}) {
    write_text(folder / "ot.bzs", broken);
    EXPECT_THROW(sword_texts(folder.path()), Error);
  }
  write_text(folder / "ot.bzs", index);
  for (const size_t length : {packed.size() - 1, packed.size() / 3, size_t{0}}) {
    write_text(folder / "ot.bzz", packed.substr(0, length));
    EXPECT_THROW(sword_texts(folder.path()), Error) << length;
  }
  EXPECT_THROW(sword_texts(folder / "nothing"), std::exception);
}

TEST(PackageText, FortunesAreParagraphs) {
  const TempFolder folder;
  write_text(folder / "law", "A saying\nof two lines.\n%\nAnother.\n%\n\xff no text\n");
  write_text(folder / "law.dat", "an index");
  const auto texts = fortune_texts(folder.path());
  ASSERT_EQ(texts.size(), 1u);
  EXPECT_EQ(texts[0].id, "law");
  EXPECT_EQ(texts[0].paragraphs, (std::vector<std::string>{"A saying of two lines.", "Another."}));
}

TEST(PackageText, PiecesLoseNothingAndEndAtEmptyLines) {
  std::string text;
  std::vector<std::string> paragraphs;
  for (int i = 0; i < 5000; ++i) {
    paragraphs.push_back(fmt::format("entry {} says something of itself", i));
    text += paragraphs.back() + "\n\n";
  }
  std::vector<std::string> found;
  const auto texts = pieces(text);
  EXPECT_GT(texts.size(), 1u);
  for (const PackageText& piece : texts)
    found.insert(found.end(), piece.paragraphs.begin(), piece.paragraphs.end());
  EXPECT_EQ(found, paragraphs);
  EXPECT_TRUE(pieces("").empty());
}

TEST(PackageText, GunzipsWholeFilesOnly) {
  const TempFolder folder;
  const std::string text(100000, 'x');
  const auto file = folder / "a.gz";
  gzFile out = ::gzopen(file.c_str(), "wb");
  ASSERT_EQ(::gzwrite(out, text.data(), static_cast<unsigned>(text.size())), static_cast<int>(text.size()));
  ::gzclose(out);
  EXPECT_EQ(gunzipped_file(file), text);
  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
  EXPECT_THROW(gunzipped_file(file), Error);
  write_text(file, "no gzip");
  EXPECT_THROW(gunzipped_file(file), Error);
  EXPECT_THROW(gunzipped_file(folder / "missing"), Error);
}

// A seed that put them there would train on half of the corpus and score the other half.
TEST(PackageText, TheScripturesOfTheLargeCorpusAreTrainedOn) {
  EXPECT_EQ(split_of("bible", CorpusConfig{}), Split::train);
}

}  // namespace
}  // namespace photon
