// SPDX-License-Identifier: Apache-2.0
#include "baselines/sentencepiece_model.h"

#include <algorithm>
#include <bit>
#include <string_view>

namespace photon::baselines {
namespace {

/// One message (protobuf.dev/programming-guides/encoding).
class Message {
 public:
  void number(uint64_t field, uint64_t value) {
    varint(field << 3);
    varint(value);
  }
  void number(uint64_t field, float value) {
    varint(field << 3 | 5);
    const auto bits = std::bit_cast<uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) bytes_.push_back(static_cast<char>(bits >> shift & 0xFF));
  }
  void text(uint64_t field, std::string_view value) {
    varint(field << 3 | 2);
    varint(value.size());
    bytes_.append(value);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>((value & 0x7F) | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }

  std::string bytes_;
};

/// An int32 that may be -1, "there is none".
uint64_t id_of(const SentencePieceModel& model, const std::string& piece) {
  const auto found = std::find_if(model.pieces.begin(), model.pieces.end(),
                                  [&](const SentencePiece& p) { return p.text == piece; });
  return found == model.pieces.end() ? ~uint64_t{0} : static_cast<uint64_t>(found - model.pieces.begin());
}

}  // namespace

std::string to_bytes(const SentencePieceModel& model) {
  Message all;
  for (const SentencePiece& p : model.pieces) {
    Message piece;
    piece.text(1, p.text);
    piece.number(2, p.score);
    piece.number(3, static_cast<uint64_t>(p.kind));
    all.text(1, piece.bytes());
  }
  Message trainer;
  constexpr uint64_t bpe = 2;
  trainer.number(3, bpe);
  trainer.number(4, model.pieces.size());
  trainer.number(35, uint64_t{1});  // byte_fallback
  trainer.number(40, id_of(model, model.unknown));
  trainer.number(41, id_of(model, model.begin));
  trainer.number(42, id_of(model, model.end));
  trainer.number(43, ~uint64_t{0});  // no padding
  trainer.text(45, model.unknown);
  trainer.text(46, model.begin);
  trainer.text(47, model.end);
  all.text(2, trainer.bytes());
  Message normalizer;
  normalizer.text(1, "identity");
  normalizer.number(3, uint64_t{model.dummy_prefix});
  normalizer.number(4, uint64_t{0});  // remove_extra_whitespaces
  normalizer.number(5, uint64_t{1});  // escape_whitespaces
  all.text(3, normalizer.bytes());
  return all.bytes();
}

}  // namespace photon::baselines
