// SPDX-License-Identifier: Apache-2.0
// The gradient of an embedding table: every token's row gets the sum of the gradients at its places. The host
// sorts the places by token; the device adds up segments of bounded length, then the segments of a token, so
// that a token which is everywhere costs no more than others, and sums have one order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

/// Places of one token that one block adds up.
struct TokenSegment {
  int32_t token = 0;
  int32_t first = 0;    ///< in TokenPlaces::positions
  int32_t count = 0;    ///< at most TokenPlaces::longest_segment
  int32_t partial = 0;  ///< row of the workspace that takes the sum; -1: the token has no other segment
};

/// A token with more than one segment: partials first .. first + count - 1.
struct TokenPartials {
  int32_t token = 0;
  int32_t first = 0;
  int32_t count = 0;
};

struct TokenPlaces {
  static constexpr int32_t longest_segment = 32;

  std::vector<int32_t> positions;       ///< of all ids, by token, ascending for each
  std::vector<TokenSegment> segments;   ///< at most one for each id
  std::vector<TokenPartials> partials;  ///< at most one for each 33 ids
};

/// In linear time. Throws Error if an id is outside the vocabulary.
TokenPlaces token_places(std::span<const int32_t> ids, int64_t vocab);

struct EmbedBackward {
  const bf16* d = nullptr;  ///< of position i at d + i · d_stride
  int64_t d_stride = 0;
  const int32_t* positions = nullptr;  ///< TokenPlaces on the device
  const TokenSegment* segments = nullptr;
  const TokenPartials* partials = nullptr;
  int32_t segment_count = 0;
  int32_t partial_count = 0;
  int32_t partial_rows = 0;    ///< of the workspace that partials name: the sum of their counts
  int64_t places = 0;          ///< positions
  float* d_table = nullptr;    ///< (vocab, width), added to
  float* workspace = nullptr;  ///< embed_backward_workspace(places, width) elements
  int32_t width = 0;
};

/// Elements, whatever the tokens.
int64_t embed_backward_workspace(int64_t places, int32_t width);
/// Of both launches.
Work embed_backward_work(const EmbedBackward& a);
void embed_backward(Stream& stream, const EmbedBackward& a);

}  // namespace photon::PHOTON_GPU
