// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/base/philox.h"
#include "cuda_impl/kernels/reduce.h"
#include "cuda_impl/kernels/sample_place.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned most_threads = 512;
constexpr unsigned warps = most_threads / warp_size;

struct Scratch {
  float high[warps];
  double sum[warps];
  int32_t count[warps];
  double before[most_threads];  // of the threads' own ranges of the vocabulary
  int32_t token;
};

// Bits that order as the floats do; both zeros are one.
__device__ uint32_t ordered(float x) {
  x += 0.0f;
  uint32_t bits;
  memcpy(&bits, &x, sizeof(bits));
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

// A state's tokens by weight exp((logit - high) / temperature).
class Distribution {
 public:
  __device__ Distribution(const Sample& a, const RandomSampling& s, const float* logits, Scratch& scratch)
      : logits_(logits), vocab_(a.vocab), scratch_(scratch) {
    float high = -INFINITY;
    for (int32_t i = first(); i < vocab_; i += step()) high = fmaxf(high, logits_[i]);
    high_ = block_max(high, scratch_.high);
    inverse_temperature_ = 1.0f / s.temperature;
  }

  __device__ float high() const { return high_; }
  __device__ double weight(int32_t i) const {
    return static_cast<double>(expf((logits_[i] - high_) * inverse_temperature_));
  }
  /// Of the distribution itself, at temperature 1.
  __device__ double sum_at_temperature_one() {
    double sum = 0.0;
    for (int32_t i = first(); i < vocab_; i += step()) sum += static_cast<double>(expf(logits_[i] - high_));
    return block_sum(sum, scratch_.sum);
  }
  __device__ double mass_from(uint32_t key) {
    double sum = 0.0;
    for (int32_t i = first(); i < vocab_; i += step()) {
      if (ordered(logits_[i]) >= key) sum += weight(i);
    }
    return block_sum(sum, scratch_.sum);
  }
  __device__ int32_t count_from(uint32_t key) {
    int32_t count = 0;
    for (int32_t i = first(); i < vocab_; i += step()) count += ordered(logits_[i]) >= key ? 1 : 0;
    return static_cast<int32_t>(block_sum(static_cast<double>(count), scratch_.sum));
  }
  __device__ double weight_of(uint32_t key) const {
    const uint32_t bits = key & 0x80000000u ? key & 0x7fffffffu : ~key;
    float logit;
    memcpy(&logit, &bits, sizeof(logit));
    return static_cast<double>(expf((logit - high_) * inverse_temperature_));
  }

  /// The token, in the vocabulary's order, at which the running sum of `value` first exceeds `threshold`; the
  /// last one of any value if none does.
  template <class Value>
  __device__ int32_t find(double threshold, Value value) {
    const int32_t range = (vocab_ + step() - 1) / step();
    const int32_t begin = min(vocab_, static_cast<int32_t>(threadIdx.x) * range);
    const int32_t end = min(vocab_, begin + range);
    double own = 0.0;
    for (int32_t i = begin; i < end; ++i) own += value(i);
    scratch_.before[threadIdx.x] = own;
    if (threadIdx.x == 0) scratch_.token = -1;
    __syncthreads();
    if (threadIdx.x == 0) {
      double sum = 0.0;
      int32_t last = 0;
      for (unsigned t = 0; t < blockDim.x; ++t) {
        const double mass = scratch_.before[t];
        scratch_.before[t] = sum;
        if (mass > 0.0) last = static_cast<int32_t>(t);
        sum += mass;
      }
      scratch_.count[0] = last;
    }
    __syncthreads();
    const double before = scratch_.before[threadIdx.x];
    const bool last = static_cast<int32_t>(threadIdx.x) == scratch_.count[0];
    if (before <= threshold && (threshold < before + own || last)) {
      double sum = before;
      int32_t found = -1;
      for (int32_t i = begin; i < end && !(sum > threshold); ++i) {
        const double v = value(i);
        sum += v;
        if (v > 0.0) found = i;
      }
      scratch_.token = found;
    }
    __syncthreads();
    const int32_t token = scratch_.token;
    __syncthreads();
    return token;
  }

  __device__ const float* logits() const { return logits_; }

 private:
  __device__ static int32_t first() { return static_cast<int32_t>(threadIdx.x); }
  __device__ static int32_t step() { return static_cast<int32_t>(blockDim.x); }

  const float* logits_;
  int32_t vocab_;
  Scratch& scratch_;
  float high_ = 0.0f;
  float inverse_temperature_ = 1.0f;
};

// The largest key that `enough` still accepts; it accepts 0 and is monotone.
template <class Enough>
__device__ uint32_t largest_key(Enough enough) {
  uint32_t key = 0;
  for (int bit = 31; bit >= 0; --bit) {
    const uint32_t candidate = key | uint32_t{1} << bit;
    if (enough(candidate)) key = candidate;
  }
  return key;
}

// From the likeliest down: equal logits have equal weights, so their run is arithmetic, and no sorting is
// needed to know where in the order a sum is reached.
__device__ int32_t sample_restricted(Distribution& d, const RandomSampling& s, int32_t vocab,
                                     double uniform) {
  uint32_t lowest = 0;
  double all = 0.0;
  if (s.top_k > 0 && s.top_k < vocab) {
    lowest = largest_key([&](uint32_t key) { return d.count_from(key) >= s.top_k; });
    const int32_t above = lowest == 0xffffffffu ? 0 : d.count_from(lowest + 1);
    all = (above > 0 ? d.mass_from(lowest + 1) : 0.0) + (s.top_k - above) * d.weight_of(lowest);
  } else {
    all = d.mass_from(0);
  }
  const auto mass = [&](uint32_t key) { return key <= lowest ? all : d.mass_from(key); };
  double kept = all;
  if (s.top_p < 1.0f) {
    const double wanted = static_cast<double>(s.top_p) * all;
    const uint32_t key = largest_key([&](uint32_t k) { return mass(k) >= wanted; });
    const double above = mass(key + 1);
    const double each = d.weight_of(key);
    const double run = fmax(1.0, ceil((wanted - above) / each));
    kept = fmin(all, above + run * each);
  }
  const double threshold = kept * uniform;
  const uint32_t key = largest_key([&](uint32_t k) { return mass(k) > threshold; });
  const double above = key + 1 <= lowest ? 0.0 : d.mass_from(key + 1);
  const double place = floor((threshold - above) / d.weight_of(key));
  const float* logits = d.logits();
  return d.find(fmax(0.0, place), [&](int32_t i) { return ordered(logits[i]) == key ? 1.0 : 0.0; });
}

// One block a sample.
__global__ void __launch_bounds__(most_threads) sampled_kernel(Sample a, RandomSampling s) {
  PHOTON_SHARED(Scratch, scratch);
  wait_for_previous_kernel();
  let_next_kernel_start();
  const int64_t sample = blockIdx.x;
  const int64_t state = sample / a.samples;
  const SamplePlace place(a, a.first_state * a.samples + sample);
  if (place.position >= 0) {  // the same for the whole block
    Distribution d(a, s, a.logits + state * a.vocab, scratch);
    int32_t token = 0;
    if (place.given(a)) {
      token = place.token(a);
    } else {
      const double uniform = philox_uniform(s.seed, static_cast<uint64_t>(s.first_sequence + place.row),
                                            static_cast<uint64_t>(place.position));
      if (s.top_k > 0 || s.top_p < 1.0f) {
        token = sample_restricted(d, s, a.vocab, uniform);
      } else {
        const double threshold = d.mass_from(0) * uniform;
        token = d.find(threshold, [&](int32_t i) { return d.weight(i); });
      }
    }
    if (token < 0) token = 0;  // logits that are no numbers: the token must still be one
    const double log_sum = log(d.sum_at_temperature_one());
    if (threadIdx.x == 0) {
      const auto shifted = static_cast<double>(d.logits()[token] - d.high());
      place.write(a, token, static_cast<float>(shifted - log_sum));
    }
  }
}

}  // namespace

Work sample_random_work(const Sample& a) {
  return {.other_bytes = static_cast<double>(a.states * a.samples) * a.vocab * sizeof(float)};
}

void sample_random(Stream& stream, const Sample& a, const RandomSampling& sampling) {
  const auto needed = static_cast<unsigned>((a.vocab + warp_size - 1) / warp_size) * warp_size;
  stream.launch({"sample_random", sample_random_work(a)},
                {dim3(static_cast<unsigned>(a.states * a.samples)), std::min(needed, most_threads)},
                sampled_kernel, a, sampling);
}

}  // namespace photon::PHOTON_GPU
