// SPDX-License-Identifier: Apache-2.0
// A SentencePiece model file of BPE with byte fallback, written from its pieces. Debian ships no header for
// SentencePiece's messages, so they are put into the wire format here (sentencepiece_model.proto).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace photon::baselines {

struct SentencePiece {
  enum class Kind { normal = 1, unknown = 2, control = 3, byte = 6 };  ///< as in the messages
  std::string text;
  float score = 0.0f;  ///< of two pieces that could be merged, the higher one is
  Kind kind = Kind::normal;
};

struct SentencePieceModel {
  std::vector<SentencePiece> pieces;  ///< by id
  std::string begin;                  ///< names of pieces; empty: there is none
  std::string end;
  std::string unknown;
  bool dummy_prefix = false;  ///< a space is put before the text
};

std::string to_bytes(const SentencePieceModel& model);

}  // namespace photon::baselines
