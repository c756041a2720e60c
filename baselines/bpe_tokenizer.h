// SPDX-License-Identifier: Apache-2.0
// Hugging Face's tokenizer.json with a BPE of LLaMA's kind (byte fallback, U+2581 for a space) as a
// SentencePiece model that gives the same ids.
//
// Hugging Face merges the pair of lowest rank, SentencePiece the pair whose merged piece has the highest
// score, both the leftmost of equals. What happens inside a piece does not depend on what stands around it,
// so of all pairs that spell a piece only one ever meets: the one that the piece ends with when it is merged
// alone. The score is that pair's rank; with it both take the same step at every step.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "baselines/sentencepiece_model.h"

namespace photon::baselines {

/// `begin` and `end` are the pieces that stand for the bounds of a text; `begin` may be empty. Throws Error
/// with `source` and the key on what a SentencePiece model cannot say: byte-level BPE (GPT-2, Llama 3), other
/// normalisers, other models, added tokens that text is searched for, a pair of pieces that spell a piece but
/// have no merge.
SentencePieceModel bpe_as_sentencepiece(const nlohmann::json& tokenizer, const std::string& source,
                                        const std::string& begin, const std::string& end);

}  // namespace photon::baselines
