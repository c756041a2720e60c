// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/training/prepared_batch.h"

#include "core/model/targets.h"

namespace photon::PHOTON_GPU {
namespace {

/// All of a vanilla model, all but the last of each chunk, or none.
std::vector<int32_t> fed_tokens(const ModelSpec& spec, std::span<const int32_t> ids) {
  std::vector<int32_t> out;
  if (spec.depth() > 0 && spec.feedback(1) != Feedback::token) return out;
  const size_t chunk = spec.depth() == 0 ? 0 : static_cast<size_t>(spec.level(1).chunk);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (chunk == 0 || i % chunk != chunk - 1) out.push_back(ids[i]);
  }
  return out;
}

}  // namespace

PreparedBatch::PreparedBatch(const ModelSpec& spec, std::span<const int32_t> of, int64_t tokens)
    : length(tokens),
      ids(of.begin(), of.end()),
      targets(shifted_targets(spec, of, tokens)),
      fed(token_places(fed_tokens(spec, of), spec.vocab)) {
  if (spec.depth() > 0) encoded = token_places(of, spec.vocab);
}

}  // namespace photon::PHOTON_GPU
