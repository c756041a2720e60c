// SPDX-License-Identifier: Apache-2.0
// Training of a tokenizer: SentencePiece's BPE trainer, kept away from what makes it end the process, and its
// refusals in the user's words.
#include <fmt/format.h>
#include <sentencepiece_trainer.h>

#include <string_view>
#include <unordered_map>

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/text/tokenizer.h"

namespace photon {
namespace {

constexpr std::string_view space_mark = "\u2581";
constexpr std::string_view unknown_mark = "\u2585";
constexpr size_t longest_line = 1'000'000;
/// Bytes of one word to the trainer. It packs places in a word into 16 bits with signed arithmetic: above
/// 2^15 characters it reads far outside of its memory, above 2^16 it calls exit().
constexpr size_t longest_run = size_t{1} << 15;
constexpr int64_t fewest_pieces = 256 + 3 + 1;
constexpr int64_t most_pieces = int64_t{1} << 20;

/// Iterates over a LineSource for the trainer: lines that it can take, runs without a space cut, and one
/// space at the end if there was none, since a required character that never occurs ends the process, too.
class Sentences final : public sentencepiece::SentenceIterator {
 public:
  explicit Sentences(const LineSource& source) : source_(source) { Next(); }

  bool done() const override { return done_; }
  const std::string& value() const override { return sentence_; }
  sentencepiece::util::Status status() const override { return {}; }
  const TrainingLines& lines() const { return lines_; }

  void Next() override {
    if (at_ == line_.size() && !next_line()) return;
    const size_t end = end_of_sentence();
    sentence_.assign(line_, at_, end - at_);
    if (at_ == 0 && end < line_.size()) ++lines_.cut;
    at_ = end;
    has_space_ = has_space_ || sentence_.find(' ') != std::string::npos;
  }

 private:
  bool next_line() {
    at_ = 0;
    while (!ended_) {
      ended_ = !source_(line_);
      if (ended_) break;
      if (line_.empty()) continue;
      if (line_.size() > longest_line) {
        ++lines_.too_long;
      } else if (line_.find(unknown_mark) != std::string::npos) {
        ++lines_.reserved;
      } else {
        ++lines_.used;
        return true;
      }
    }
    line_.clear();
    if (lines_.used > 0 && !has_space_) {
      sentence_ = " ";
      has_space_ = true;
    } else {
      done_ = true;
    }
    return false;
  }

  /// The line's end, or where its next run gets too long: not inside a character.
  size_t end_of_sentence() const {
    size_t run = 0;
    for (size_t i = at_; i < line_.size(); ++i) {
      if (line_[i] == ' ') run = 0;
      if (++run <= longest_run) continue;
      for (size_t back = 0; back < 3 && (line_[i] & 0xC0) == 0x80; ++back) --i;
      return i;
    }
    return line_.size();
  }

  const LineSource& source_;
  std::string line_;
  size_t at_ = 0;  // of line_: what was handed out
  std::string sentence_;
  bool ended_ = false;  // the source
  bool done_ = false;
  bool has_space_ = false;
  TrainingLines lines_;
};

/// The digits behind the first `mark` that comes after `start` in the library's message.
std::string number_behind(std::string_view message, std::string_view start, std::string_view mark) {
  const size_t from = message.find(start);
  const size_t at = from == std::string_view::npos ? from : message.find(mark, from);
  if (at == std::string_view::npos) return "";
  message.remove_prefix(at + mark.size());
  return std::string(message.substr(0, message.find_first_not_of("0123456789")));
}

std::string refusal(const TrainingLines& lines, std::string_view library) {
  if (lines.used == 0) {
    if (lines.too_long == 0 && lines.reserved == 0) return "no text";
    if (lines.too_long == 0) return "every line holds U+2585, which SentencePiece reserves";
    return fmt::format("no line of at most 1,000,000 bytes{}",
                       lines.reserved > 0 ? " that does not hold U+2585, which SentencePiece reserves" : "");
  }
  if (const std::string needed = number_behind(library, "required_chars.", " vs "); !needed.empty()) {
    return fmt::format("its characters, 256 bytes and 3 control pieces are {} already: take {} or more",
                       needed, needed);
  }
  if (const std::string most = number_behind(library, "Vocabulary size too high", "value <= "); !most.empty())
    return fmt::format("it has words for {} at most", most);
  // Not met so far. The library's own words would speak of its sources and of options that are not here.
  return fmt::format("SentencePiece's trainer gives up (at its line {})",
                     number_behind(library, ".cc(", "("));
}

}  // namespace

std::string TrainingLines::remarks() const {
  std::string text;
  const auto add = [&](int64_t count, std::string_view what) {
    if (count > 0)
      text += fmt::format("{}{} line{} {}", text.empty() ? "" : "; ", count, count > 1 ? "s" : "", what);
  };
  add(too_long, "of more than 1,000,000 bytes left out");
  add(reserved, "with U+2585, which SentencePiece reserves, left out");
  add(cut, "cut where more than 32,768 bytes come without a space");
  return text;
}

void check_vocab(int64_t vocab) {
  if (vocab < fewest_pieces || vocab > most_pieces)
    throw UsageError(fmt::format("a vocabulary of {}: {} to {}", vocab, fewest_pieces, most_pieces));
}

TrainingLines train_tokenizer(const LineSource& lines, int64_t vocab, const std::filesystem::path& out,
                              const std::string& source) {
  check_vocab(vocab);
  Sentences sentences(lines);
  std::string model;
  // Byte pieces and the control pieces are part of the vocabulary.
  const std::unordered_map<std::string, std::string> options = {{"model_type", "bpe"},
                                                                {"vocab_size", std::to_string(vocab)},
                                                                {"byte_fallback", "true"},
                                                                {"normalization_rule_name", "identity"},
                                                                {"remove_extra_whitespaces", "false"},
                                                                {"add_dummy_prefix", "false"},
                                                                {"max_sentence_length", "1000000"},
                                                                {"character_coverage", "0.9995"},
                                                                {"required_chars", std::string(space_mark)},
                                                                {"num_threads", "1"},
                                                                {"minloglevel", "3"},
                                                                {"hard_vocab_limit", "true"}};
  const auto status = sentencepiece::SentencePieceTrainer::Train(options, &sentences, &model);
  if (!status.ok()) {
    throw Error(fmt::format("no tokenizer of {} pieces from {}: {}", vocab, source,
                            refusal(sentences.lines(), status.message())));
  }
  AtomicFile file(out);
  file.write(std::as_bytes(std::span(model)));
  file.commit();
  return sentences.lines();
}

}  // namespace photon
