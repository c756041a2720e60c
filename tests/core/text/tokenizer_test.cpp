// SPDX-License-Identifier: Apache-2.0
#include "core/text/tokenizer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <cstring>
#include <numeric>
#include <set>
#include <thread>

#include "core/base/error.h"
#include "core/base/utf8.h"
#include "core/text/tokenizer_model.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon {
namespace {

using testing::message_of;
using testing::read_text;
using testing::TempFolder;
using testing::write_text;

using Random = std::mt19937_64;

size_t below(Random& random, size_t n) {
  return static_cast<size_t>(random() % n);
}

std::string random_word(Random& random) {
  static constexpr std::string_view letters = "etaoinshrdlucmfwypvbgkqjxz";
  std::string word;
  for (size_t n = 1 + below(random, 7); word.size() < n;) {
    word.push_back(letters[std::min(below(random, 26), below(random, 26))]);
  }
  return word;
}

/// Lines of a few hundred different words, the same for a seed.
LineSource random_lines(uint64_t seed, int count = 400) {
  auto random = std::make_shared<Random>(seed);
  auto words = std::make_shared<std::vector<std::string>>();
  for (int i = 0; i < 500; ++i) words->push_back(random_word(*random));
  return [random, words, left = count](std::string& line) mutable {
    if (left-- == 0) return false;
    line.clear();
    for (size_t n = 5 + below(*random, 20); n > 0; --n) {
      line += (*words)[std::min(below(*random, 500), below(*random, 500))] + (n > 1 ? " " : ".");
    }
    return true;
  };
}

/// Words, runs of spaces, newlines, characters of one to four bytes, NUL, and what looks like pieces.
std::string random_utf8(Random& random, bool with_mark) {
  static constexpr std::string_view odd[] = {"  ",    "\n",   "\n\n",       "\t",  "é",    "ß",
                                             "…",     "日本", "\U0001F600", "<s>", "</s>", "<0x41>",
                                             "<unk>", "\r\n", "☃",          "“x”"};
  std::string text;
  for (size_t n = below(random, 60); n > 0; --n) {
    switch (below(random, 8)) {
      case 0:
        text += odd[below(random, std::size(odd))];
        break;
      case 1:
        text += with_mark ? "\u2581" : "_";
        break;
      case 2:
        text.push_back('\0');
        break;
      default:
        text += (below(random, 4) == 0 ? "" : " ") + random_word(random);
    }
  }
  return text;
}

std::string random_bytes(Random& random) {
  std::string text(below(random, 200), '\0');
  for (char& c : text) c = static_cast<char>(below(random, 3) == 0 ? ' ' : random());
  return text;
}

/// Gives the lines of a vector, one a call.
LineSource lines_of(std::vector<std::string> lines) {
  return [lines = std::move(lines), at = size_t{0}](std::string& line) mutable {
    if (at == lines.size()) return false;
    line = lines[at++];
    return true;
  };
}

int64_t sum(const std::vector<int32_t>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), int64_t{0});
}

class TokenizerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempFolder>();
    train_tokenizer(random_lines(1), 700, *folder_ / "plain.model");
    // What Llama's model is to ours: a space before the text.
    constexpr std::string_view dummy_prefix_on{"\x1a\x02\x18\x01", 4};
    write_text(*folder_ / "dummy.model", read_text(*folder_ / "plain.model").append(dummy_prefix_on));
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::filesystem::path model(std::string_view name) { return *folder_ / name; }

  /// Ids and text as SentencePiece itself gives them.
  struct Original : sentencepiece::SentencePieceProcessor {
    explicit Original(std::string_view name) { EXPECT_TRUE(Load(model(name).string()).ok()); }
  };

  static inline std::unique_ptr<TempFolder> folder_;
  Random random_{testing::test_seed()};
};

TEST_F(TokenizerTest, DecodeUndoesEncodeForAnyBytes) {
  for (const auto* name : {"plain.model", "dummy.model"}) {
    const Tokenizer tokenizer(model(name));
    for (int i = 0; i < 300; ++i) {
      const std::string text = i % 2 == 0 ? random_utf8(random_, true) : random_bytes(random_);
      ASSERT_EQ(tokenizer.decode(tokenizer.encode(text)), text) << name;
    }
  }
}

TEST_F(TokenizerTest, WordByWordGivesSentencePiecesOwnIds) {
  for (const auto* name : {"plain.model", "dummy.model"}) {
    const Tokenizer tokenizer(model(name));
    const Original processor(name);
    for (int i = 0; i < 300; ++i) {
      const std::string text = random_utf8(random_, false);
      const auto ids = tokenizer.encode(text);
      const std::vector<int> expected = processor.EncodeAsIds({text.data(), text.size()});
      ASSERT_EQ(ids, std::vector<int32_t>(expected.begin(), expected.end())) << name << ": " << text;
      ASSERT_EQ(tokenizer.decode(ids), processor.DecodeIds(expected)) << name;
    }
  }
}

TEST_F(TokenizerTest, NormalisingModelsEncodeAsSentencePieceDoes) {
  std::string line;
  std::string text;
  for (const auto lines = random_lines(3); lines(line);) text += line + "\n";
  write_text(model("lines.txt"), text);
  const auto trained = sentencepiece::SentencePieceTrainer::Train(
      fmt::format("--input={} --model_prefix={} --model_type=unigram --vocab_size=200 --minloglevel=2",
                  model("lines.txt").string(), model("unigram").string()));
  ASSERT_TRUE(trained.ok()) << trained.ToString();
  const Tokenizer tokenizer(model("unigram.model"));
  const Original processor("unigram.model");
  std::istringstream in(text.substr(0, 4000));
  while (std::getline(in, line)) {
    const std::vector<int> expected = processor.EncodeAsIds(line);
    const auto ids = tokenizer.encode(line);
    ASSERT_EQ(ids, std::vector<int32_t>(expected.begin(), expected.end()));
    ASSERT_EQ(tokenizer.decode(ids), processor.DecodeIds(expected));
  }
}

TEST_F(TokenizerTest, ManyThreadsGetTheSameIds) {
  const Tokenizer tokenizer(model("plain.model"));
  std::vector<std::string> texts;
  std::vector<std::vector<int32_t>> expected;
  for (int i = 0; i < 100; ++i) {
    texts.push_back(random_utf8(random_, true));
    expected.push_back(Tokenizer(model("plain.model")).encode(texts.back()));
  }
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < texts.size(); ++i) wrong[t] += tokenizer.encode(texts[i]) != expected[i];
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST_F(TokenizerTest, AStreamIsWholeCharactersAndAddsUpToTheText) {
  const Tokenizer tokenizer(model("plain.model"));
  for (int i = 0; i < 100; ++i) {
    const std::string text = random_utf8(random_, true);
    StreamDecoder decoder(tokenizer);
    std::string whole;
    for (const int32_t id : tokenizer.encode(text)) {
      const std::string part = decoder.append(std::span(&id, 1));
      ASSERT_TRUE(is_utf8(part));
      whole += part;
    }
    EXPECT_EQ(decoder.finish(), "");
    ASSERT_EQ(whole, text);
  }
}

TEST_F(TokenizerTest, AContinuationKeepsItsSpace) {
  const Tokenizer tokenizer(model("dummy.model"));
  const auto ids = tokenizer.encode("the");
  EXPECT_EQ(tokenizer.decode(ids), "the");
  EXPECT_EQ(StreamDecoder(tokenizer).append(ids), " the");
}

TEST_F(TokenizerTest, BytesOfTokensAddUpToTheText) {
  const Tokenizer tokenizer(model("plain.model"));
  for (int i = 0; i < 50; ++i) {
    const std::string text = random_bytes(random_);
    const auto ids = tokenizer.encode(text);
    ASSERT_EQ(sum(tokenizer.bytes_of(ids)), std::ssize(text));
  }
  EXPECT_EQ(tokenizer.piece_bytes(tokenizer.end_of_text()), "");
  EXPECT_EQ(tokenizer.decode(std::vector{tokenizer.end_of_text()}), "");
}

TEST_F(TokenizerTest, ALongRunWithoutSpacesComesBack) {
  const Tokenizer tokenizer(model("plain.model"));
  std::string text;
  while (text.size() < 2'100'000) text += "日本語é";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
}

TEST_F(TokenizerTest, RunsWithoutASpaceOfAnyLengthTrain) {
  const auto run = [&](std::string_view kind, size_t characters) {
    std::vector<std::string> alphabet;
    if (kind == "DNA") alphabet = {"A", "C", "G", "T"};
    if (kind == "Chinese") alphabet = {"日", "月", "山", "水", "人", "大", "小", "。"};
    if (kind == "Japanese") alphabet = {"あ", "い", "カ", "タ", "本", "の", "、"};
    if (kind == "base64") {
      for (char c = 'A'; c <= 'Z'; ++c)
        alphabet.insert(alphabet.end(), {std::string(1, c), std::string(1, c + 32)});
    }
    std::string text;
    for (size_t i = 0; i < characters; ++i) text += alphabet[below(random_, alphabet.size())];
    return text;
  };
  // Up to 32,769 characters the library trains, up to 65,536 it crashes, above it ends the process.
  for (const auto& [kind, characters] : {std::pair("DNA", 32'769),
                                         {"DNA", 32'770},
                                         {"base64", 50'000},
                                         {"Chinese", 65'536},
                                         {"Japanese", 65'537},
                                         {"Chinese", 150'000}}) {
    std::vector<std::string> lines(50, "a line of the notes around it");
    lines.push_back(run(kind, static_cast<size_t>(characters)));
    const TrainingLines trained = train_tokenizer(lines_of(lines), 330, model("run.model"));
    EXPECT_EQ(trained.used, 51);
    EXPECT_EQ(trained.cut, 1) << kind;
    const Tokenizer tokenizer(model("run.model"));
    const auto ids = tokenizer.encode(lines.back());
    EXPECT_EQ(tokenizer.decode(ids), lines.back());
    EXPECT_LT(ids.size(), static_cast<size_t>(characters)) << "nothing was learnt of the run";
  }
}

TEST_F(TokenizerTest, WhateverTheLinesTrainingGivesATokenizerOfAnyBytes) {
  for (int trial = 0; trial < 20; ++trial) {
    std::vector<std::string> lines;
    for (size_t n = 1 + below(random_, 60); n > 0; --n) {
      lines.push_back(below(random_, 3) == 0 ? random_bytes(random_) : random_utf8(random_, true));
      std::erase(lines.back(), '\n');
      if (below(random_, 40) == 0)
        lines.back() += std::string(below(random_, 100'000), static_cast<char>(random_()));
    }
    // As many pieces as the text needs is not known before: a refusal tells it.
    std::string message;
    for (const int64_t vocab : {400, 1000, 5000, 263}) {
      try {
        train_tokenizer(lines_of(lines), vocab, model("any.model"));
      } catch (const Error& e) {
        message = e.what();
        ASSERT_TRUE(message.starts_with(fmt::format("no tokenizer of {} pieces from this text: ", vocab)))
            << message;
        ASSERT_EQ(message.find(".cc"), std::string::npos) << message;
        continue;
      }
      const Tokenizer tokenizer(model("any.model"));
      for (int i = 0; i < 10; ++i) {
        const std::string text = i % 2 == 0 ? random_utf8(random_, true) : random_bytes(random_);
        const auto ids = tokenizer.encode(text);
        ASSERT_EQ(tokenizer.decode(ids), text);
        ASSERT_EQ(sum(tokenizer.bytes_of(ids)), std::ssize(text));
      }
    }
  }
}

TEST_F(TokenizerTest, ASpaceIsOneTokenWhateverTheTrainingText) {
  std::vector<std::string> words(200, "日月山水人大小");
  for (size_t i = 0; i < words.size(); ++i) words[i].insert(0, std::to_string(i * i));
  std::vector<std::string> rare = words;
  rare[100] += " 日";  // far fewer spaces than the 0.05 % of characters that may be left out
  for (const auto& lines : {words, rare}) {
    train_tokenizer(lines_of(lines), 300, model("space.model"));
    const Tokenizer tokenizer(model("space.model"));
    ASSERT_EQ(tokenizer.encode(" ").size(), 1u);
    EXPECT_FALSE(Original("space.model").IsByte(tokenizer.encode(" ")[0]))
        << "the space has a piece of its own";
    EXPECT_EQ(tokenizer.encode("9 月").size(), 3u);
    for (const char* text :
         {" ", "  ", " 日", "日 ", "日  月", " a\tb  c ", "\u2581 \u2581", "日\u2581月 "}) {
      const auto ids = tokenizer.encode(text);
      EXPECT_EQ(tokenizer.decode(ids), text);
      EXPECT_EQ(sum(tokenizer.bytes_of(ids)), static_cast<int64_t>(std::strlen(text)));
    }
  }
}

TEST_F(TokenizerTest, AModelWithoutAPieceForTheSpaceSpellsItAsAByte) {
  // As photon's own were once where the text had no spaces.
  std::string text;
  for (int i = 0; i < 300; ++i) text += "日月山" + std::to_string(i) + "\n";
  write_text(model("no-space.txt"), text);
  const auto trained = sentencepiece::SentencePieceTrainer::Train(
      fmt::format("--input={} --model_prefix={} --model_type=bpe --vocab_size=290 --byte_fallback=true "
                  "--normalization_rule_name=identity --remove_extra_whitespaces=false "
                  "--add_dummy_prefix=false --minloglevel=2",
                  model("no-space.txt").string(), model("no-space").string()));
  ASSERT_TRUE(trained.ok()) << trained.ToString();
  const Tokenizer tokenizer(model("no-space.model"));
  for (int i = 0; i < 200; ++i) {
    const std::string any = i % 2 == 0 ? random_utf8(random_, true) : random_bytes(random_);
    const auto ids = tokenizer.encode(any);
    ASSERT_EQ(tokenizer.decode(ids), any);
    ASSERT_EQ(sum(tokenizer.bytes_of(ids)), std::ssize(any));
  }
  EXPECT_EQ(tokenizer.encode(" ").size(), 1u);
  EXPECT_EQ(tokenizer.encode("\u2581").size(), 3u);
}

TEST_F(TokenizerTest, WhyNoLineCanBeUsedIsTold) {
  const auto refusal = [](std::vector<std::string> lines, int64_t vocab = 300) {
    return message_of<Error>(
        [&] { train_tokenizer(lines_of(lines), vocab, model("no.model"), "notes.txt"); });
  };
  const std::string start = "no tokenizer of 300 pieces from notes.txt: ";
  const std::string long_line(1'000'001, 'x');
  const std::string reserved = "a bar \u2585 of a chart";
  EXPECT_EQ(refusal({}), start + "no text");
  EXPECT_EQ(refusal({"", ""}), start + "no text");
  EXPECT_EQ(refusal({long_line, long_line}), start + "no line of at most 1,000,000 bytes");
  EXPECT_EQ(refusal({reserved}), start + "every line holds U+2585, which SentencePiece reserves");
  EXPECT_EQ(
      refusal({reserved, long_line}),
      start + "no line of at most 1,000,000 bytes that does not hold U+2585, which SentencePiece reserves");
  EXPECT_FALSE(std::filesystem::exists(model("no.model")));

  // The numbers that refusals tell are the least and the most that can be had.
  const std::vector<std::string> lines(40, "the river and the old house");
  const auto number = [](const std::string& message, std::string_view before) {
    const size_t at = message.find(before);
    EXPECT_NE(at, std::string::npos) << message;
    return at == std::string::npos ? 0 : std::stoll(message.substr(at + before.size()));
  };
  const int64_t least = number(refusal(lines, 261), "take ");
  const int64_t most = number(refusal(lines, 5000), "words for ");
  EXPECT_EQ(least, 256 + 3 + std::ssize(std::set<char>(lines[0].begin(), lines[0].end())));
  EXPECT_GT(most, least);
  for (const int64_t vocab : {least, most}) {
    train_tokenizer(lines_of(lines), vocab, model("edge.model"));
    EXPECT_EQ(Tokenizer(model("edge.model")).vocab(), vocab);
  }
  refusal(lines, least - 1);
  refusal(lines, most + 1);
  for (const int64_t vocab : {int64_t{-1}, int64_t{259}, int64_t{1} << 40}) {
    EXPECT_NE(message_of<UsageError>([&] { check_vocab(vocab); }).find("260 to 1048576"), std::string::npos);
  }
}

TEST_F(TokenizerTest, LinesLeftOutOrCutAreCounted) {
  std::vector<std::string> lines(40, "the river and the old house");
  EXPECT_EQ(train_tokenizer(lines_of(lines), 275, model("counts.model")).remarks(), "");
  std::string longest;
  while (longest.size() < 1'000'000) longest += lines[0] + " ";
  longest.resize(1'000'000);
  lines.insert(lines.end(), {longest, longest + "x", "\u2585", "\u2585\u2585", std::string(40'000, 'y'), ""});
  const TrainingLines trained = train_tokenizer(lines_of(lines), 275, model("counts.model"));
  EXPECT_EQ(trained.used, 42);
  EXPECT_EQ(trained.cut, 1);
  EXPECT_EQ(trained.too_long, 1);
  EXPECT_EQ(trained.reserved, 2);
  EXPECT_EQ(
      trained.remarks(),
      "1 line of more than 1,000,000 bytes left out; 2 lines with U+2585, which SentencePiece reserves, left "
      "out; 1 line cut where more than 32,768 bytes come without a space");
}

/// White space as a normalising model leaves it.
std::string squeezed(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\n' || c == '\t';
    if (!space || !out.ends_with(' ')) out.push_back(space ? ' ' : c);
  }
  return out;
}

TEST_F(TokenizerTest, TokensOfANormalisingModelStandForTheTextsOwnBytes) {
  std::string text;
  std::string line;
  for (const auto lines = random_lines(3); lines(line);) text += line + "\n";
  write_text(model("lines.txt"), text);
  const auto trained = sentencepiece::SentencePieceTrainer::Train(
      fmt::format("--input={} --model_prefix={} --model_type=unigram --vocab_size=200 --minloglevel=2",
                  model("lines.txt").string(), model("normal").string()));
  ASSERT_TRUE(trained.ok()) << trained.ToString();
  const Tokenizer tokenizer(model("normal.model"));
  EXPECT_FALSE(tokenizer.spells_text());
  const auto lines = random_lines(3);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(lines(line));
    std::string spaced;
    for (const char c : line)
      spaced += c != ' ' ? std::string(1, c) : std::string(1 + below(random_, 4), " \n"[below(random_, 2)]);
    const auto [ids, bytes] = tokenizer.encode_with_bytes(spaced);
    ASSERT_EQ(ids, tokenizer.encode(spaced));
    ASSERT_EQ(bytes.size(), ids.size());
    ASSERT_EQ(sum(bytes), std::ssize(spaced));
    size_t begin = 0;
    for (size_t t = 0; t < ids.size(); ++t) {
      const auto part = squeezed(std::string_view(spaced).substr(begin, static_cast<size_t>(bytes[t])));
      ASSERT_EQ(tokenizer.piece_bytes(ids[t]), (t == 0 ? " " : "") + part) << spaced;
      begin += static_cast<size_t>(bytes[t]);
    }
    ASSERT_TRUE(tokenizer.bytes_of(ids).empty()) << "the tokens alone do not tell";
  }
  const auto unknown = tokenizer.encode_with_bytes("the \u2603\u2604 the").bytes;
  EXPECT_EQ(std::count(unknown.begin(), unknown.end(), unknown_bytes), 1);
}

TEST_F(TokenizerTest, TheSpaceBeforeATextIsNoByteOfIt) {
  for (const auto* name : {"plain.model", "dummy.model"}) {
    const Tokenizer tokenizer(model(name));
    for (int i = 0; i < 50; ++i) {
      std::vector<int32_t> tokens;
      int64_t bytes = 0;
      for (size_t documents = below(random_, 5); documents > 0; --documents) {
        const std::string text = random_utf8(random_, true);
        const auto encoded = tokenizer.encode_with_bytes(text);
        ASSERT_EQ(encoded.ids, tokenizer.encode(text));
        ASSERT_EQ(sum(encoded.bytes), std::ssize(text));
        tokens.insert(tokens.end(), encoded.ids.begin(), encoded.ids.end());
        tokens.push_back(tokenizer.end_of_text());
        bytes += std::ssize(text);
      }
      ASSERT_EQ(sum(tokenizer.bytes_of(tokens)), bytes) << name;
    }
  }
}

TEST_F(TokenizerTest, TheSameLinesTrainTheSameModel) {
  train_tokenizer(random_lines(1), 700, model("again.model"));
  EXPECT_EQ(read_text(model("again.model")), read_text(model("plain.model")));
  EXPECT_EQ(Tokenizer(model("again.model")).hash(), Tokenizer(model("plain.model")).hash());
  EXPECT_NE(Tokenizer(model("dummy.model")).hash(), Tokenizer(model("plain.model")).hash());
  EXPECT_EQ(Tokenizer(model("plain.model")).vocab(), 700);
}

TEST_F(TokenizerTest, VocabulariesThatTheTextCannotFillAreRefused) {
  const auto train = [](int64_t vocab) {
    return [vocab] { train_tokenizer(random_lines(1, 20), vocab, model("no.model")); };
  };
  EXPECT_NE(message_of<Error>(train(50000)).find("50000"), std::string::npos);
  EXPECT_NE(message_of<Error>(train(100)).find("100"), std::string::npos);
  EXPECT_NE(message_of<Error>([] { train_tokenizer(random_lines(1, 0), 500, model("no.model")); }), "");
  EXPECT_FALSE(std::filesystem::exists(model("no.model")));
}

TEST_F(TokenizerTest, FilesThatAreNoModelAreRefused) {
  const std::string whole = read_text(model("plain.model"));
  EXPECT_NE(message_of<Error>([] { Tokenizer(model("missing.model")); }).find("missing.model"),
            std::string::npos);
  for (const std::string& blob : {std::string(), std::string("no model at all"), whole.substr(0, 5000)}) {
    write_text(model("bad.model"), blob);
    EXPECT_NE(message_of<Error>([] { Tokenizer(model("bad.model")); }).find("bad.model"), std::string::npos);
  }
  EXPECT_NE(message_of<Error>([] { Tokenizer{folder_->path()}; }).find(folder_->path().string()),
            std::string::npos);
  const Tokenizer tokenizer(model("plain.model"));
  EXPECT_NE(message_of<Error>([&] { tokenizer.piece_bytes(700); }), "");
  EXPECT_NE(message_of<Error>([&] { tokenizer.decode(std::vector{-1}); }), "");
}

TEST_F(TokenizerTest, SettingsAreReadFromTheModelAndFromNothingBeyondIt) {
  const std::string blob = read_text(model("plain.model"));
  const auto ours = read_tokenizer_settings(blob);
  EXPECT_EQ(ours.model_type, 2);
  EXPECT_TRUE(ours.escape_whitespaces);
  EXPECT_FALSE(ours.dummy_prefix || ours.remove_extra_whitespaces || ours.character_map);
  EXPECT_TRUE(read_tokenizer_settings(read_text(model("dummy.model"))).dummy_prefix);
  EXPECT_FALSE(read_tokenizer_settings(without_dummy_prefix(read_text(model("dummy.model")))).dummy_prefix);
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    // A heap copy of the exact size, so that a read past the end is seen by the sanitizers.
    std::vector<char> part(blob.begin(), blob.begin() + static_cast<long>(below(random_, blob.size())));
    for (size_t flips = below(random_, 3); flips > 0 && !part.empty(); --flips) {
      part[below(random_, part.size())] = static_cast<char>(random_());
    }
    try {
      read_tokenizer_settings({part.data(), part.size()});
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace photon
