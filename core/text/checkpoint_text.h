// SPDX-License-Identifier: Apache-2.0
// Text as the model of a checkpoint takes it: its tokenizer, what stood in front of every text in training,
// and the rows of its vocabulary that stand for text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "core/model/checkpoint.h"
#include "core/text/tokenizer.h"

namespace photon {

/// tokenizer.model of the checkpoint in `folder`. Throws Error if there is none, if it is not the one that
/// the weights were trained with, and if it has more pieces than the model has rows.
Tokenizer checkpoint_tokenizer(const std::filesystem::path& folder, const Checkpoint& checkpoint);

/// A whole text, with the model's begin_of_text, which is no bytes of it, in front where it has one.
EncodedText encode_text(const ModelSpec& spec, const Tokenizer& tokenizer, std::string_view text);

/// The model without the rows behind the tokenizer's `pieces`, which pad its vocabulary and stand for no
/// text: its distribution is the old one among the pieces.
Checkpoint without_padding(Checkpoint checkpoint, int64_t pieces);

}  // namespace photon
