// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/emulation/copy_async.h"

#include <algorithm>
#include <cstring>

#include "cuda_impl/emulation/memory.h"
#include "cuda_impl/emulation/shared_memory.h"

namespace photon::emulation {

void start_copy(void* shared, const void* global, uint32_t bytes, bool valid,
                const std::source_location& where) {
  check_aligned(shared, bytes, where);
  check_aligned(global, bytes, where);
  if (!shared_memory().contains(shared, bytes)) {
    fault(place(where) + ": copy_async to an address outside the block's shared memory");
  }
  if (valid && !device_memory().contains(global, bytes)) {
    fault(place(where) + ": copy_async from an address outside device memory");
  }
  std::memset(shared, 0xff, bytes);
  running_lane->copies.push_back({shared, global, bytes, valid, running_lane->open_group});
}

void finish_copies(uint32_t under_way) {
  Lane& lane = *running_lane;
  const auto end = std::find_if(lane.copies.begin(), lane.copies.end(), [&](const AsyncCopy& copy) {
    return copy.group + under_way >= lane.open_group;
  });
  for (auto copy = lane.copies.begin(); copy != end; ++copy) {
    if (copy->valid) {
      std::memcpy(copy->shared, copy->global, copy->bytes);
    } else {
      std::memset(copy->shared, 0, copy->bytes);
    }
  }
  lane.copies.erase(lane.copies.begin(), end);
}

}  // namespace photon::emulation
