// SPDX-License-Identifier: Apache-2.0
#include "core/cost/kernel.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "core/base/error.h"

namespace photon {
namespace {

constexpr auto kinds = std::to_array<std::pair<Kernel::Kind, std::string_view>>({
    {Kernel::Kind::layer, "layer"},
    {Kernel::Kind::attention, "attention"},
    {Kernel::Kind::prefill_attention, "prefill_attention"},
    {Kernel::Kind::local_attention, "local_attention"},
    {Kernel::Kind::chunker, "chunker"},
    {Kernel::Kind::converter, "converter"},
    {Kernel::Kind::head, "head"},
});

constexpr int64_t smallest_footprint = int64_t{256} << 10;
constexpr int64_t context_step = 4;  // from one timed context to the next

StackShape without_ffn(StackShape shape) {
  shape.ffn = 0;
  return shape;
}

bool is_product(Kernel::Kind kind) {
  return kind == Kernel::Kind::chunker || kind == Kernel::Kind::converter || kind == Kernel::Kind::head;
}

}  // namespace

std::string_view to_string(Kernel::Kind kind) {
  for (const auto& [k, name] : kinds) {
    if (k == kind) return name;
  }
  return "";
}

Kernel::Kind parse_kernel_kind(std::string_view name) {
  std::string all;
  for (const auto& [kind, known] : kinds) {
    if (known == name) return kind;
    all += fmt::format("{}{}", all.empty() ? "" : ", ", known);
  }
  throw Error(fmt::format("no kernel '{}'; there is: {}", name, all));
}

std::string describe(const Kernel& k) {
  std::string out(to_string(k.kind));
  if (is_product(k.kind)) return out + fmt::format("/{}x{}/B={}", k.in, k.out, k.rows);
  out += fmt::format("/{}x{}/{}", k.shape.width, k.shape.heads, k.shape.kv_heads);
  if (k.kind == Kernel::Kind::layer) return out + fmt::format("/F={}/B={}", k.shape.ffn, k.rows);
  out += fmt::format("/B={}/Q={}", k.rows, k.queries);
  if (k.kind != Kernel::Kind::prefill_attention) out += fmt::format("/K={}", k.keys);
  if (k.window > 0) out += fmt::format("/W={}", k.window);
  return out;
}

std::optional<KernelUse> kernel_of(const ModelSpec& spec, const Operation& op) {
  Kernel k;
  k.rows = op.sequences;
  const int below = op.level - 1;
  const StackShape& shape = spec.shape(op.decoder ? below : op.level);
  const int64_t layers = op.decoder ? spec.decoder_layers(op.level) : spec.encoder_layers(op.level);
  switch (op.kind) {
    case Operation::Kind::embedding:
      return std::nullopt;
    case Operation::Kind::chunker:
      k.kind = Kernel::Kind::chunker;
      k.in = spec.level(op.level).chunk * spec.shape(below).width;
      k.out = spec.shape(op.level).width;
      return KernelUse{k, 1.0};
    case Operation::Kind::converter:
      k.kind = Kernel::Kind::converter;
      k.in = spec.level(op.level).converter_context * spec.shape(op.level).width;
      k.out = spec.level(op.level).prefix * spec.shape(below).width;
      return KernelUse{k, 1.0};
    case Operation::Kind::head:
      k.kind = Kernel::Kind::head;
      k.in = spec.base.width;
      k.out = spec.vocab;
      return KernelUse{k, 1.0};
    case Operation::Kind::stack:
      k.kind = Kernel::Kind::layer;
      k.shape = shape;
      break;
    case Operation::Kind::local_attention:
      k.kind = Kernel::Kind::local_attention;
      k.shape = without_ffn(shape);
      k.queries = op.queries;
      k.keys = op.keys;
      break;
    case Operation::Kind::attention: {
      k.kind = op.prefill ? Kernel::Kind::prefill_attention : Kernel::Kind::attention;
      k.shape = without_ffn(shape);
      k.queries = op.queries;
      k.keys = op.keys;
      const EncoderWindow window = spec.visibility(op.decoder ? 0 : op.level).window;
      if (op.prefill && window.kind == EncoderWindow::Kind::units) k.window = window.units;
      if (op.prefill && window.kind == EncoderWindow::Kind::block) {
        // As many short sequences: nothing is seen across.
        k.queries = std::min(op.queries, spec.units_per_meta_context(op.level));
        k.rows *= op.queries / k.queries;
      }
      break;
    }
  }
  return KernelUse{k, static_cast<double>(layers)};
}

Work kernel_work(const Kernel& k, int64_t element_bytes) {
  const auto rows = static_cast<double>(k.rows);
  const auto queries = static_cast<double>(k.queries);
  if (is_product(k.kind)) {
    return matrix_work(static_cast<double>(k.in) * static_cast<double>(k.out), k.rows, element_bytes);
  }
  if (k.kind == Kernel::Kind::layer) return matrix_work(stack_elements(k.shape, 1), k.rows, element_bytes);
  double pairs = 0.0;
  for (int64_t q = 0; q < k.queries; ++q) {
    const int64_t seen = k.keys + q + 1;
    pairs += static_cast<double>(k.window > 0 ? std::min(seen, k.window) : seen);
  }
  const double written = rows * queries;
  Work work =
      attention_work(k.shape, rows * pairs, rows * static_cast<double>(k.keys), written, element_bytes);
  if (k.kind == Kernel::Kind::local_attention) {
    work.other_bytes = work.kv_bytes();
    work.kv_read_bytes = work.kv_write_bytes = 0.0;
  }
  return work;
}

namespace {

/// What was visited how long ago, in bytes: the stack distance of an LRU cache on a request's operations.
class Recency {
 public:
  explicit Recency(double everything) : everything_(everything) {}

  /// Bytes between this visit and the last one to the same operands.
  double visit(const Operation& op) {
    const Key key{op.kind, op.level, op.decoder};
    const double own = op.work.floor_bytes() + op.work.other_bytes;
    double distance = own;
    auto at = recent_.begin();
    for (; at != recent_.end() && at->first != key; ++at) distance += at->second;
    if (at == recent_.end()) {
      distance = std::max(distance, everything_);
    } else {
      recent_.erase(at);
    }
    recent_.insert(recent_.begin(), {key, own});
    return distance;
  }

 private:
  using Key = std::tuple<Operation::Kind, int, bool>;
  double everything_;
  std::vector<std::pair<Key, double>> recent_;  // the latest first; a dozen of them
};

int64_t footprint_class(double bytes) {
  if (bytes >= static_cast<double>(largest_footprint)) return largest_footprint;
  return std::max(smallest_footprint, static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(bytes))));
}

}  // namespace

void visit_kernels(const ModelSpec& spec, const Workload& workload,
                   const std::function<void(const KernelVisit&)>& prefill,
                   const std::function<void(const KernelVisit&)>& decode) {
  Recency recency(weights_bytes(spec, workload.weight_bytes) +
                  kv_bytes_ideal(spec, workload) * static_cast<double>(workload.sequences()));
  const auto visit = [&](const Forwards& forwards, const std::function<void(const KernelVisit&)>& receiver) {
    for (const Forward& forward : forwards) {
      for (const Operation& op : forward) {
        const double distance = recency.visit(op);
        if (const auto use = kernel_of(spec, op)) {
          // Windows are written and read within one forward.
          const bool local = op.kind == Operation::Kind::local_attention;
          receiver({use->kernel, local ? smallest_footprint : footprint_class(distance), use->times});
        }
      }
    }
  };
  visit_request(
      spec, workload, [&](const Forwards& forwards) { visit(forwards, prefill); },
      [&](const Forwards& forwards) { visit(forwards, decode); });
}

std::vector<KernelPlace> kernels_of(const ModelSpec& spec, const Workload& workload) {
  std::set<KernelPlace> out;
  std::map<KernelPlace, std::pair<int64_t, int64_t>> contexts;  // by all but the keys: least, most
  const auto add = [&](const KernelVisit& visit) {
    if (visit.kernel.kind != Kernel::Kind::attention) {
      out.insert({visit.kernel, visit.footprint});
      return;
    }
    KernelPlace family{visit.kernel, visit.footprint};
    const int64_t keys = std::exchange(family.kernel.keys, 0);
    const auto [at, fresh] = contexts.try_emplace(family, keys, keys);
    at->second = {std::min(at->second.first, keys), std::max(at->second.second, keys)};
  };
  visit_kernels(spec, workload, add, add);
  for (const auto& [family, range] : contexts) {
    KernelPlace place = family;
    const auto insert = [&](int64_t keys) {
      place.kernel.keys = keys;
      out.insert(place);
    };
    insert(range.first);
    insert(range.second);
    for (int64_t keys = context_step; keys < range.second; keys *= context_step) {
      if (keys > range.first) insert(keys);
    }
  }
  return {out.begin(), out.end()};
}

}  // namespace photon
