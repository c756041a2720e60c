#include "core/tokenizer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <thread>

#include "core/error.h"
#include "core/tokenizer_model.h"
#include "core/utf8.h"
#include "tests/core/temp_folder.h"
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
    int64_t bytes = 0;
    for (const int32_t id : tokenizer.encode(text)) bytes += tokenizer.bytes(id);
    ASSERT_EQ(bytes, static_cast<int64_t>(text.size()));
  }
  EXPECT_EQ(tokenizer.bytes(tokenizer.end_of_text()), 0);
  EXPECT_EQ(tokenizer.decode(std::vector{tokenizer.end_of_text()}), "");
}

TEST_F(TokenizerTest, ALongRunWithoutSpacesComesBack) {
  const Tokenizer tokenizer(model("plain.model"));
  std::string text;
  while (text.size() < 2'100'000) text += "日本語é";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
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
