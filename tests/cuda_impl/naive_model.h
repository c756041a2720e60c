// A third implementation of the model, as plain as it can be: no caches, no batches, every stack run from its
// first unit each time. In double it is exact; in float with every operation's result rounded to bf16 it
// shows what error that precision brings by itself, which is what the kernels are held against.
#pragma once

#include <bit>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "core/generation.h"
#include "core/model_spec.h"
#include "core/parameters.h"
#include "cuda_impl/device.h"

namespace photon::testing {

inline float rounded_bf16(float x) {
  return PHOTON_GPU::to_float(PHOTON_GPU::to_bf16(x));
}

template <class T>
class NaiveModel {
 public:
  using Row = std::vector<T>;
  using Rows = std::vector<Row>;

  /// parameters: as TrainableModel takes them, already rounded to bf16. seed: of the rounding.
  NaiveModel(const ModelSpec& spec, const std::vector<float>& parameters, uint64_t seed = 0)
      : spec_(spec), parameters_(parameters), random_(static_cast<uint32_t>(seed)) {
    for (const ParameterInfo& p : parameter_list(spec)) infos_[p.name] = p;
  }

  /// log p of every token of one text; 0 for a vanilla model's first. Under recgen the first `prompt`
  /// meta-contexts are a prompt, and everything after them is made from reconstructions.
  std::vector<double> log_probs(const std::vector<int32_t>& text, Generation generation = Generation::hiergen,
                                int64_t prompt = 0) {
    std::vector<int32_t> tokens = text;
    tokens.resize((text.size() + static_cast<size_t>(spec_.meta_context()) - 1) /
                      static_cast<size_t>(spec_.meta_context()) * static_cast<size_t>(spec_.meta_context()),
                  0);
    const Rows states = spec_.depth() == 0 ? vanilla(tokens) : hierarchy(tokens, generation, prompt);
    std::vector<double> out(text.size(), 0.0);
    const size_t shift = spec_.depth() == 0 ? 1 : 0;
    for (size_t i = 0; i + shift < text.size(); ++i) {
      const Row logits = product({states[i]}, "head.weight", false)[0];
      double high = -INFINITY;
      for (const T v : logits) high = std::max(high, static_cast<double>(v));
      double sum = 0.0;
      for (const T v : logits) sum += std::exp(static_cast<double>(v) - high);
      const auto token = static_cast<size_t>(text[i + shift]);
      out[i + shift] = static_cast<double>(logits[token]) - high - std::log(sum);
    }
    return out;
  }

 private:
  T rounded(T x) const {
    if constexpr (std::is_same_v<T, float>) {
      const uint32_t bits = std::bit_cast<uint32_t>(x) + static_cast<uint32_t>(random_() & 0xffffu);
      return std::bit_cast<float>(bits & 0xffff0000u);
    } else {
      return x;
    }
  }

  const float* values(const std::string& name) const { return parameters_.data() + infos_.at(name).offset; }

  Rows vanilla(const std::vector<int32_t>& tokens) {
    return stack("decoder.1", spec_.base, spec_.layers, embedded("decoder.1.embedding.weight", tokens), {},
                 1);
  }

  Rows hierarchy(const std::vector<int32_t>& tokens, Generation generation, int64_t prompt) {
    const int top = spec_.depth();
    std::vector<Rows> x(static_cast<size_t>(top) + 1);
    Rows below = embedded("encoder.embedding.weight", tokens);
    Rows a;
    for (int l = 1; l <= top; ++l) {
      a = chunked(l, below);
      x[static_cast<size_t>(l)] = below = encoder(l, a);
    }
    Rows xhat = below;  // Xhat^(L)
    if (generation == Generation::recgen) {
      // A^(L) of each meta-context after the prompt comes from the reconstruction below it.
      a.resize(static_cast<size_t>(prompt));
      const auto meta_contexts = static_cast<int64_t>(tokens.size()) / spec_.meta_context();
      for (int64_t g = prompt; g < meta_contexts; ++g) {
        Rows known = a.empty() ? Rows{} : encoder(top, a);
        known.resize(static_cast<size_t>(g) + 1, Row(static_cast<size_t>(spec_.shape(top).width), T(0)));
        const Rows made = decoded(top, known, nullptr);
        const auto c = static_cast<size_t>(spec_.level(top).chunk);
        const Rows last(made.end() - static_cast<int64_t>(c), made.end());
        a.push_back(chunked(top, last)[0]);
      }
      xhat = encoder(top, a);
    }
    for (int l = top; l >= 2; --l) {
      const bool observed = generation == Generation::hiergen && spec_.feedback(l) == Feedback::observed;
      xhat = decoded(l, xhat, observed ? &x[static_cast<size_t>(l - 1)] : nullptr);
    }
    if (spec_.feedback(1) != Feedback::token) return decoded(1, xhat, nullptr);
    const Rows fed = embedded("decoder.1.embedding.weight", tokens);
    return decoded(1, xhat, &fed);
  }

  Rows embedded(const std::string& table, const std::vector<int32_t>& tokens) const {
    const auto width = static_cast<size_t>(infos_.at(table).shape[1]);
    Rows out;
    for (const int32_t t : tokens) {
      const float* row = values(table) + static_cast<size_t>(t) * width;
      out.emplace_back(row, row + width);
    }
    return out;
  }

  Rows product(const Rows& x, const std::string& weight, bool round = true,
               const Rows* residual = nullptr) const {
    const auto out_width = static_cast<size_t>(infos_.at(weight).shape[0]);
    const auto in = static_cast<size_t>(infos_.at(weight).shape[1]);
    const float* w = values(weight);
    const std::string bias_name = weight.substr(0, weight.rfind(".weight")) + ".bias";
    const float* bias = infos_.contains(bias_name) ? values(bias_name) : nullptr;
    Rows out;
    for (size_t r = 0; r < x.size(); ++r) {
      Row y(out_width);
      for (size_t o = 0; o < out_width; ++o) {
        T sum = bias == nullptr ? T(0) : T(bias[o]);
        for (size_t i = 0; i < in; ++i) sum += x[r][i] * T(w[o * in + i]);
        if (residual != nullptr) sum += (*residual)[r][o];
        y[o] = round ? rounded(sum) : sum;
      }
      out.push_back(std::move(y));
    }
    return out;
  }

  Rows norm(const Rows& x, const std::string& gain) const {
    const float* g = values(gain);
    Rows out = x;
    for (Row& row : out) {
      T sum = T(0);
      for (const T v : row) sum += v * v;
      const T scale = T(1) / std::sqrt(sum / static_cast<T>(row.size()) + static_cast<T>(spec_.norm_eps));
      for (size_t i = 0; i < row.size(); ++i) row[i] = rounded(row[i] * scale * T(g[i]));
    }
    return out;
  }

  Rows chunked(int l, const Rows& below) const {
    const auto c = static_cast<size_t>(spec_.level(l).chunk);
    Rows out(below.size() / c);
    for (size_t i = 0; i < out.size() * c; ++i) {
      out[i / c].insert(out[i / c].end(), below[i].begin(), below[i].end());
    }
    const std::string name = "encoder." + std::to_string(l) + ".chunker.";
    return l == 1 ? out : product(norm(out, name + "norm.weight"), name + "proj.weight");
  }

  Rows encoder(int l, const Rows& a) const {
    return stack("encoder." + std::to_string(l), spec_.shape(l), spec_.level(l).encoder_layers, a,
                 spec_.level(l).encoder_window, spec_.units_per_meta_context(l));
  }

  // Xhat^(l-1) from Xhat^(l); `fed`: what follows a unit into the window, null: the unit itself.
  Rows decoded(int l, const Rows& latents, const Rows* fed) const {
    const LevelSpec& s = spec_.level(l);
    const std::string name = "decoder." + std::to_string(l);
    const auto width = static_cast<size_t>(spec_.shape(l - 1).width);
    const float* start = values(name + ".start");
    const int64_t back = spec_.conditioning(l) == Conditioning::previous ? 1 : 0;
    Rows out;
    for (int64_t g = 0; g < std::ssize(latents); ++g) {
      Row conditioning;
      for (int64_t k = 0; k < s.converter_context; ++k) {
        const int64_t from = g - back - (s.converter_context - 1) + k;
        const Row latent = from < 0 ? Row(start, start + s.shape.width) : latents[static_cast<size_t>(from)];
        conditioning.insert(conditioning.end(), latent.begin(), latent.end());
      }
      const Row u = product({conditioning}, name + ".converter.weight")[0];
      Rows window;
      for (size_t r = 0; r < static_cast<size_t>(s.prefix); ++r) {
        window.emplace_back(u.begin() + static_cast<int64_t>(r * width),
                            u.begin() + static_cast<int64_t>((r + 1) * width));
      }
      for (int64_t j = 0; j < s.chunk; ++j) {
        const Rows made = stack(name, spec_.shape(l - 1), s.decoder_layers, window, {}, 1);
        out.push_back(made.back());
        window.push_back(fed == nullptr ? made.back() : (*fed)[static_cast<size_t>(g * s.chunk + j)]);
      }
    }
    return out;
  }

  Rows stack(const std::string& name, const StackShape& shape, int64_t layers, Rows x,
             const EncoderWindow& window, int64_t block) const {
    for (int64_t i = 0; i < layers; ++i) {
      const std::string layer = name + ".layers." + std::to_string(i) + ".";
      const Rows h = norm(x, layer + "attention_norm.weight");
      Rows q = product(h, layer + "attention.q.weight");
      Rows k = product(h, layer + "attention.k.weight");
      const Rows v = product(h, layer + "attention.v.weight");
      rotate(q, shape);
      rotate(k, shape);
      x = product(attention(q, k, v, shape, window, block), layer + "attention.o.weight", true, &x);
      const Rows n = norm(x, layer + "ffn_norm.weight");
      Rows gate = product(n, layer + "ffn.gate.weight");
      const Rows up = product(n, layer + "ffn.up.weight");
      for (size_t r = 0; r < gate.size(); ++r) {
        for (size_t f = 0; f < gate[r].size(); ++f) {
          gate[r][f] = rounded(gate[r][f] / (T(1) + std::exp(-gate[r][f])) * up[r][f]);
        }
      }
      x = product(gate, layer + "ffn.down.weight", true, &x);
    }
    return norm(x, name + ".norm.weight");
  }

  void rotate(Rows& rows, const StackShape& shape) const {
    const auto half = static_cast<size_t>(shape.head_size() / 2);
    for (size_t p = 0; p < rows.size(); ++p) {
      for (size_t h = 0; h < rows[p].size() / (2 * half); ++h) {
        for (size_t i = 0; i < half; ++i) {
          const double angle =
              static_cast<double>(p) *
              std::pow(spec_.rope_theta, -static_cast<double>(i) / static_cast<double>(half));
          const auto c = static_cast<T>(std::cos(angle));
          const auto s = static_cast<T>(std::sin(angle));
          T& a = rows[p][h * 2 * half + i];
          T& b = rows[p][h * 2 * half + half + i];
          const T turned = rounded(a * c - b * s);
          b = rounded(b * c + a * s);
          a = turned;
        }
      }
    }
  }

  Rows attention(const Rows& q, const Rows& k, const Rows& v, const StackShape& shape,
                 const EncoderWindow& window, int64_t block) const {
    const auto size = static_cast<size_t>(shape.head_size());
    Rows out(q.size(), Row(static_cast<size_t>(shape.width), T(0)));
    for (int64_t i = 0; i < std::ssize(q); ++i) {
      int64_t first = 0;
      if (window.kind == EncoderWindow::Kind::units) first = std::max<int64_t>(0, i - window.units + 1);
      if (window.kind == EncoderWindow::Kind::block) first = i / block * block;
      for (int64_t h = 0; h < shape.heads; ++h) {
        const auto at = static_cast<size_t>(h) * size;
        const auto kv = static_cast<size_t>(h * shape.kv_heads / shape.heads) * size;
        Row p;
        T high = -INFINITY;
        for (int64_t j = first; j <= i; ++j) {
          T score = T(0);
          for (size_t d = 0; d < size; ++d) {
            score += q[static_cast<size_t>(i)][at + d] * k[static_cast<size_t>(j)][kv + d];
          }
          p.push_back(score / std::sqrt(static_cast<T>(size)));
          high = std::max(high, p.back());
        }
        T sum = T(0);
        for (T& weight : p) sum += weight = std::exp(weight - high);
        for (size_t d = 0; d < size; ++d) {
          T value = T(0);
          for (int64_t j = first; j <= i; ++j) {
            value += p[static_cast<size_t>(j - first)] * v[static_cast<size_t>(j)][kv + d];
          }
          out[static_cast<size_t>(i)][at + d] = rounded(value / sum);
        }
      }
    }
    return out;
  }

  ModelSpec spec_;
  std::vector<float> parameters_;
  std::map<std::string, ParameterInfo> infos_;
  mutable std::mt19937 random_;
};

}  // namespace photon::testing
