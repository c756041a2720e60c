// SPDX-License-Identifier: Apache-2.0
#include "analysis/simulation/context_table.h"

#include <bit>

namespace photon::analysis::simulation {
namespace {

constexpr int64_t exact_units = 64;
constexpr int per_octave_bits = 5;
constexpr size_t per_octave = size_t{1} << per_octave_bits;
constexpr int first_octave = 6;  // 2^6 = exact_units

}  // namespace

size_t ContextTable::index(int64_t unit) {
  if (unit < exact_units) return static_cast<size_t>(unit);
  const auto u = static_cast<uint64_t>(unit);
  const int octave = static_cast<int>(std::bit_width(u)) - 1;
  const size_t within = (u >> (octave - per_octave_bits)) & (per_octave - 1);
  return static_cast<size_t>(exact_units) + static_cast<size_t>(octave - first_octave) * per_octave + within;
}

int64_t ContextTable::begin_of(size_t index) {
  if (index < static_cast<size_t>(exact_units)) return static_cast<int64_t>(index);
  const size_t beyond = index - static_cast<size_t>(exact_units);
  const int octave = first_octave + static_cast<int>(beyond / per_octave);
  return static_cast<int64_t>((per_octave + beyond % per_octave) << (octave - per_octave_bits));
}

ContextTable::ContextTable(int64_t last, const std::function<double(int64_t)>& exact) {
  const size_t count = index(last) + 1;
  double value = exact(0);
  for (size_t i = 0; i < count; ++i) {
    const int64_t begin = begin_of(i);
    const int64_t end = begin_of(i + 1);
    const double next = exact(end);
    lines_.push_back({begin, value, (next - value) / static_cast<double>(end - begin)});
    value = next;
  }
}

}  // namespace photon::analysis::simulation
