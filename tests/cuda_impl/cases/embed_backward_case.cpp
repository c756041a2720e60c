// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cuda_impl/kernels/embed_backward.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  int64_t places = 1;
  int32_t vocab = 1;
  int32_t width = 1;
  int64_t gap = 0;
  double frequent = 0.0;  ///< share of one token
  bool large = false;
};

std::string name_of(const Parameters& p) {
  return fmt::format("places={} vocab={} width={} gap={} frequent={}", p.places, p.vocab, p.width, p.gap,
                     p.frequent);
}

std::vector<int32_t> random_ids(const Parameters& p, uint64_t seed) {
  const Philox random(seed);
  std::vector<int32_t> out;
  for (int64_t i = 0; i < p.places; ++i) {
    const bool frequent = random.uniform(2, static_cast<uint64_t>(i)) < p.frequent;
    const auto any = static_cast<int32_t>(random.uniform(1, static_cast<uint64_t>(i)) * p.vocab);
    out.push_back(frequent ? p.vocab / 2 : any);
  }
  return out;
}

class EmbedBackwardCase : public OpCase {
 public:
  EmbedBackwardCase(const Parameters& p, uint64_t seed)
      : p_(p),
        ids_(random_ids(p, seed)),
        d_(static_cast<size_t>(p.places * (p.width + p.gap)), seed + 1),
        d_table_(static_cast<size_t>(int64_t{p.vocab} * p.width), seed + 2),
        workspace_(std::max<size_t>(1, static_cast<size_t>(embed_backward_workspace(p.places, p.width)))) {
    const TokenPlaces places = token_places(ids_, p.vocab);
    positions_ = DeviceArray<int32_t>(places.positions);
    segments_ = DeviceArray<TokenSegment>(places.segments);
    if (!places.partials.empty()) partials_ = DeviceArray<TokenPartials>(places.partials);
    int32_t partial_rows = 0;
    for (const TokenPartials& t : places.partials) partial_rows += t.count;
    op_ = {.d = d_.data(),
           .d_stride = p.width + p.gap,
           .positions = positions_.data(),
           .segments = segments_.data(),
           .partials = partials_.data(),
           .segment_count = static_cast<int32_t>(places.segments.size()),
           .partial_count = static_cast<int32_t>(places.partials.size()),
           .partial_rows = partial_rows,
           .places = p.places,
           .d_table = d_table_.data(),
           .workspace = workspace_.data(),
           .width = p.width};
  }

  void launch(Stream& stream) override {
    workspace_.poison();
    embed_backward(stream, op_);
  }
  Work work() const override { return embed_backward_work(op_); }

  std::vector<OpOutput> outputs() override {
    OpOutput result{"d_table", {}, {}, {}, Precision::float32};
    const std::vector<float> now = d_table_.read();
    const int64_t step = check_step(p_.width, p_.large ? 8 : p_.width);
    for (int64_t i = 0; i < p_.width; i += step) {
      std::vector<float> naive;
      std::vector<double> exact;
      const auto place = [&](int64_t token) { return static_cast<size_t>(token * p_.width + i); };
      for (int64_t token = 0; token < p_.vocab; ++token) {
        naive.push_back(d_table_[place(token)]);
        exact.push_back(number(naive.back()));
      }
      std::vector<double> magnitude(static_cast<size_t>(p_.vocab));
      for (int64_t position = 0; position < p_.places; ++position) {
        const auto token = static_cast<size_t>(ids_[static_cast<size_t>(position)]);
        const float d = d_[static_cast<size_t>(position * op_.d_stride + i)];
        naive[token] += d;
        exact[token] += number(d);
        magnitude[token] += std::abs(number(d));
        result.magnitude = std::max(result.magnitude, magnitude[token]);
      }
      for (int64_t token = 0; token < p_.vocab; ++token) {
        add_stored(result, now[place(token)], naive[static_cast<size_t>(token)],
                   exact[static_cast<size_t>(token)]);
      }
    }
    d_table_.restore();
    return {result};
  }

 private:
  Parameters p_;
  std::vector<int32_t> ids_;
  RepeatedValues d_;
  RepeatedArray<float> d_table_;
  DeviceArray<float> workspace_;
  DeviceArray<int32_t> positions_;
  DeviceArray<TokenSegment> segments_;
  DeviceArray<TokenPartials> partials_;
  EmbedBackward op_;
};

}  // namespace

void add_embed_backward_cases(std::vector<NamedCase>& cases) {
  const std::vector<Parameters> all = {
      {.places = 1, .vocab = 3, .width = 1},
      {.places = 40, .vocab = 2, .width = 13, .gap = 1, .frequent = 0.5},
      {.places = 66, .vocab = 2, .width = 26, .frequent = 0.5},
      {.places = 33, .vocab = 1, .width = 24, .gap = 8},
      {.places = 700, .vocab = 50, .width = 24, .frequent = 0.6},
      {.places = 90, .vocab = 40, .width = 4, .gap = 4},
      {.places = 60, .vocab = 100, .width = 520},
      {.places = 65536, .vocab = 32000, .width = 1664, .frequent = 0.05, .large = true},
      {.places = 65536, .vocab = 32000, .width = 416, .frequent = 0.05, .large = true},
  };
  for (const Parameters& p : all) {
    cases.push_back({"embed_backward", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<EmbedBackwardCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
