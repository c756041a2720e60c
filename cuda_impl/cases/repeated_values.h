// Standard normals in bf16 on the device, repeated after a period where the array is larger: caches of the
// paper's batches are tens of GiB, which no host generates, and whose values are known all the same.
#pragma once

#include <algorithm>
#include <vector>

#include "cuda_impl/cases/device_array.h"

namespace photon::PHOTON_GPU {

class RepeatedValues {
 public:
  static constexpr size_t longest_period = (size_t{1} << 23) - 1;  ///< odd: rows of one place differ

  RepeatedValues(size_t size, uint64_t seed)
      : device_(size), values_(random_values<bf16>(std::min(size, longest_period), seed)) {
    size_t filled = values_.size();
    check(cudaMemcpy(device_.data(), values_.data(), filled * sizeof(bf16), cudaMemcpyHostToDevice),
          "cudaMemcpy");
    while (filled < size) {
      const size_t more = std::min(filled, size - filled);
      check(
          cudaMemcpy(device_.data() + filled, device_.data(), more * sizeof(bf16), cudaMemcpyDeviceToDevice),
          "cudaMemcpy");
      filled += more;
    }
  }

  bf16* data() const { return device_.data(); }
  size_t size() const { return device_.size(); }
  bf16 value(size_t i) const { return values_[i % values_.size()]; }
  float operator[](size_t i) const { return to_float(value(i)); }

 private:
  DeviceArray<bf16> device_;
  std::vector<bf16> values_;
};

}  // namespace photon::PHOTON_GPU
