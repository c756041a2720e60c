// SPDX-License-Identifier: Apache-2.0
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/sample_case.h"

namespace photon::PHOTON_GPU {
namespace {

class SampleGreedyCase : public SampleCase {
 public:
  SampleGreedyCase(const SampleShape& p, uint64_t seed)
      : SampleCase(p, seed), parts_(static_cast<size_t>(p.states * greedy_parts(p.vocab))) {}

  void launch(Stream& stream) override { sample_greedy(stream, op_, parts_.data()); }
  Work work() const override { return sample_greedy_work(op_); }

 private:
  /// The first of the largest.
  std::optional<int32_t> expected(const Place& place) const override {
    int32_t best = 0;
    for (int32_t i = 1; i < p_.vocab; ++i) {
      if (logit(place.state, i) > logit(place.state, best)) best = i;
    }
    return best;
  }

  DeviceArray<GreedyPart> parts_;
};

}  // namespace

void add_sample_greedy_cases(std::vector<NamedCase>& cases) {
  std::vector<SampleShape> all = {
      {.vocab = 1},
      {.states = 3, .vocab = 2},
      {.states = 5, .vocab = 13, .idle = true, .given = true},
      {.states = 6, .vocab = 13, .count = 3, .first = 2, .step = 2, .idle = true, .given = true},
      {.states = 3, .vocab = 40, .samples = 3, .mapped = true, .given = true},
      {.states = 4, .vocab = 300, .samples = 2, .first_state = 3, .first = 1, .mapped = true, .idle = true},
      {.states = 2, .vocab = 4096, .ties = true},
      {.states = 2, .vocab = 4097},
      {.states = 3, .vocab = 9000, .ties = true},
      {.states = 2, .vocab = 200'000},
  };
  for (const int64_t states : {1, 8, 64, 512, 2048}) {
    all.push_back({.states = states, .vocab = 32000, .large = true});
  }
  all.push_back({.states = 64, .vocab = 32000, .samples = 16, .large = true});
  for (const SampleShape& p : all) {
    cases.push_back({"sample_greedy", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<SampleGreedyCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
