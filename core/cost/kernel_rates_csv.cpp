// SPDX-License-Identifier: Apache-2.0
// Kernel rates in CSV files.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <limits>
#include <string_view>
#include <variant>

#include "core/base/append_csv.h"
#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/cost/kernel_rates.h"

namespace photon {
namespace {

using Text = std::string KernelRate::*;
using Count = int64_t KernelRate::*;
using Number = double KernelRate::*;
using Extent = int64_t Kernel::*;
using Shape = int64_t StackShape::*;
enum class Special { schema, kind, variant };

struct Column {
  std::string_view name;
  std::variant<Text, Count, Number, Extent, Shape, Special> field;
};

const auto columns = std::to_array<Column>({
    {"schema_version", Special::schema},
    {"run_id", &KernelRate::run_id},
    {"time", &KernelRate::time},
    {"commit", &KernelRate::commit},
    {"backend", &KernelRate::backend},
    {"device", &KernelRate::device},
    {"dtype", &KernelRate::dtype},
    {"kernel", Special::kind},
    {"width", &StackShape::width},
    {"ffn", &StackShape::ffn},
    {"heads", &StackShape::heads},
    {"kv_heads", &StackShape::kv_heads},
    {"in", &Kernel::in},
    {"out", &Kernel::out},
    {"rows", &Kernel::rows},
    {"queries", &Kernel::queries},
    {"keys", &Kernel::keys},
    {"window", &Kernel::window},
    {"variant", Special::variant},
    {"footprint_bytes", &KernelRate::footprint},
    {"seconds", &KernelRate::seconds},
    {"samples", &KernelRate::samples},
    {"spread", &KernelRate::spread},
    {"bytes", &KernelRate::bytes},
    {"flops", &KernelRate::flops},
    {"floor_seconds", &KernelRate::floor_seconds},
});

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;  // clang before 17 does not deduce an aggregate's by itself

std::string cell_of(const KernelRate& r, const Column& column) {
  return std::visit(
      Overloaded{[&](Text f) { return csv_cell(r.*f); }, [&](Count f) { return std::to_string(r.*f); },
                 [&](Number f) { return fmt::format("{}", r.*f); },
                 [&](Extent f) { return std::to_string(r.kernel.*f); },
                 [&](Shape f) { return std::to_string(r.kernel.shape.*f); },
                 [&](Special s) -> std::string {
                   if (s == Special::kind) return std::string(to_string(r.kernel.kind));
                   if (s == Special::variant) return r.cold ? "cold" : "hot";
                   return std::to_string(kernel_rates_schema_version);
                 }},
      column.field);
}

void set_cell(KernelRate& r, const Column& column, const std::string& cell, const std::string& where) {
  const auto number = [&] {
    const double value = csv_number(cell, where);
    if (!std::isfinite(value) || value < 0.0) throw Error(fmt::format("{}: {} is no amount", where, cell));
    return value;
  };
  const auto whole = [&] {
    const double value = number();
    if (value != std::floor(value) || value > 0x1p53)
      throw Error(fmt::format("{}: {} is no whole number", where, cell));
    return static_cast<int64_t>(value);
  };
  const auto special = [&](Special s) {
    if (s == Special::schema && cell != std::to_string(kernel_rates_schema_version)) {
      throw Error(fmt::format("{}: this is schema {}, this program reads schema {}; measure again", where,
                              clipped(cell), kernel_rates_schema_version));
    }
    if (s == Special::kind) {
      try {
        r.kernel.kind = parse_kernel_kind(cell);
      } catch (const Error& e) {
        throw Error(fmt::format("{}: {}", where, e.what()));
      }
    }
    if (s == Special::variant) {
      if (cell != "cold" && cell != "hot")
        throw Error(fmt::format("{}: {} is not cold or hot", where, clipped(cell)));
      r.cold = cell == "cold";
    }
  };
  std::visit(Overloaded{[&](Text f) { r.*f = cell; }, [&](Count f) { r.*f = whole(); },
                        [&](Number f) { r.*f = number(); }, [&](Extent f) { r.kernel.*f = whole(); },
                        [&](Shape f) { r.kernel.shape.*f = whole(); }, special},
             column.field);
}

}  // namespace

std::string kernel_rates_header() {
  std::string line;
  for (const Column& c : columns) line += fmt::format("{}{}", line.empty() ? "" : ",", c.name);
  return line + "\n";
}

std::string to_csv(const KernelRate& rate) {
  std::string line;
  for (const Column& c : columns)
    line += fmt::format("{}{}", &c == columns.begin() ? "" : ",", cell_of(rate, c));
  return line + "\n";
}

std::vector<KernelRate> read_kernel_rates(const std::filesystem::path& file) {
  CsvReader reader(file);
  std::string header = fmt::format("{}\n", fmt::join(reader.header(), ","));
  if (reader.header().empty() || reader.header().front() != "schema_version" ||
      (header != kernel_rates_header() && reader.header().size() == columns.size())) {
    throw Error(fmt::format("{}, line 1: no rates of kernels: the columns {} were expected, not {}",
                            file.string(), kernel_rates_header().substr(0, 40) + "...", clipped(header)));
  }
  std::vector<KernelRate> out;
  std::vector<std::string> cells;
  while (reader.next(cells)) {
    KernelRate rate;
    for (size_t i = 0; i < columns.size(); ++i) {
      const std::string where = fmt::format("{}, column {}", reader.where(), columns[i].name);
      if (i >= cells.size()) throw Error(where + ": is missing");
      set_cell(rate, columns[i], cells[i], where);
      if (i == 0 && header != kernel_rates_header())
        throw Error(fmt::format("{}, line 1: not the columns of kernel rates, schema {}", file.string(),
                                kernel_rates_schema_version));
    }
    if (!(rate.seconds > 0.0))
      throw Error(fmt::format("{}, column seconds: a kernel takes time", reader.where()));
    out.push_back(std::move(rate));
  }
  return out;
}

void append_kernel_rate(const std::filesystem::path& file, const KernelRate& rate) {
  append_csv(file, kernel_rates_header(), to_csv(rate),
             fmt::format("kernel rates, schema {}", kernel_rates_schema_version));
}

}  // namespace photon
