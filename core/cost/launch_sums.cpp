// SPDX-License-Identifier: Apache-2.0
#include "core/cost/launch_sums.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "core/base/csv.h"
#include "core/base/error.h"

namespace photon {
namespace {

constexpr std::array<double Work::*, 5> work_columns{&Work::weight_bytes, &Work::kv_read_bytes,
                                                     &Work::kv_write_bytes, &Work::other_bytes, &Work::flops};
const std::vector<std::string> columns{"scope",          "op",           "file",
                                       "launches",       "weight_bytes", "kv_read_bytes",
                                       "kv_write_bytes", "other_bytes",  "flops"};

}  // namespace

std::vector<LaunchSum> sum_launches(std::span<const Launch> launches) {
  std::vector<LaunchSum> out;
  std::map<std::pair<std::string, std::string>, size_t> places;
  for (const Launch& l : launches) {
    const auto [at, fresh] = places.try_emplace({l.scope, l.op}, out.size());
    if (fresh) out.push_back({l.scope, l.op, l.file, 0, {}});
    LaunchSum& sum = out[at->second];
    ++sum.launches;
    sum.work += l.work;
  }
  return out;
}

std::string to_csv(std::span<const LaunchSum> sums) {
  std::string out = fmt::format("{}\n", fmt::join(columns, ","));
  for (const LaunchSum& s : sums) {
    out += fmt::format("{},{},{},{}", csv_cell(s.scope), csv_cell(s.op), csv_cell(s.file), s.launches);
    for (const auto column : work_columns) out += fmt::format(",{}", s.work.*column);
    out += '\n';
  }
  return out;
}

std::vector<LaunchSum> read_launch_sums(const std::filesystem::path& file) {
  CsvReader reader(file);
  if (reader.header() != columns) {
    throw Error(fmt::format(
        "{}, line 1: not the launches of photon bench --profile: its header is {}, not {}", file.string(),
        fmt::join(columns, ","), clipped(fmt::format("{}", fmt::join(reader.header(), ",")))));
  }
  std::vector<LaunchSum> out;
  std::vector<std::string> cells;
  while (reader.next(cells)) {
    const auto number = [&](size_t column) {
      const std::string where = fmt::format("{}, column {}", reader.where(), columns[column]);
      const double value = csv_number(cells[column], where);
      if (!std::isfinite(value) || value < 0.0)
        throw Error(fmt::format("{}: {} is no amount", where, cells[column]));
      return value;
    };
    LaunchSum s{cells[0], cells[1], cells[2], static_cast<int64_t>(number(3)), {}};
    for (size_t i = 0; i < work_columns.size(); ++i) s.work.*work_columns[i] = number(4 + i);
    out.push_back(std::move(s));
  }
  return out;
}

}  // namespace photon
