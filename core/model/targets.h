// SPDX-License-Identifier: Apache-2.0
// What the states of a text predict: the one place where architectures differ by a token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/model/model_spec.h"

namespace photon {

/// ids: rows of `length` tokens. For each, the token that the state there predicts, the one `target_shift`
/// behind it; -1 where the loss counts none. It counts the same for all architectures: tokens 2 .. length of
/// each row.
std::vector<int32_t> shifted_targets(const ModelSpec& spec, std::span<const int32_t> ids, int64_t length);

}  // namespace photon
