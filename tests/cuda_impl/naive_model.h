// SPDX-License-Identifier: Apache-2.0
// A third implementation of the model, as plain as it can be: no caches, no batches, every stack run from its
// first unit each time. In double it is exact; in float with every operation's result rounded to bf16 it
// shows what error that precision brings by itself, which is what the kernels are held against. With
// Differentiable numbers (naive_gradient.h) it does the same for gradients.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/backend/backend.h"
#include "core/model/generation.h"
#include "core/model/model_spec.h"
#include "core/model/parameters.h"
#include "cuda_impl/device.h"

namespace photon::testing {

using std::exp;
using std::log;
using std::sqrt;

inline float rounded_bf16(float x) {
  return PHOTON_GPU::to_float(PHOTON_GPU::to_bf16(x));
}

/// Up or down to bf16 at random, the nearer the likelier.
inline float rounded_at_random(float x, std::mt19937& random) {
  const uint32_t bits = std::bit_cast<uint32_t>(x) + static_cast<uint32_t>(random() & 0xffffu);
  return std::bit_cast<float>(bits & 0xffff0000u);
}

template <class T>
class NaiveModel {
 public:
  using Row = std::vector<T>;
  using Rows = std::vector<Row>;

  /// parameters: as TrainableModel takes them, already rounded to bf16. seed: of the rounding.
  NaiveModel(const ModelSpec& spec, const std::vector<float>& parameters, uint64_t seed = 0)
      : NaiveModel(spec, std::vector<T>(parameters.begin(), parameters.end()), seed, 0) {}
  /// parameters: already numbers of T.
  static NaiveModel of(const ModelSpec& spec, std::vector<T> parameters, uint64_t seed) {
    return NaiveModel(spec, std::move(parameters), seed, 0);
  }

  /// The loss of a batch (docs/architecture.md, "The model").
  T loss(const TokenBatch& batch, const LossConfig& config) {
    T token = T(0);
    std::vector<Streams> rows;
    for (int64_t b = 0; b < batch.sequences; ++b) {
      const auto ids = batch.sequence(b);
      const std::vector<int32_t> text(ids.begin(), ids.end());
      rows.push_back(spec_.depth() == 0 ? Streams{} : streams(text, {}));
      const Rows states = spec_.depth() == 0 ? vanilla(text) : rows.back().xhat[0];
      const size_t shift = spec_.depth() == 0 ? 1 : 0;
      for (size_t i = 1 - shift; i + shift < text.size(); ++i) {
        token += cross_entropy(product({states[i]}, "head.weight", false)[0],
                               static_cast<size_t>(text[i + shift]));
      }
    }
    T total = token / T(static_cast<float>(batch.sequences * (batch.length - 1)));
    for (int l = 1; l <= spec_.depth(); ++l) {
      const auto i = static_cast<size_t>(l);
      Rows made, aims, before, after;
      for (const Streams& s : rows) {
        if (l >= 2) made.insert(made.end(), s.xhat[i - 1].begin(), s.xhat[i - 1].end());
        if (l >= 2) aims.insert(aims.end(), s.x[i - 1].begin(), s.x[i - 1].end());
        before.insert(before.end(), s.x[i].begin(), s.x[i].end() - 1);
        after.insert(after.end(), s.a[i].begin() + 1, s.a[i].end());
      }
      total += T(static_cast<float>(config.alpha)) * mean_distance(made, aims, config);
      total += T(static_cast<float>(config.beta)) * mean_distance(before, after, config);
    }
    return total;
  }

  /// How a text behind its first `prompt` meta-contexts is made: from its own tokens, or, each taken by
  /// itself, with reconstructions going up and reconstructions fed back (recgen: both).
  struct Way {
    bool observes_upward = true;
    bool observes_feedback = true;
    int64_t prompt = 0;

    Way() = default;
    Way(Generation generation, int64_t meta_contexts)
        : observes_upward(generation == Generation::hiergen),
          observes_feedback(generation == Generation::hiergen),
          prompt(meta_contexts) {}
  };

  /// log p of every token of one text; 0 for a vanilla model's first.
  std::vector<double> log_probs(const std::vector<int32_t>& text, const Way& way = {}) {
    std::vector<int32_t> tokens = text;
    tokens.resize((text.size() + static_cast<size_t>(spec_.meta_context()) - 1) /
                      static_cast<size_t>(spec_.meta_context()) * static_cast<size_t>(spec_.meta_context()),
                  0);
    const Rows states = spec_.depth() == 0 ? vanilla(tokens) : streams(tokens, way).xhat[0];
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
  NaiveModel(const ModelSpec& spec, std::vector<T> parameters, uint64_t seed, int)
      : spec_(spec), parameters_(std::move(parameters)), random_(static_cast<uint32_t>(seed)) {
    for (const ParameterInfo& p : parameter_list(spec)) infos_[p.name] = p;
  }

  /// By level, from 0; a[0] and x[0] are empty.
  struct Streams {
    std::vector<Rows> a, x, xhat;
  };

  T rounded(const T& x) const {
    if constexpr (std::is_same_v<T, double>) {
      return x;
    } else {
      return rounded_at_random(x, random_);
    }
  }

  T cross_entropy(const Row& logits, size_t token) const {
    T high = logits[0];
    for (const T& v : logits) high = std::max(high, v);
    T sum = T(0);
    for (const T& v : logits) sum += exp(v - high);
    return log(sum) - (logits[token] - high);
  }

  /// d(a, b) of the design; targets are detached where the config says so.
  T mean_distance(const Rows& a, const Rows& b, const LossConfig& config) const {
    if (a.empty()) return T(0);
    T total = T(0);
    for (size_t r = 0; r < a.size(); ++r) {
      T squares = T(0), aa = T(0), bb = T(0), ab = T(0);
      for (size_t i = 0; i < a[r].size(); ++i) {
        const T& x = a[r][i];
        T y = b[r][i];
        if constexpr (!std::is_arithmetic_v<T>) {
          if (config.detach_targets) y = T(y.value);
        }
        squares += (x - y) * (x - y);
        aa += x * x;
        bb += y * y;
        ab += x * y;
      }
      total += config.distance == Distance::squared ? squares / T(static_cast<float>(a[r].size()))
                                                    : T(1) - ab / (sqrt(aa) * sqrt(bb));
    }
    return total / T(static_cast<float>(a.size()));
  }

  const T* values(const std::string& name) const { return parameters_.data() + infos_.at(name).offset; }

  Rows vanilla(const std::vector<int32_t>& tokens) {
    return stack("decoder.1", spec_.base, spec_.layers, embedded("decoder.1.embedding.weight", tokens), {},
                 1);
  }

  Streams streams(const std::vector<int32_t>& tokens, const Way& way) {
    const int top = spec_.depth();
    const auto levels = static_cast<size_t>(top) + 1;
    Streams out{std::vector<Rows>(levels), std::vector<Rows>(levels), std::vector<Rows>(levels)};
    const auto at = [](std::vector<Rows>& stream, int l) -> Rows& { return stream[static_cast<size_t>(l)]; };
    Rows below = embedded("encoder.embedding.weight", tokens);
    for (int l = 1; l <= top; ++l) {
      at(out.a, l) = chunked(l, below);
      at(out.x, l) = below = encoder(l, at(out.a, l));
    }
    at(out.xhat, top) = below;
    const auto fed_to = [&](int l) -> const Rows* {
      return way.observes_feedback && spec_.feedback(l) == Feedback::observed ? &at(out.x, l - 1) : nullptr;
    };
    if (!way.observes_upward) {
      // A^(L) of each meta-context after the prompt comes from the reconstruction below it.
      Rows a = at(out.a, top);
      a.resize(static_cast<size_t>(way.prompt));
      const auto meta_contexts = static_cast<int64_t>(tokens.size()) / spec_.meta_context();
      for (int64_t g = way.prompt; g < meta_contexts; ++g) {
        Rows known = a.empty() ? Rows{} : encoder(top, a);
        known.resize(static_cast<size_t>(g) + 1, Row(static_cast<size_t>(spec_.shape(top).width), T(0)));
        const Rows made = decoded(top, known, fed_to(top));
        const auto c = static_cast<size_t>(spec_.level(top).chunk);
        const Rows last(made.end() - static_cast<int64_t>(c), made.end());
        a.push_back(chunked(top, last)[0]);
      }
      at(out.xhat, top) = encoder(top, a);
    }
    for (int l = top; l >= 2; --l) {
      at(out.xhat, l - 1) = decoded(l, at(out.xhat, l), fed_to(l));
    }
    if (spec_.feedback(1) != Feedback::token) {
      out.xhat[0] = decoded(1, at(out.xhat, 1), nullptr);
    } else {
      const Rows fed = embedded("decoder.1.embedding.weight", tokens);
      out.xhat[0] = decoded(1, at(out.xhat, 1), &fed);
    }
    return out;
  }

  Rows embedded(const std::string& table, const std::vector<int32_t>& tokens) const {
    const auto width = static_cast<size_t>(infos_.at(table).shape[1]);
    Rows out;
    for (const int32_t t : tokens) {
      const T* row = values(table) + static_cast<size_t>(t) * width;
      out.emplace_back(row, row + width);
    }
    return out;
  }

  Rows product(const Rows& x, const std::string& weight, bool round = true,
               const Rows* residual = nullptr) const {
    const auto out_width = static_cast<size_t>(infos_.at(weight).shape[0]);
    const auto in = static_cast<size_t>(infos_.at(weight).shape[1]);
    const T* w = values(weight);
    const std::string bias_name = weight.substr(0, weight.rfind(".weight")) + ".bias";
    const T* bias = infos_.contains(bias_name) ? values(bias_name) : nullptr;
    Rows out;
    for (size_t r = 0; r < x.size(); ++r) {
      Row y(out_width);
      for (size_t o = 0; o < out_width; ++o) {
        T sum = bias == nullptr ? T(0) : bias[o];
        for (size_t i = 0; i < in; ++i) sum += x[r][i] * w[o * in + i];
        if (residual != nullptr) sum += (*residual)[r][o];
        y[o] = round ? rounded(sum) : sum;
      }
      out.push_back(std::move(y));
    }
    return out;
  }

  Rows norm(const Rows& x, const std::string& gain) const {
    const T* g = values(gain);
    Rows out = x;
    for (Row& row : out) {
      T sum = T(0);
      for (const T& v : row) sum += v * v;
      const T scale = T(1) / sqrt(sum / static_cast<T>(row.size()) + static_cast<T>(spec_.norm_eps));
      for (size_t i = 0; i < row.size(); ++i) row[i] = rounded(row[i] * scale * g[i]);
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
    const T* start = values(name + ".start");
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
          gate[r][f] = rounded(gate[r][f] / (T(1) + exp(-gate[r][f])) * up[r][f]);
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
        T high = T(-INFINITY);
        for (int64_t j = first; j <= i; ++j) {
          T score = T(0);
          for (size_t d = 0; d < size; ++d) {
            score += q[static_cast<size_t>(i)][at + d] * k[static_cast<size_t>(j)][kv + d];
          }
          p.push_back(score / static_cast<T>(std::sqrt(static_cast<double>(size))));
          high = std::max(high, p.back());
        }
        T sum = T(0);
        for (T& weight : p) {
          weight = exp(weight - high);
          sum += weight;
        }
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
  std::vector<T> parameters_;
  std::map<std::string, ParameterInfo> infos_;
  mutable std::mt19937 random_;
};

}  // namespace photon::testing
