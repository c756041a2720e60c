// SPDX-License-Identifier: Apache-2.0
// The suggestion in "unknown key 'widht', did you mean 'width'?": used wherever a name is looked up in a
// closed list.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace photon {

/// The candidate with the smallest edit distance to `word` (insert, delete, replace, swap of neighbours cost
/// 1 each; case costs nothing), the first of equals; "" if none is within a third of the longer word's
/// length.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// "did you mean 'width'?" where something is near, else "known: a, b, c".
std::string suggestion(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace photon
