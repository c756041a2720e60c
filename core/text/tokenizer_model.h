// SPDX-License-Identifier: Apache-2.0
// The settings inside a SentencePiece model file that decide whether text can be encoded in parts.
// SentencePiece has no calls for them and Debian ships no header for its messages, so they are read from the
// wire format.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace photon {

struct TokenizerModelSettings {
  int64_t model_type = 1;  ///< 1 unigram, 2 BPE, 3 word, 4 character
  bool whitespace_suffix = false;
  bool character_map = false;  ///< the normaliser replaces characters
  bool dummy_prefix = true;    ///< a space is put before the text
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

/// Throws Error where `model` is not made of protocol buffer fields.
TokenizerModelSettings read_tokenizer_settings(std::string_view model);

/// The same model without its dummy prefix: fields of a message given twice are merged, the last one wins.
std::string without_dummy_prefix(std::string_view model);

}  // namespace photon
