// SPDX-License-Identifier: Apache-2.0
#include "baselines/block_transformer.h"

namespace photon::baselines {
namespace {

int64_t kv_width(const BlockTransformerSize& s) {
  return s.width / s.heads * s.kv_heads;
}

double layer_weights(const BlockTransformerSize& s) {
  return static_cast<double>(2 * s.width * (s.width + kv_width(s)) + 3 * s.width * s.ffn);
}

double converter_weights(const BlockTransformerSize& s) {
  return static_cast<double>(s.prefix * s.width * s.width);
}

double head_weights(const BlockTransformerSize& s) {
  return static_cast<double>(s.vocab * s.width);
}

/// FLOPs of converter, token decoder and head for one block of one row.
double block_interior_flops(const BlockTransformerSize& s) {
  const auto rows = static_cast<double>(s.prefix + s.chunk - 1);
  const auto layers = static_cast<double>(s.token_layers);
  return 2.0 * converter_weights(s) + 2.0 * rows * layers * layer_weights(s) +
         2.0 * static_cast<double>(s.width) * layers * rows * (rows + 1.0) +
         2.0 * static_cast<double>(s.chunk) * head_weights(s);
}

}  // namespace

ModelSpec block_transformer_spec(const BlockTransformerSize& s, const std::string& name) {
  ModelSpec spec;
  spec.name = name;
  spec.vocab = s.vocab;
  spec.base = {.width = s.width, .ffn = s.ffn, .heads = s.heads, .kv_heads = s.kv_heads};
  spec.levels = {{.chunk = s.chunk,
                  .prefix = s.prefix,
                  .encoder_layers = s.block_layers,
                  .decoder_layers = s.token_layers,
                  .encoder_window = {},
                  .converter_context = 1,
                  .shape = spec.base}};
  spec.validate();
  return spec;
}

int64_t parameters(const BlockTransformerSize& s) {
  const int64_t d = s.width;
  const int64_t layer = 2 * d * (d + kv_width(s)) + 3 * d * s.ffn + 2 * d;
  const int64_t block_decoder = s.block_layers * layer + d;
  const int64_t token_decoder = s.token_layers * layer + d;
  return s.vocab * (d / s.chunk) + block_decoder + s.prefix * d * (d + 1) + s.vocab * d + token_decoder +
         s.vocab * d;
}

double kv_bytes_ideal(const BlockTransformerSize& s, const Request& r) {
  const int64_t blocks = (r.prompt + r.new_tokens) / s.chunk;
  return static_cast<double>(2 * r.element_bytes * s.block_layers * kv_width(s) * blocks);
}

RequestTotals request_totals(const BlockTransformerSize& s, const Request& r) {
  const int64_t p = r.prompt / s.chunk;
  const int64_t a = (r.prompt % s.chunk + r.new_tokens + s.chunk - 1) / s.chunk;
  const auto batch = static_cast<double>(r.batch);
  const auto bytes = static_cast<double>(r.element_bytes);
  const auto blocks = static_cast<double>(a);
  const double block_decoder = static_cast<double>(s.block_layers) * layer_weights(s);
  const double token_decoder = static_cast<double>(s.token_layers) * layer_weights(s);
  const auto attention = static_cast<double>(4 * s.width * s.block_layers);
  const int64_t rows_read = a * p + a * (a - 1) / 2;
  RequestTotals t;
  if (p > 0) {
    t.prefill_flops = batch * (2.0 * static_cast<double>(p) * block_decoder +
                               attention * static_cast<double>(p * (p + 1) / 2));
    t.prefill_weight_bytes = bytes * block_decoder;
    t.prefill_rows_written = r.batch * s.block_layers * p;
  }
  t.decode_flops = batch * (blocks * (block_interior_flops(s) + 2.0 * block_decoder) +
                            attention * static_cast<double>(rows_read + a));
  t.decode_weight_bytes = bytes * blocks *
                          (converter_weights(s) +
                           static_cast<double>(s.chunk) * (token_decoder + head_weights(s)) + block_decoder);
  t.decode_rows_read = r.batch * s.block_layers * rows_read;
  t.decode_rows_written = r.batch * s.block_layers * a;
  return t;
}

double forward_flops(const BlockTransformerSize& s, int64_t tokens) {
  const auto m = static_cast<double>(tokens / s.chunk);
  const auto layers = static_cast<double>(s.block_layers);
  return m * (block_interior_flops(s) + 2.0 * layers * layer_weights(s)) +
         2.0 * static_cast<double>(s.width) * layers * m * (m + 1.0);
}

}  // namespace photon::baselines
