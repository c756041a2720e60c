// SPDX-License-Identifier: Apache-2.0
#include "core/text/tokenizer_model.h"

#include <optional>

#include "core/base/error.h"

namespace photon {
namespace {

struct Field {
  uint64_t number = 0;
  uint64_t value = 0;      ///< of a varint
  std::string_view bytes;  ///< of a length-delimited field
};

/// Walks over the fields of one message (protobuf.dev/programming-guides/encoding).
class Fields {
 public:
  explicit Fields(std::string_view message) : rest_(message) {}

  std::optional<Field> next() {
    if (rest_.empty()) return std::nullopt;
    const uint64_t tag = varint();
    Field field{tag >> 3, 0, {}};
    switch (tag & 7) {
      case 0:
        field.value = varint();
        break;
      case 1:
        take(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        take(4);
        break;
      default:
        fail();
    }
    return field;
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    fail();
  }

  std::string_view take(uint64_t n) {
    if (n > rest_.size()) fail();
    const auto taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return taken;
  }

  [[noreturn]] static void fail() { throw Error("a SentencePiece model with a broken field"); }

  std::string_view rest_;
};

}  // namespace

TokenizerModelSettings read_tokenizer_settings(std::string_view model) {
  TokenizerModelSettings s;
  Fields top(model);
  while (const auto part = top.next()) {
    Fields inner(part->bytes);
    if (part->number == 2) {  // TrainerSpec
      while (const auto field = inner.next()) {
        if (field->number == 3) s.model_type = static_cast<int64_t>(field->value);
        if (field->number == 24) s.whitespace_suffix = field->value != 0;
      }
    } else if (part->number == 3) {  // NormalizerSpec
      while (const auto field = inner.next()) {
        if (field->number == 2) s.character_map = !field->bytes.empty();
        if (field->number == 3) s.dummy_prefix = field->value != 0;
        if (field->number == 4) s.remove_extra_whitespaces = field->value != 0;
        if (field->number == 5) s.escape_whitespaces = field->value != 0;
      }
    }
  }
  return s;
}

std::string without_dummy_prefix(std::string_view model) {
  // NormalizerSpec (field 3, 2 bytes long) with add_dummy_prefix (field 3) = 0.
  constexpr std::string_view addition{"\x1a\x02\x18\x00", 4};
  return std::string(model).append(addition);
}

}  // namespace photon
