// SPDX-License-Identifier: Apache-2.0
// Rows for tests, marked as what they are: no number in them was measured.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "core/results/results.h"

namespace photon::synthetic {

inline ResultRow base(const std::string& kind, const std::string& model, const std::string& architecture) {
  ResultRow row;
  const std::vector<std::string> argv{"photon", "SYNTHETIC"};
  set_identity(row, argv);
  row.set("kind", kind);
  row.set("backend", "cpu");
  row.set("device", "SYNTHETIC device, not a measurement");
  row.set("model", model);
  row.set("architecture", architecture);
  if (architecture != "vanilla") row.set("reading", "causal");
  row.set("parameters", 12.3e6);
  row.set("dtype", "float32");
  return row;
}

inline ResultRow eval(const std::string& model, const std::string& architecture, int seed, double bits,
                      const std::string& corpus = "SYNTHETIC corpus") {
  ResultRow row = base("eval", model, architecture);
  const double bytes_per_token = 3.9;
  const double nll = bits * bytes_per_token * 0.6931471805599453;
  row.set("corpus", corpus);
  row.set("match", "flops");
  row.set("training_seed", seed);
  row.set("training_tokens", 2.5e6);
  row.set("training_flops", 1.9e14);
  row.set("token_nll", nll);
  row.set("perplexity", std::exp(nll));
  row.set("bits_per_byte", bits);
  row.set("tokens_scored", 100000);
  row.set("bytes_scored", 390000);
  return row;
}

inline ResultRow baseline(const std::string& name, double bits,
                          const std::string& corpus = "SYNTHETIC corpus") {
  ResultRow row = base("baseline", name, "");
  row.set("reading", "");
  row.set("corpus", corpus);
  row.set("bits_per_byte", bits);
  return row;
}

inline ResultRow bench(const std::string& model, const std::string& architecture,
                       const std::string& generation, const std::string& schedule, const std::string& regime,
                       int batch, double throughput, double kv_bytes) {
  ResultRow row = base("bench", model, architecture);
  const bool pf = regime.starts_with("pf");
  const double prompt = pf ? 256 : 16;
  const double fresh = pf ? 16 : 256;
  const double seconds = fresh * batch / throughput;
  row.set("generation", generation);
  row.set("schedule", schedule);
  row.set("regime", regime);
  row.set("prompt", prompt);
  row.set("new_tokens", fresh);
  row.set("batch", batch);
  row.set("samples_per_prompt", 1);
  row.set("prefill_seconds", seconds * (pf ? 0.6 : 0.1));
  row.set("decode_seconds", seconds * (pf ? 0.4 : 0.9));
  row.set("prefill_serial_seconds", seconds * (pf ? 0.3 : 0.04));
  row.set("decode_serial_seconds", seconds * (pf ? 0.29 : 0.63));
  row.set("prefill_serial_fraction", pf ? 0.5 : 0.4);
  row.set("decode_serial_fraction", pf ? 0.725 : 0.7);
  row.set("prefill_bound", "compute");
  row.set("decode_bound", "bandwidth");
  row.set("samples", 5);
  row.set("spread", 0.04);
  row.set("throughput_tokens_per_s", throughput);
  row.set("kv_bytes_ideal_per_sample", kv_bytes);
  row.set("tpm_ideal_ktok_per_s_per_gib", throughput / 1000.0 / (kv_bytes / 1073741824.0));
  row.set("weights_bytes", 49.2e6);
  row.set("ceiling_bandwidth_bytes_per_s", 17e9);
  row.set("ceiling_matrix_flops_per_s", 180e9);
  return row;
}

/// Three architectures, two seeds each, both regimes, two batches.
inline std::vector<ResultRow> study() {
  std::vector<ResultRow> rows;
  const struct {
    const char *model, *architecture;
    double bits;
  } models[] = {
      {"vanilla-small", "vanilla", 1.93}, {"block-small", "block", 2.02}, {"photon-small", "photon", 2.035}};
  for (const auto& m : models) {
    rows.push_back(eval(m.model, m.architecture, 1, m.bits));
    rows.push_back(eval(m.model, m.architecture, 2, m.bits + 0.02));
  }
  rows.push_back(baseline("unigram", 2.83));
  rows.push_back(baseline("Kneser-Ney trigram", 2.31));
  rows.push_back(baseline("xz -9", 2.52));
  for (const char* regime : {"pf/8", "de/8"}) {
    const bool pf = regime[0] == 'p';
    for (const int batch : {1, 16}) {
      const double b = batch == 1 ? 1.0 : 5.0;
      rows.push_back(bench("vanilla-small", "vanilla", "", "", regime, batch, (pf ? 90 : 210) * b, 8.0e6));
      rows.push_back(
          bench("block-small", "block", "hiergen", "", regime, batch, (pf ? 160 : 420) * b, 1.0e6));
      rows.push_back(
          bench("photon-small", "photon", "hiergen", "", regime, batch, (pf ? 190 : 500) * b, 6.2e5));
      rows.push_back(
          bench("photon-small", "photon", "recgen", "streamed", regime, batch, (pf ? 230 : 640) * b, 1.2e5));
      rows.push_back(
          bench("photon-small", "photon", "recgen", "unrolled", regime, batch, (pf ? 280 : 990) * b, 1.2e5));
    }
  }
  return rows;
}

}  // namespace photon::synthetic
