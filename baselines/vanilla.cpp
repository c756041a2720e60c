// SPDX-License-Identifier: Apache-2.0
#include "baselines/vanilla.h"

namespace photon::baselines {
namespace {

int64_t kv_width(const VanillaSize& s) {
  return s.width / s.heads * s.kv_heads;
}

int64_t layer_weights(const VanillaSize& s) {
  return 2 * s.width * (s.width + kv_width(s)) + 3 * s.width * s.ffn;
}

int64_t weights_read(const VanillaSize& s) {
  return s.layers * layer_weights(s) + s.vocab * s.width;
}

}  // namespace

ModelSpec vanilla_spec(const VanillaSize& s, const std::string& name) {
  ModelSpec spec;
  spec.name = name;
  spec.vocab = s.vocab;
  spec.base = {.width = s.width, .ffn = s.ffn, .heads = s.heads, .kv_heads = s.kv_heads};
  spec.layers = s.layers;
  spec.validate();
  return spec;
}

int64_t parameters(const VanillaSize& s) {
  return 2 * s.vocab * s.width + s.layers * (layer_weights(s) + 2 * s.width) + s.width;
}

double kv_bytes_ideal(const VanillaSize& s, const Request& r) {
  return static_cast<double>(2 * r.element_bytes * s.layers * kv_width(s) * (r.prompt + r.new_tokens));
}

RequestTotals request_totals(const VanillaSize& s, const Request& r) {
  const int64_t p = r.prompt;
  const int64_t n = r.new_tokens;
  const auto batch = static_cast<double>(r.batch);
  const auto attention = static_cast<double>(4 * s.width * s.layers);
  const int64_t rows_read = n * p + n * (n - 1) / 2;
  RequestTotals t;
  t.prefill_flops = batch * (2.0 * static_cast<double>(p) * static_cast<double>(s.layers * layer_weights(s)) +
                             2.0 * static_cast<double>(s.vocab * s.width) +
                             attention * static_cast<double>(p * (p + 1) / 2));
  t.prefill_weight_bytes = static_cast<double>(r.element_bytes * weights_read(s));
  t.prefill_rows_written = r.batch * s.layers * p;
  t.decode_flops = batch * (2.0 * static_cast<double>(n) * static_cast<double>(weights_read(s)) +
                            attention * static_cast<double>(rows_read + n));
  t.decode_weight_bytes = static_cast<double>(r.element_bytes * weights_read(s)) * static_cast<double>(n);
  t.decode_rows_read = r.batch * s.layers * rows_read;
  t.decode_rows_written = r.batch * s.layers * n;
  return t;
}

double forward_flops(const VanillaSize& s, int64_t tokens) {
  const auto t = static_cast<double>(tokens);
  return 2.0 * t * static_cast<double>(weights_read(s)) +
         2.0 * static_cast<double>(s.width * s.layers) * t * (t + 1.0);
}

}  // namespace photon::baselines
