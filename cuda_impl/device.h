// SPDX-License-Identifier: Apache-2.0
// Everything a kernel may use of a GPU, in one header: under nvcc it maps to CUDA, in the emulated build to
// software that gives the same words their meaning on the host (docs/architecture.md, "CUDA"). Inline PTX
// lives here alone, each instruction with a twin in emulation/. Both builds are linked into one program, so
// everything of cuda_impl lives in the namespace photon::PHOTON_GPU, which is `cuda` or `emulated`.
//
// Conventions of kernels:
//   no bare __shared__ but PHOTON_SHARED(Type, name) and dynamic_shared<T>();
//   memory in units larger than an element through Pack alone, never by casting to a vector type;
//   no return before a barrier; a warp's lanes meet in the same collective, at the same line, with one mask;
//   an explicit __syncwarp() where lanes exchange through memory; blocks of one dimension, x.
#pragma once

#include <cstdint>
#include <cstring>

#ifdef PHOTON_CUDA
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#define PHOTON_GPU cuda
#else
#define PHOTON_GPU emulated
#include "cuda_impl/emulation/device.h"
#endif

namespace photon::PHOTON_GPU {

constexpr int warp_size = 32;
constexpr unsigned full_warp = 0xffffffffu;

/// N adjacent elements moved by one instruction; sizeof(T) · N is 4, 8 or 16 bytes and so is its alignment.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T v[N];
};

#ifdef PHOTON_CUDA

using bf16 = __nv_bfloat16;

__host__ __device__ inline float to_float(bf16 x) {
  return __bfloat162float(x);
}
/// To nearest, ties to even.
__host__ __device__ inline bf16 to_bf16(float x) {
  return __float2bfloat16_rn(x);
}

/// Two adjacent bf16 in one register, the first in its low half; rounded as to_bf16.
__host__ __device__ inline uint32_t to_bf16_pair(float first, float second) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(first, second);
  uint32_t bits;
  memcpy(&bits, &pair, sizeof(bits));
  return bits;
}

#ifdef __CUDACC__

/// A variable of the block, uninitialised.
#define PHOTON_SHARED(Type, name) __shared__ Type name

/// The shared memory whose size the launch names, 16-byte aligned.
template <class T>
__device__ T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char photon_dynamic_shared[];
  return reinterpret_cast<T*>(photon_dynamic_shared);
}

/// 2^x by the special function unit: relative error 2^-22.
__device__ inline float fast_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// 1 / x by the special function unit: relative error 2^-23.
__device__ inline float fast_reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// The pointer to global memory, computed once: the compiler would rather add its parts anew for every
/// access.
template <class T>
__device__ inline T* settled(T* p) {
  size_t address = __cvta_generic_to_global(p);
  asm("" : "+l"(address));
  return static_cast<T*>(__cvta_global_to_generic(address));
}

/// x, of which the compiler does not learn that it is what it was: what is computed of it is computed where
/// it is used, not kept in registers around a loop that has none to spare.
__device__ inline uint32_t anew(uint32_t x) {
  asm volatile("" : "+r"(x));
  return x;
}

/// Reads that will not come again, kept out of the way of those that will.
template <class T, int N>
__device__ Pack<T, N> load_streaming(const T* p) {
  Pack<T, N> out;
  if constexpr (sizeof(out) == 16) {
    const int4 raw = __ldcs(reinterpret_cast<const int4*>(p));
    memcpy(&out, &raw, sizeof(out));
  } else if constexpr (sizeof(out) == 8) {
    const int2 raw = __ldcs(reinterpret_cast<const int2*>(p));
    memcpy(&out, &raw, sizeof(out));
  } else {
    static_assert(sizeof(out) == 4);
    const int raw = __ldcs(reinterpret_cast<const int*>(p));
    memcpy(&out, &raw, sizeof(out));
  }
  return out;
}

/// Asks for the line at `p` to be brought into the last-level cache.
__device__ inline void prefetch_to_cache(const void* p) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(p));
}

/// Starts a copy of `Bytes` (4, 8 or 16) from global to shared memory; with `valid` false it writes zeros.
template <int Bytes>
__device__ inline void copy_async(void* shared, const void* global, bool valid = true) {
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  const int ignored = valid ? 0 : 1;
  if constexpr (Bytes == 16) {
    asm volatile(
        "{ .reg .pred ignored; setp.ne.s32 ignored, %2, 0; "
        "cp.async.cg.shared.global [%0], [%1], 16, ignored; }" ::"r"(to),
        "l"(global), "r"(ignored)
        : "memory");
  } else {
    static_assert(Bytes == 4 || Bytes == 8);
    asm volatile(
        "{ .reg .pred ignored; setp.ne.s32 ignored, %3, 0; "
        "cp.async.ca.shared.global [%0], [%1], %2, ignored; }" ::"r"(to),
        "l"(global), "n"(Bytes), "r"(ignored)
        : "memory");
  }
}
/// Closes the group of this thread's copies started so far.
__device__ inline void copy_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
/// Until at most N of this thread's groups are under way. Other threads see the data after a barrier.
template <int N>
__device__ inline void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

/// Four 8x8 tiles of 16-bit elements from shared memory; lane i points at row i % 8 of tile i / 8 (16 bytes,
/// aligned). Lane i receives elements 2 (i % 4) and 2 (i % 4) + 1 of row i / 4 of each tile.
__device__ inline void load_matrix_x4(uint32_t (&r)[4], const void* shared_row) {
  const auto from = static_cast<unsigned>(__cvta_generic_to_shared(shared_row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from)
               : "memory");
}
/// The same, each tile transposed.
__device__ inline void load_matrix_x4_transposed(uint32_t (&r)[4], const void* shared_row) {
  const auto from = static_cast<unsigned>(__cvta_generic_to_shared(shared_row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from)
               : "memory");
}

/// d (16x8, float) += a (16x16, bf16, row) · b (16x8, bf16, column), fragments as PTX's mma.m16n8k16 lays
/// them out.
__device__ inline void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// The same by eight: a (16x8) · b (8x8).
__device__ inline void mma_m16n8k8(float (&d)[4], const uint32_t (&a)[2], const uint32_t (&b)[1]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(b[0]));
}

/// Programmatic dependent launch: waits until the kernels before this one in the stream have finished and
/// their writes are visible. Every kernel calls it before its first read or write of global memory.
__device__ inline void wait_for_previous_kernel() {
  asm volatile("griddepcontrol.wait;" ::: "memory");
}
/// Lets the next kernel's blocks start up to their own wait.
__device__ inline void let_next_kernel_start() {
  asm volatile("griddepcontrol.launch_dependents;");
}

#endif  // __CUDACC__
#endif  // PHOTON_CUDA

#ifndef PHOTON_CUDA
template <class T>
T* settled(T* p) {
  return p;
}
inline uint32_t anew(uint32_t x) {
  return x;
}
inline float fast_reciprocal(float x) {
  return 1.0f / x;
}
inline uint32_t to_bf16_pair(float first, float second) {
  const Pack<bf16, 2> pair{{to_bf16(first), to_bf16(second)}};
  uint32_t bits;
  memcpy(&bits, &pair, sizeof(bits));
  return bits;
}
#endif

template <int N, class T>
__host__ __device__ inline Pack<T, N> load_pack(const T* p) {
#ifndef PHOTON_CUDA
  check_aligned(p, sizeof(Pack<T, N>));
#endif
  return *reinterpret_cast<const Pack<T, N>*>(p);
}
template <int N, class T>
__host__ __device__ inline void store_pack(T* p, const Pack<T, N>& x) {
#ifndef PHOTON_CUDA
  check_aligned(p, sizeof(x));
#endif
  *reinterpret_cast<Pack<T, N>*>(p) = x;
}

/// N adjacent bf16 as pairs: registers are 32 bits wide, and taking them apart and together again costs as
/// much as computing with them.
template <int N>
__host__ __device__ inline Pack<uint32_t, N / 2> load_pairs(const bf16* p) {
  return load_pack<N / 2>(reinterpret_cast<const uint32_t*>(p));
}
template <int N>
__host__ __device__ inline void store_pairs(bf16* p, const Pack<uint32_t, N / 2>& x) {
  store_pack(reinterpret_cast<uint32_t*>(p), x);
}
template <int N>
__device__ inline Pack<uint32_t, N / 2> load_pairs_streaming(const bf16* p) {
  return load_streaming<uint32_t, N / 2>(reinterpret_cast<const uint32_t*>(p));
}
__host__ __device__ inline float first_of_pair(uint32_t pair) {
  const uint32_t bits = pair << 16;
  float x;
  memcpy(&x, &bits, sizeof(x));
  return x;
}
__host__ __device__ inline float second_of_pair(uint32_t pair) {
  const uint32_t bits = pair & 0xffff0000u;
  float x;
  memcpy(&x, &bits, sizeof(x));
  return x;
}

}  // namespace photon::PHOTON_GPU
