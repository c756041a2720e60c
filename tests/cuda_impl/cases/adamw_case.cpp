// SPDX-License-Identifier: Apache-2.0
#include "core/backend/adamw.h"

#include "cuda_impl/kernels/adamw.h"
#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/output.h"
#include "tests/cuda_impl/cases/parameter_case.h"

namespace photon::PHOTON_GPU {
namespace {

std::vector<float> positive_values(size_t size, uint64_t seed) {
  std::vector<float> out = random_values<float>(std::min(size, RepeatedArray<float>::longest_period), seed);
  for (float& v : out) v = std::abs(v);
  out.resize(size, 0.25f);
  return out;
}

class AdamWCase : public OpCase {
 public:
  AdamWCase(const ParameterShape& p, uint64_t seed)
      : ranges_(ranges_of(p)),
        elements_(static_cast<size_t>(ranges_.back().offset + ranges_.back().size)),
        parameters_(elements_, seed),
        gradients_(elements_, seed + 1),
        first_(elements_, seed + 2),
        second_(positive_values(elements_, seed + 3)),
        weights_(static_cast<size_t>(ranges_.back().place + ranges_.back().size), seed + 4),
        tiles_(parameter_tiles(ranges_)) {
    op_ = {.parameters = parameters_.data(),
           .gradients = gradients_.data(),
           .first = first_.data(),
           .second = second_.data(),
           .weights = weights_.data(),
           .tiles = tiles_.data(),
           .tile_count = static_cast<int64_t>(tiles_.size()),
           .factors = adamw_factors(step_)};
    for (const ParameterRange& r : ranges_) {
      (r.trained ? op_.trained_elements : op_.frozen_elements) += r.size;
    }
  }

  void launch(Stream& stream) override { adamw(stream, op_); }
  Work work() const override { return adamw_work(op_); }

  /// `naive` is the rule of core/backend/adamw.h itself.
  std::vector<OpOutput> outputs() override {
    OpOutput parameters{"parameters", {}, {}, {}, Precision::float32};
    OpOutput first{"first", {}, {}, {}, Precision::float32};
    OpOutput second{"second", {}, {}, {}, Precision::float32};
    OpOutput weights{"weights", {}, {}, {}};
    OpOutput gradients = copied_output("gradients");
    const std::vector<float> p = parameters_.read();
    const std::vector<float> g = gradients_.read();
    const std::vector<float> m = first_.read();
    const std::vector<float> v = second_.read();
    const std::vector<bf16> w = weights_.read();
    Untouched<float> p_rest(parameters_);
    Untouched<float> m_rest(first_);
    Untouched<float> v_rest(second_);
    Untouched<bf16> w_rest(weights_);
    State<std::vector<float>> naive{values(parameters_), values(first_), values(second_)};
    std::vector<ParameterInfo> list;
    for (const ParameterRange& r : ranges_) {
      list.emplace_back();
      list.back().shape = {r.size};
      list.back().offset = r.offset;
      list.back().decay = r.decay;
      list.back().trained = r.trained;
    }
    adamw_update(list, step_, naive.p, values(gradients_), naive.m, naive.v);
    for (const ParameterRange& r : ranges_) {
      const int64_t step = check_step(r.size, most_checked);
      for (int64_t i = 0; i < r.size; i += step) {
        add_copied(gradients, g[static_cast<size_t>(r.offset + i)], 0.0f);
      }
      if (!r.trained) continue;
      for (int64_t i = 0; i < r.size; ++i) {
        const auto at = static_cast<size_t>(r.offset + i);
        const auto place = static_cast<size_t>(r.place + i);
        p_rest.touch(at);
        m_rest.touch(at);
        v_rest.touch(at);
        w_rest.touch(place);
        if (i % step != 0) continue;
        const State<double> exact = updated(at, r.decay);
        // The update is a product and quotient of some eight rounded numbers.
        const double before = number(parameters_[at]);
        note(parameters, std::abs(before) + 8.0 * std::abs(exact.p - before));
        note(first, 2.0 * (std::abs(number(first_[at])) + std::abs(number(gradients_[at]))));
        note(second, 4.0 * exact.v);
        add_stored(parameters, p[at], naive.p[at], exact.p);
        add_stored(first, m[at], naive.m[at], exact.m);
        add_stored(second, v[at], naive.v[at], exact.v);
        add_rounded(weights, w[place], naive.p[at], exact.p);
      }
    }
    const auto rest = [](const auto& untouched, const auto& now, const char* name) {
      return untouched.output(std::string(name) + " of what is not trained", now);
    };
    std::vector<OpOutput> all = {parameters,
                                 first,
                                 second,
                                 weights,
                                 gradients,
                                 rest(p_rest, p, "parameters"),
                                 rest(m_rest, m, "first"),
                                 rest(v_rest, v, "second"),
                                 rest(w_rest, w, "weights")};
    for (RepeatedArray<float>* array : {&parameters_, &gradients_, &first_, &second_}) array->restore();
    weights_.restore();
    return all;
  }

 private:
  static constexpr int64_t most_checked = 20'000;

  static void note(OpOutput& out, double magnitude) { out.magnitude = std::max(out.magnitude, magnitude); }

  template <class S>
  struct State {
    S p;
    S m;
    S v;
  };

  static std::vector<float> values(const RepeatedArray<float>& array) {
    std::vector<float> out(array.size());
    for (size_t i = 0; i < out.size(); ++i) out[i] = array.value(i);
    return out;
  }

  State<double> updated(size_t at, bool decay) const {
    const AdamWFactors& f = op_.factors;
    const double g = number(gradients_[at]) * number(f.scale);
    const double m = number(f.beta1) * number(first_[at]) + number(f.new1) * g;
    const double v = number(f.beta2) * number(second_[at]) + number(f.new2) * g * g;
    const double keep = decay ? number(f.shrink) : 1.0;
    const double root = std::sqrt(v) * number(f.root_correction) + number(f.epsilon);
    return {keep * number(parameters_[at]) - number(f.rate) * m / root, m, v};
  }

  AdamWStep step_{.step = 3,
                  .learning_rate = 0.05,
                  .beta1 = 0.8,
                  .beta2 = 0.97,
                  .epsilon = 1e-3,
                  .weight_decay = 0.3,
                  .gradient_scale = 0.7};
  std::vector<ParameterRange> ranges_;
  size_t elements_;
  RepeatedArray<float> parameters_;
  RepeatedArray<float> gradients_;
  RepeatedArray<float> first_;
  RepeatedArray<float> second_;
  RepeatedValues weights_;
  DeviceArray<ParameterTile> tiles_;
  AdamW op_;
};

}  // namespace

void add_adamw_cases(std::vector<NamedCase>& cases) {
  for (const ParameterShape& p : parameter_shapes()) {
    cases.push_back(
        {"adamw", name_of(p), p.large, [p](uint64_t seed) { return std::make_unique<AdamWCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
