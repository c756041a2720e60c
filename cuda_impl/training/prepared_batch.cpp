#include "cuda_impl/training/prepared_batch.h"

namespace photon::PHOTON_GPU {
namespace {

// The same targets for all architectures: tokens 2..T of each row. With L >= 1 row i of Xhat^(0) predicts
// token i, with L = 0 it predicts token i + 1.
std::vector<int32_t> targets_of(const ModelSpec& spec, std::span<const int32_t> ids, size_t length) {
  std::vector<int32_t> out(ids.size(), -1);
  for (size_t r = 0; r < ids.size(); ++r) {
    const size_t i = r % length;
    if (spec.depth() > 0 && i > 0) out[r] = ids[r];
    if (spec.depth() == 0 && i + 1 < length) out[r] = ids[r + 1];
  }
  return out;
}

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
      targets(targets_of(spec, of, static_cast<size_t>(tokens))),
      fed(token_places(fed_tokens(spec, of), spec.vocab)) {
  if (spec.depth() > 0) encoded = token_places(of, spec.vocab);
}

}  // namespace photon::PHOTON_GPU
