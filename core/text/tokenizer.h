// SPDX-License-Identifier: Apache-2.0
// Text to tokens and back, on SentencePiece: any .model file (Llama's too), and BPE with byte fallback
// trained here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace photon {

struct EncodedText {
  std::vector<int32_t> ids;
  std::vector<int32_t> bytes;  ///< one for each id; unknown_bytes for a token that may be any character
};
/// Of an <unk>, which spells nothing: what it stands for is known here, but no bits are paid for it.
inline constexpr int32_t unknown_bytes = -1;

class Tokenizer {
 public:
  /// Throws Error if the file is missing or no SentencePiece model.
  explicit Tokenizer(const std::filesystem::path& model);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// The ids SentencePiece gives. With a model that spells text (see below), bytes it would change, malformed
  /// UTF-8 and U+2581, become byte pieces, as do spaces for which it has no piece: decode(encode(x)) is x for
  /// any bytes. Safe to call from several threads.
  std::vector<int32_t> encode(std::string_view text) const;
  /// The same ids, each with the bytes of `text` that it stands for: all of them together are the text's. A
  /// model that normalises may spell other bytes than those.
  EncodedText encode_with_bytes(std::string_view text) const;
  /// BPE with byte fallback that leaves text as it is (ours, Llama's): its tokens are the text, whatever that
  /// is. Other models normalise, merge spaces or have characters that they do not know.
  bool spells_text() const;
  /// Bytes of text that each of these tokens stands for, without the space that some models put before a
  /// text, which begins after each end of text. Empty where tokens alone do not say: unless spells_text().
  std::vector<int32_t> bytes_of(std::span<const int32_t> ids) const;
  /// Of a whole text: the space that some models put before it is taken off.
  std::string decode(std::span<const int32_t> ids) const;
  int64_t vocab() const;
  /// A piece's name, "<s>" or "\u2581the", and the id of a name.
  std::string piece_name(int32_t id) const;
  std::optional<int32_t> find_piece(std::string_view name) const;
  int32_t unknown() const;
  /// What ends a document: SentencePiece's eos.
  int32_t end_of_text() const;
  /// What a token spells, nothing for control tokens; a byte piece is one byte and may be part of a
  /// character.
  std::string piece_bytes(int32_t id) const;
  /// Of the model file: what a token file was made with.
  uint64_t hash() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Text of a stream of tokens, whole characters at a time: what a byte piece begins waits for the rest. The
/// tokens continue a text, so a space at their beginning stays.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  std::string append(std::span<const int32_t> ids);
  /// What is left at the end, incomplete characters as they are.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  std::string pending_;
};

/// Lines of training text, one a call; false at the end.
using LineSource = std::function<bool(std::string& line)>;

/// What became of the lines that a tokenizer was trained on.
struct TrainingLines {
  int64_t used = 0;
  int64_t cut = 0;       ///< of those: with more than 32,768 bytes in a row without a space
  int64_t too_long = 0;  ///< left out: more than 1,000,000 bytes
  int64_t reserved = 0;  ///< left out: with U+2585, which SentencePiece's trainer keeps for itself

  /// "2 lines of more than 1,000,000 bytes left out; ..."; empty if all were used as they were.
  std::string remarks() const;
};

/// Pieces of a vocabulary: 256 bytes, 3 control pieces and one character at least. Throws UsageError.
void check_vocab(int64_t vocab);

/// Trains BPE with byte fallback: no normalisation, whitespace kept, a piece for the space in any case. The
/// same lines give the same model. Runs without a space (base64, DNA, Chinese) are cut every 32,768 bytes for
/// training, between characters, as encode() cuts them at 1 MiB; a cut costs the pairs that it parts.
/// `source` names the text in messages. Throws Error where no line can be used, and with how many pieces
/// there could be if `vocab` is fewer than the text's characters need or more than it has words for.
TrainingLines train_tokenizer(const LineSource& lines, int64_t vocab, const std::filesystem::path& out,
                              const std::string& source = "this text");

}  // namespace photon
