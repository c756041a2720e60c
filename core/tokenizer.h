// Text to tokens and back, on SentencePiece: any .model file (Llama's too), and BPE with byte fallback
// trained here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace photon {

class Tokenizer {
 public:
  /// Throws Error if the file is missing or no SentencePiece model.
  explicit Tokenizer(const std::filesystem::path& model);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// The ids SentencePiece gives. With a BPE model that has byte fallback and leaves text as it is (ours,
  /// Llama's), bytes it would change, malformed UTF-8 and U+2581, become byte pieces: decode(encode(x)) is x
  /// for any bytes. Safe to call from several threads.
  std::vector<int32_t> encode(std::string_view text) const;
  /// Of a whole text: the space that some models put before it is taken off.
  std::string decode(std::span<const int32_t> ids) const;
  int64_t vocab() const;
  /// What ends a document: SentencePiece's eos.
  int32_t end_of_text() const;
  /// Bytes of text a token stands for; 0 for control tokens.
  int64_t bytes(int32_t id) const;
  /// The bytes themselves; a byte piece is one byte and may be part of a character.
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

/// Trains BPE with byte fallback: no normalisation, whitespace kept. The same lines give the same model.
/// Throws Error, with how many pieces there could be if the text has not words enough for `vocab`.
void train_tokenizer(const LineSource& lines, int64_t vocab, const std::filesystem::path& out);

}  // namespace photon
