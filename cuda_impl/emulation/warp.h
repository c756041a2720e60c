// SPDX-License-Identifier: Apache-2.0
// A warp's collectives under CUDA's names. Each takes the line that calls it: lanes that meet at different
// lines or with different masks are a fault, as are masks that name lanes which returned. A value that CUDA
// leaves undefined (read from a lane outside the mask) is 0xff in every byte.
#pragma once

#include <bit>
#include <concepts>
#include <cstring>
#include <source_location>
#include <string>
#include <type_traits>

#include "cuda_impl/emulation/block.h"

namespace photon::emulation {

/// What each lane brings to a collective and takes from it.
template <class T>
struct Exchange {
  T value;
  int lane = 0;  ///< shuffles: that is read; < 0 its own value
};

template <class T>
T shuffle(const char* name, unsigned mask, T value, int from, const std::source_location& where) {
  static_assert(std::is_trivially_copyable_v<T> && (sizeof(T) == 4 || sizeof(T) == 8));
  Exchange<T> mine{value, from};
  const auto apply = [](void* const* arguments, unsigned lanes) {
    T values[32];
    std::memset(static_cast<void*>(values), 0xff, sizeof(values));
    for (unsigned i = 0; i < 32; ++i) {
      if (lanes >> i & 1u) values[i] = static_cast<Exchange<T>*>(arguments[i])->value;
    }
    for (unsigned i = 0; i < 32; ++i) {
      if ((lanes >> i & 1u) == 0) continue;
      auto& exchange = *static_cast<Exchange<T>*>(arguments[i]);
      exchange.value = values[exchange.lane];
    }
  };
  meet_warp({name, mask, apply, &mine, where});
  return mine.value;
}

inline int lane_index() {
  if (running_lane == nullptr) fault("a warp's collective outside a kernel");
  return static_cast<int>(running_lane->index);
}

inline void check_width(int width, const std::source_location& where) {
  if (width < 1 || width > 32 || !std::has_single_bit(static_cast<unsigned>(width))) {
    fault(place(where) + ": a shuffle's width is a power of two up to 32, not " + std::to_string(width));
  }
}

/// Lanes of `mask` whose predicate holds.
inline unsigned vote(const char* name, unsigned mask, bool predicate, const std::source_location& where) {
  unsigned mine = predicate;
  const auto apply = [](void* const* arguments, unsigned lanes) {
    unsigned holds = 0;
    for (unsigned i = 0; i < 32; ++i) {
      if (lanes >> i & 1u) holds |= *static_cast<unsigned*>(arguments[i]) << i;
    }
    for (unsigned i = 0; i < 32; ++i) {
      if (lanes >> i & 1u) *static_cast<unsigned*>(arguments[i]) = holds;
    }
  };
  meet_warp({name, mask, apply, &mine, where});
  return mine;
}

template <class T, class Combine>
T reduce(const char* name, unsigned mask, T value, Combine, const std::source_location& where) {
  static_assert(std::is_same_v<T, int> || std::is_same_v<T, unsigned>);
  const auto apply = [](void* const* arguments, unsigned lanes) {
    const unsigned first = std::countr_zero(lanes);
    T all = *static_cast<T*>(arguments[first]);
    for (unsigned i = first + 1; i < 32; ++i) {
      if (lanes >> i & 1u) all = Combine{}(all, *static_cast<T*>(arguments[i]));
    }
    for (unsigned i = 0; i < 32; ++i) {
      if (lanes >> i & 1u) *static_cast<T*>(arguments[i]) = all;
    }
  };
  meet_warp({name, mask, apply, &value, where});
  return value;
}

}  // namespace photon::emulation

namespace photon::emulated {

template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32,
              std::source_location where = std::source_location::current()) {
  emulation::check_width(width, where);
  const int lane = emulation::lane_index();
  return emulation::shuffle("__shfl_sync", mask, value, (lane & ~(width - 1)) | (from & (width - 1)), where);
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 std::source_location where = std::source_location::current()) {
  emulation::check_width(width, where);
  const int lane = emulation::lane_index();
  const int from = lane - static_cast<int>(delta & 31u);
  return emulation::shuffle("__shfl_up_sync", mask, value, from < (lane & ~(width - 1)) ? lane : from, where);
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   std::source_location where = std::source_location::current()) {
  emulation::check_width(width, where);
  const int lane = emulation::lane_index();
  const int from = lane + static_cast<int>(delta & 31u);
  return emulation::shuffle("__shfl_down_sync", mask, value, from > (lane | (width - 1)) ? lane : from,
                            where);
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                  std::source_location where = std::source_location::current()) {
  emulation::check_width(width, where);
  const int lane = emulation::lane_index();
  const int from = lane ^ (lane_mask & 31);
  return emulation::shuffle("__shfl_xor_sync", mask, value, from > (lane | (width - 1)) ? lane : from, where);
}

inline void __syncwarp(unsigned mask = 0xffffffffu,
                       std::source_location where = std::source_location::current()) {
  emulation::meet_warp({"__syncwarp", mask, nullptr, nullptr, where});
}

inline unsigned __ballot_sync(unsigned mask, int predicate,
                              std::source_location where = std::source_location::current()) {
  return emulation::vote("__ballot_sync", mask, predicate != 0, where);
}
inline int __any_sync(unsigned mask, int predicate,
                      std::source_location where = std::source_location::current()) {
  return emulation::vote("__any_sync", mask, predicate != 0, where) != 0;
}
inline int __all_sync(unsigned mask, int predicate,
                      std::source_location where = std::source_location::current()) {
  return emulation::vote("__all_sync", mask, predicate != 0, where) == mask;
}

template <class T>
T __reduce_add_sync(unsigned mask, T value, std::source_location where = std::source_location::current()) {
  const auto add = [](T a, T b) {
    return static_cast<T>(static_cast<unsigned>(a) + static_cast<unsigned>(b));
  };
  return emulation::reduce("__reduce_add_sync", mask, value, add, where);
}
template <class T>
T __reduce_min_sync(unsigned mask, T value, std::source_location where = std::source_location::current()) {
  return emulation::reduce(
      "__reduce_min_sync", mask, value, [](T a, T b) { return b < a ? b : a; }, where);
}
template <class T>
T __reduce_max_sync(unsigned mask, T value, std::source_location where = std::source_location::current()) {
  return emulation::reduce(
      "__reduce_max_sync", mask, value, [](T a, T b) { return a < b ? b : a; }, where);
}

inline void __syncthreads(std::source_location where = std::source_location::current()) {
  emulation::meet_block(false, "__syncthreads", where);
}
inline int __syncthreads_count(int predicate, std::source_location where = std::source_location::current()) {
  return static_cast<int>(emulation::meet_block(predicate != 0, "__syncthreads_count", where));
}
inline int __syncthreads_or(int predicate, std::source_location where = std::source_location::current()) {
  return emulation::meet_block(predicate != 0, "__syncthreads_or", where) != 0;
}
inline int __syncthreads_and(int predicate, std::source_location where = std::source_location::current()) {
  return emulation::meet_block(predicate != 0, "__syncthreads_and", where) ==
         blockDim.x * blockDim.y * blockDim.z;
}

}  // namespace photon::emulated
