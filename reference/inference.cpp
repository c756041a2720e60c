#include "reference/inference.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <vector>

#include "reference/generator.h"
#include "reference/scoring.h"

namespace photon::reference {
namespace {

float rounded_to_bfloat16(float x) {
  if (!std::isfinite(x)) return x;
  const auto bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u);  // nearest, ties to even
}

template <class S>
class Inference final : public InferenceModel {
 public:
  Inference(const ModelSpec& spec, AlignedVector<S> parameters)
      : spec_(spec),
        parameters_(std::move(parameters)),
        weights_(view_weights(spec_, parameters_.data())),
        model_(spec_, parameters_.data()),
        generator_(spec_, weights_) {}

  const ModelSpec& spec() const override { return spec_; }

  std::vector<Stream> forward(const TokenBatch& batch) override {
    model_.forward(batch);
    std::vector<Stream> out;
    out.push_back(stream("logits", logits(model_), batch.rows));
    for (int l = 1; l <= spec_.depth(); ++l)
      out.push_back(stream(fmt::format("x.{}", l), model_.x(l), batch.rows));
    for (int l = 0; l <= spec_.depth(); ++l) {
      out.push_back(stream(fmt::format("xhat.{}", l), model_.xhat(l), batch.rows));
    }
    return out;
  }
  std::vector<double> token_log_probs(const TokenBatch& batch) override {
    return reference::token_log_probs(model_, batch);
  }
  GenerationResult generate(const GenerationRequest& request) override { return generator_.run(request); }

 private:
  static Stream stream(std::string name, const Matrix<S>& m, int64_t rows) {
    Stream s{std::move(name), {rows, m.rows() / rows, m.cols()}, {}};
    s.values.assign(m.data(), m.data() + m.size());
    return s;
  }

  ModelSpec spec_;
  AlignedVector<S> parameters_;
  Weights<S> weights_;
  Model<S> model_;
  Generator<S> generator_;
};

}  // namespace

std::unique_ptr<InferenceModel> make_inference(const ModelSpec& spec, std::span<const float> parameters,
                                               DType dtype) {
  if (dtype == DType::float64) {
    return std::make_unique<Inference<double>>(spec,
                                               AlignedVector<double>(parameters.begin(), parameters.end()));
  }
  AlignedVector<float> values(parameters.begin(), parameters.end());
  if (dtype == DType::bfloat16) {
    for (float& v : values) v = rounded_to_bfloat16(v);
  }
  return std::make_unique<Inference<float>>(spec, std::move(values));
}

}  // namespace photon::reference
