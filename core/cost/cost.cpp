// SPDX-License-Identifier: Apache-2.0
#include "core/cost/cost.h"

#include <algorithm>

#include "core/model/decode_plan.h"
#include "core/model/parameters.h"

namespace photon {

Work& Work::operator+=(const Work& w) {
  weight_bytes += w.weight_bytes;
  kv_read_bytes += w.kv_read_bytes;
  kv_write_bytes += w.kv_write_bytes;
  other_bytes += w.other_bytes;
  flops += w.flops;
  return *this;
}

Work total(const Forward& forward) {
  Work sum;
  for (const Operation& op : forward) sum += op.work;
  return sum;
}

Work total(const Forwards& forwards) {
  Work sum;
  for (const Forward& forward : forwards) sum += total(forward);
  return sum;
}

Work total(const std::vector<Forwards>& steps) {
  Work sum;
  for (const Forwards& forwards : steps) sum += total(forwards);
  return sum;
}

std::vector<CacheRows> cache_rows(const ModelSpec& spec, const std::vector<Forwards>& steps) {
  std::vector<CacheRows> rows(static_cast<size_t>(spec.depth()) + 1);
  for (const Forwards& forwards : steps) {
    for (const Forward& forward : forwards) {
      for (const Operation& op : forward) {
        if (op.kind != Operation::Kind::attention) continue;
        CacheRows& level = rows[op.decoder ? 0 : static_cast<size_t>(op.level)];  // a decoder's: vanilla's
        level.read += op.rows.read;
        level.written += op.rows.written;
      }
    }
  }
  return rows;
}

double stack_elements(const StackShape& s, int64_t layers) {
  const auto d = static_cast<double>(s.width);
  return static_cast<double>(layers) *
         (2.0 * d * d + 2.0 * d * static_cast<double>(s.kv_width()) + 3.0 * d * static_cast<double>(s.ffn));
}

Work matrix_work(double elements, int64_t rows, int64_t element_bytes) {
  return {.weight_bytes = elements * static_cast<double>(element_bytes),
          .flops = 2.0 * elements * static_cast<double>(rows)};
}

Work attention_work(const StackShape& shape, double pairs, double rows_read, double rows_written,
                    int64_t kv_bytes) {
  const auto row_bytes = static_cast<double>(2 * shape.kv_width() * kv_bytes);
  return {.kv_read_bytes = row_bytes * rows_read,
          .kv_write_bytes = row_bytes * rows_written,
          .flops = 4.0 * static_cast<double>(shape.width) * pairs};
}

double kv_bytes_ideal(const ModelSpec& spec, const Workload& w) {
  check_workload(spec, w);
  const DecodePlan plan(spec, w.generation, w.schedule);
  double bytes = 0.0;
  for (int l = spec.first_encoder(); l <= spec.depth(); ++l) {
    if (!plan.level(l).cached) continue;
    const int64_t units = (w.prompt + w.new_tokens) / spec.cumulative_chunk(l);
    const int64_t prefilled = plan.prefilled_meta_contexts(w.prompt) * plan.level(l).units;
    const int64_t held = spec.visibility(l).held(units);
    const int64_t shared = w.samples > 1 ? std::clamp<int64_t>(prefilled - (units - held), 0, held) : 0;
    bytes +=
        2.0 * static_cast<double>(w.kv_bytes * spec.encoder_layers(l) * spec.shape(l).kv_width()) *
        (static_cast<double>(held - shared) + static_cast<double>(shared) / static_cast<double>(w.samples));
  }
  return bytes;
}

double local_bytes(const ModelSpec& spec, const Workload& w) {
  check_workload(spec, w);
  const DecodePlan plan(spec, w.generation, w.schedule);
  double bytes = 0.0;
  for (int l = 1; l <= spec.depth(); ++l) {
    const LevelSpec& s = spec.level(l);
    int64_t chunks = plan.level(l).together;
    if (l < plan.lowest_decoder) chunks *= plan.new_meta_contexts(w.prompt, w.new_tokens);
    bytes += 2.0 * static_cast<double>(w.kv_bytes * s.decoder_layers * spec.shape(l - 1).kv_width()) *
             static_cast<double>(chunks * (s.prefix + s.chunk - 1));
  }
  return bytes;
}

double weights_bytes(const ModelSpec& spec, int64_t element_bytes) {
  return static_cast<double>(parameter_elements(spec) * element_bytes);
}

double visible_pairs(const ModelSpec& spec, int l, int64_t units) {
  const EncoderWindow window = spec.visibility(l).window;
  const auto triangle = [](int64_t n) { return 0.5 * static_cast<double>(n) * static_cast<double>(n + 1); };
  switch (window.kind) {
    case EncoderWindow::Kind::units: {
      const int64_t n = std::min(units, window.units);
      return triangle(n) + static_cast<double>(units - n) * static_cast<double>(window.units);
    }
    case EncoderWindow::Kind::block: {
      const int64_t block = spec.units_per_meta_context(l);
      return static_cast<double>(units / block) * triangle(block) + triangle(units % block);
    }
    case EncoderWindow::Kind::unbounded:
      break;
  }
  return triangle(units);
}

namespace {

double attention_flops(const StackShape& shape, int64_t layers, double pairs) {
  return 4.0 * static_cast<double>(shape.width * layers) * pairs;
}

}  // namespace

double forward_flops(const ModelSpec& spec, int64_t tokens) {
  const auto t = static_cast<double>(tokens);
  double flops = 2.0 * t * static_cast<double>(spec.vocab * spec.base.width);
  for (int l = spec.first_encoder(); l <= spec.depth(); ++l) {
    const int64_t units = tokens / spec.cumulative_chunk(l);
    flops += 2.0 * static_cast<double>(units) * stack_elements(spec.shape(l), spec.encoder_layers(l)) +
             attention_flops(spec.shape(l), spec.encoder_layers(l), visible_pairs(spec, l, units));
  }
  for (int l = 1; l <= spec.depth(); ++l) {
    const LevelSpec& s = spec.level(l);
    const StackShape& below = spec.shape(l - 1);
    const auto m = static_cast<double>(tokens / spec.cumulative_chunk(l));
    const int64_t window = s.prefix + s.chunk - 1;
    if (l >= 2) flops += 2.0 * m * static_cast<double>(s.chunk * below.width * s.shape.width);
    flops += 2.0 * m * static_cast<double>(s.converter_context * s.shape.width * s.prefix * below.width);
    flops += 2.0 * m * static_cast<double>(window) * stack_elements(below, s.decoder_layers) +
             attention_flops(below, s.decoder_layers, m * 0.5 * static_cast<double>(window * (window + 1)));
  }
  return flops;
}

double training_flops(const ModelSpec& spec, int64_t tokens) {
  return 3.0 * forward_flops(spec, tokens);
}

}  // namespace photon
