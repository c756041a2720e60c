// SPDX-License-Identifier: Apache-2.0
// A machine that runs a request's schedule (docs/architecture.md, "Generation") on nothing but positions:
// every cache is a list of unit numbers, every visible key is found by asking the mask, every matrix has the
// size that the parameter list gives it. What it counts is what core/cost must say, by none of its formulas.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/cost/cost.h"
#include "core/model/parameters.h"

namespace photon::testing {

class NaiveMachine {
 public:
  NaiveMachine(const ModelSpec& spec, const Workload& workload) : spec_(spec), w_(workload) {
    for (const ParameterInfo& p : parameter_list(spec)) {
      if (p.shape.size() == 2) elements_[module_of(p.name)] += static_cast<double>(p.size());
    }
    const auto levels = static_cast<size_t>(spec.depth()) + 1;
    prefill_rows.resize(levels);
    decode_rows.resize(levels);
    shared_.assign(levels, Caches(static_cast<size_t>(w_.batch)));
    own_.assign(levels, Caches(static_cast<size_t>(w_.sequences())));
  }

  void run() {
    work_ = &prefill;
    rows_ = &prefill_rows;
    spec_.depth() == 0 ? prefill_vanilla() : prefill_hierarchy();
    work_ = &decode;
    rows_ = &decode_rows;
    spec_.depth() == 0 ? decode_vanilla() : decode_hierarchy();
  }

  Work prefill;
  Work decode;
  std::vector<CacheRows> prefill_rows;
  std::vector<CacheRows> decode_rows;

  /// Units of level l that one row, and what it shares, still has a use for.
  int64_t held(int l) const {
    const auto i = static_cast<size_t>(l);
    return static_cast<int64_t>(shared_[i][0].size() + own_[i][0].size());
  }

 private:
  using Cache = std::vector<int64_t>;
  using Caches = std::vector<Cache>;

  /// "encoder.2.layers.0.ffn.up.weight" belongs to "encoder.2.layers".
  static std::string module_of(const std::string& name) {
    const size_t layers = name.find(".layers.");
    return layers == std::string::npos ? name : name.substr(0, layers + 7);
  }

  void multiply(const std::string& module, int64_t rows) {
    work_->weight_bytes += elements_.at(module) * static_cast<double>(w_.weight_bytes);
    work_->flops += 2.0 * elements_.at(module) * static_cast<double>(rows);
  }

  bool sees(int l, int64_t query, int64_t key) const {
    if (key > query) return false;
    if (l == 0) return true;
    const EncoderWindow& window = spec_.level(l).encoder_window;
    if (window.kind == EncoderWindow::Kind::units) return query - key < window.units;
    if (window.kind == EncoderWindow::Kind::block) {
      return query / spec_.units_per_meta_context(l) == key / spec_.units_per_meta_context(l);
    }
    return true;
  }

  const StackShape& shape(int l) const { return spec_.shape(l); }
  int64_t layers(int l) const { return l == 0 ? spec_.layers : spec_.level(l).encoder_layers; }

  void attend(int l, int64_t pairs) {
    work_->flops += 4.0 * static_cast<double>(shape(l).width * layers(l) * pairs);
  }
  void move(int l, int64_t read, int64_t written) {
    CacheRows& rows = (*rows_)[static_cast<size_t>(l)];
    rows.read += read * layers(l);
    rows.written += written * layers(l);
    const double bytes = 2.0 * static_cast<double>(shape(l).kv_width() * w_.kv_bytes);
    work_->kv_read_bytes += bytes * static_cast<double>(read * layers(l));
    work_->kv_write_bytes += bytes * static_cast<double>(written * layers(l));
  }

  void stack_of(int l, int64_t rows) {
    if (l >= 2) multiply("encoder." + std::to_string(l) + ".chunker.proj.weight", rows);
    multiply(l == 0 ? "decoder.1.layers" : "encoder." + std::to_string(l) + ".layers", rows);
  }

  /// Units [0, n) of every prompt at once; nothing is read, what a unit to come may see is written.
  void encode_prompt(int l, int64_t n, bool keep) {
    stack_of(l, w_.batch * n);
    for (Cache& cache : shared_[static_cast<size_t>(l)]) {
      for (int64_t query = 0; query < n; ++query) {
        for (int64_t key = 0; key <= query; ++key) attend(l, sees(l, query, key) ? 1 : 0);
      }
      // A cache of N units holds N, though the next unit sees N - 1 of them and itself.
      const bool ring = l > 0 && spec_.level(l).encoder_window.kind == EncoderWindow::Kind::units;
      for (int64_t key = 0; key < n; ++key) {
        if (keep && (sees(l, n, key) || (ring && sees(l, n - 1, key)))) cache.push_back(key);
      }
      move(l, 0, static_cast<int64_t>(cache.size()));
    }
  }

  /// Units [n, n + count) of every row in one forward.
  void encode(int l, int64_t n, int64_t count) {
    stack_of(l, w_.sequences() * count);
    const auto level = static_cast<size_t>(l);
    const auto any_sees = [&](int64_t key) {
      for (int64_t query = n; query < n + count; ++query) {
        if (sees(l, query, key)) return true;
      }
      return false;
    };
    int64_t read = 0;
    for (const Cache& cache : shared_[level]) read += std::count_if(cache.begin(), cache.end(), any_sees);
    for (int64_t row = 0; row < w_.sequences(); ++row) {
      Cache& own = own_[level][static_cast<size_t>(row)];
      const Cache& shared = shared_[level][static_cast<size_t>(row / w_.samples)];
      read += std::count_if(own.begin(), own.end(), any_sees);
      for (int64_t unit = n; unit < n + count; ++unit) own.push_back(unit);
      for (int64_t query = n; query < n + count; ++query) {
        const auto visible = [&](int64_t key) { return sees(l, query, key); };
        attend(l, std::count_if(own.begin(), own.end(), visible) +
                      std::count_if(shared.begin(), shared.end(), visible));
      }
    }
    move(l, read, w_.sequences() * count);
  }

  /// The forward that makes unit j of each of `chunks` chunks of level l.
  void make_unit(int l, int64_t j, int64_t chunks) {
    const LevelSpec& s = spec_.level(l);
    const std::string name = "decoder." + std::to_string(l);
    if (j == 0) multiply(name + ".converter.weight", chunks);
    const int64_t first = j == 0 ? 0 : s.prefix + j - 1;
    const int64_t rows = j == 0 ? s.prefix : 1;
    multiply(name + ".layers", chunks * rows);
    for (int64_t query = first; query < first + rows; ++query) {
      work_->flops += 4.0 * static_cast<double>(shape(l - 1).width * s.decoder_layers * chunks * (query + 1));
    }
    if (l == 1 && spec_.reading != Reading::hatted) multiply("head.weight", chunks);
    if (l == 1 && spec_.reading == Reading::hatted && j + 1 == s.chunk)
      multiply("head.weight", chunks * s.chunk);
  }

  void make_chunks(int l, int64_t chunks) {
    for (int64_t j = 0; j < spec_.level(l).chunk; ++j) make_unit(l, j, chunks);
  }

  void prefill_vanilla() {
    encode_prompt(0, w_.prompt, true);
    multiply("head.weight", w_.batch);
  }

  void decode_vanilla() {
    for (int64_t i = 0; i < w_.new_tokens; ++i) {
      encode(0, w_.prompt + i, 1);
      multiply("head.weight", w_.sequences());
    }
  }

  int64_t whole() const { return w_.prompt / spec_.meta_context(); }

  /// Latents Xhat^(l) of the prompt that chunk g of level l is conditioned on, l below the top.
  std::set<int64_t> conditioning(int l, int64_t g) const {
    const int64_t last = spec_.conditioning(l) == Conditioning::previous ? g - 1 : g;
    const int64_t end = whole() * spec_.units_per_meta_context(l);
    std::set<int64_t> units;
    for (int64_t u = last - spec_.level(l).converter_context + 1; u <= last; ++u) {
      if (u >= 0 && u < end) units.insert(u);
    }
    return units;
  }

  void prefill_hierarchy() {
    if (whole() == 0) return;
    const int depth = spec_.depth();
    for (int l = 1; l <= depth; ++l) {
      encode_prompt(l, whole() * spec_.units_per_meta_context(l),
                    w_.generation == Generation::hiergen || l == depth);
    }
    std::vector<std::set<int64_t>> chunks(static_cast<size_t>(depth) + 1);
    for (int l = 1; l < depth; ++l) {
      std::set<int64_t> latents = conditioning(l, whole() * spec_.units_per_meta_context(l));
      for (const int64_t g : chunks[static_cast<size_t>(l)]) latents.merge(conditioning(l, g));
      for (const int64_t u : latents) chunks[static_cast<size_t>(l) + 1].insert(u / spec_.level(l + 1).chunk);
    }
    for (int l = depth; l >= 2; --l) {
      const auto n = static_cast<int64_t>(chunks[static_cast<size_t>(l)].size());
      if (n > 0) make_chunks(l, n * w_.batch);
    }
  }

  void make_chunk_token_by_token(int l, int64_t g) {
    for (int64_t j = 0; j < spec_.level(l).chunk; ++j) {
      make_unit(l, j, w_.sequences());
      if (l > 1) make_chunk_token_by_token(l - 1, g * spec_.level(l).chunk + j);
    }
    encode(l, g, 1);
  }

  void decode_hierarchy() {
    const int depth = spec_.depth();
    const bool recgen = w_.generation == Generation::recgen;
    const bool unrolled = w_.schedule == Schedule::unrolled;
    int64_t meta_contexts = 0;
    for (int64_t token = whole() * spec_.meta_context(); token < w_.prompt + w_.new_tokens;
         token += spec_.meta_context()) {
      const int64_t q = whole() + meta_contexts++;
      if (!recgen && spec_.reading == Reading::causal) {
        make_chunk_token_by_token(depth, q);
        continue;
      }
      for (int l = depth; l >= (unrolled ? depth : 1); --l) {
        make_chunks(l, w_.sequences() * spec_.units_per_meta_context(l));
      }
      for (int l = recgen ? depth : 1; l <= depth; ++l) {
        encode(l, q * spec_.units_per_meta_context(l), spec_.units_per_meta_context(l));
      }
    }
    for (int l = depth - 1; unrolled && meta_contexts > 0 && l >= 1; --l) {
      make_chunks(l, w_.sequences() * meta_contexts * spec_.units_per_meta_context(l));
    }
  }

  const ModelSpec& spec_;
  const Workload& w_;
  std::map<std::string, double> elements_;
  Work* work_ = nullptr;
  std::vector<CacheRows>* rows_ = nullptr;
  std::vector<Caches> shared_;  // by level and prompt
  std::vector<Caches> own_;     // by level and row
};

}  // namespace photon::testing
