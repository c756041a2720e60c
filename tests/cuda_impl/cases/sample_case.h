// SPDX-License-Identifier: Apache-2.0
// Samples of tokens from random logits, whoever chooses: rows that stand at different places, idle ones,
// given tokens; log probabilities on the host.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cuda_impl/device/repeated_array.h"
#include "cuda_impl/kernels/sample.h"
#include "tests/cuda_impl/cases/op_case.h"

namespace photon::PHOTON_GPU {

struct SampleShape {
  int64_t states = 1;
  int32_t vocab = 2;
  int32_t samples = 1;
  int32_t count = 1;
  int64_t first_state = 0;
  int32_t first = 0;
  int32_t step = 1;
  bool mapped = false;  ///< rows are others than their own number
  bool idle = false;    ///< every third row is
  bool given = false;   ///< the first tokens of every other row are
  bool ties = false;    ///< logits are multiples of a half, many of them the largest
  bool large = false;
};

std::string name_of(const SampleShape& p);

class SampleCase : public OpCase {
 public:
  SampleCase(const SampleShape& shape, uint64_t seed);

  std::vector<OpOutput> outputs() override;

 protected:
  struct Place {
    int64_t state;  ///< of the launch's
    int64_t row;
    int64_t position;  ///< in the row's text
  };
  /// The token to be chosen there; nothing if rounding may decide between several.
  virtual std::optional<int32_t> expected(const Place& place) const = 0;
  float logit(int64_t state, int32_t token) const {
    return logits_[static_cast<size_t>(state * p_.vocab + token)];
  }

  SampleShape p_;
  Sample op_;

 private:
  static RepeatedArray<float> random_logits(const SampleShape& p, uint64_t seed);
  int64_t entries() const { return (p_.first_state + p_.states) * p_.samples / p_.count; }
  int64_t rows() const { return entries() + (p_.mapped ? 2 : 0); }
  void add_log_prob(OpOutput& to, const Place& place, int32_t token, float fast) const;

  int64_t capacity_;
  RepeatedArray<float> logits_;
  RepeatedArray<int32_t> tokens_;
  RepeatedArray<float> log_probs_;
  std::vector<int32_t> start_;
  std::vector<int32_t> known_;
  std::vector<int32_t> row_of_;
  DeviceArray<int32_t> device_start_;
  DeviceArray<int32_t> device_known_;
  DeviceArray<int32_t> device_row_of_;
};

}  // namespace photon::PHOTON_GPU
