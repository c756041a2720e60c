// SPDX-License-Identifier: Apache-2.0
#include "analysis/join/counters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "analysis/draw/format.h"
#include "analysis/draw/html.h"
#include "core/base/csv.h"
#include "core/base/error.h"

namespace photon::analysis {
namespace {

constexpr std::string_view domain = "photon";
constexpr std::string_view range_column =
    "thread Domain:Push/Pop_Range:PL_Type:PL_Value:CLR_Type:Color:Msg_Type:Msg";
constexpr const char* how_to_make = "ncu --import FILE --csv --page raw --nvtx";

/// Bytes or seconds: no kernel comes near, and sums of such amounts are finite.
constexpr double largest_amount = 1e18;

/// What one of the unit is in seconds or bytes.
std::optional<double> scale_of(std::string_view unit) {
  static constexpr auto units = std::to_array<std::pair<std::string_view, double>>({
      {"byte", 1.0},
      {"Kbyte", 1e3},
      {"Mbyte", 1e6},
      {"Gbyte", 1e9},
      {"Tbyte", 1e12},
      {"nsecond", 1e-9},
      {"usecond", 1e-6},
      {"msecond", 1e-3},
      {"second", 1.0},
      {"ns", 1e-9},
      {"us", 1e-6},
      {"ms", 1e-3},
      {"s", 1.0},
  });
  for (const auto& [name, scale] : units)
    if (name == unit) return scale;
  return {};
}

/// "1,234.5" and "12" are so written, "24,58" and "1.234,5" are not: under a locale with decimal commas
/// erasing them would make another number of it, a hundred times too large or a thousand times too small.
bool commas_part_thousands(std::string_view cell) {
  const size_t first = cell.find(',');
  if (first == std::string_view::npos) return true;
  const std::string_view whole = cell.substr(0, cell.find('.'));
  if (cell.find(',', whole.size()) != std::string_view::npos) return false;
  if (first == 0 || first > 3 || (whole.size() - first) % 4 != 0) return false;
  for (size_t i = 0; i < whole.size(); ++i) {
    const bool comma = i >= first && (i - first) % 4 == 0;
    if (comma ? whole[i] != ',' : whole[i] < '0' || whole[i] > '9') return false;
  }
  return true;
}

/// A column of the page and its unit.
struct Metric {
  size_t column = 0;
  double scale = 1.0;
};

class Page {
 public:
  explicit Page(const std::filesystem::path& file) : file_(file), reader_(file) {
    if (std::find(reader_.header().begin(), reader_.header().end(), "Kernel Name") ==
        reader_.header().end()) {
      throw Error(fmt::format("{}, line 1: no column 'Kernel Name': this is not what {} prints",
                              file.string(), how_to_make));
    }
    kernel_ = column("Kernel Name");
    ranges_ = column(range_column);
    std::vector<std::string> units;
    if (!reader_.next(units)) throw Error(fmt::format("{}, line 2: no row of units", file.string()));
    const auto metric = [&](std::string_view name) {
      const size_t at = column(name);
      const auto scale = scale_of(units[at]);
      if (!scale)
        throw Error(fmt::format("{}, column {}: unit {} is neither bytes nor seconds", reader_.where(), name,
                                in_quotes(units[at])));
      return Metric{at, *scale};
    };
    read_ = metric("dram__bytes_read.sum");
    write_ = metric("dram__bytes_write.sum");
    cache_ = metric("lts__t_bytes.sum");
    time_ = metric("gpu__time_duration.sum");
  }

  bool next(KernelCounters& out) {
    if (!reader_.next(cells_)) return false;
    out = {};
    out.kernel = cells_[kernel_];
    out.dram_bytes = number(read_);
    out.dram_bytes += number(write_);
    out.seconds = number(time_);
    out.cache_bytes = number(cache_);
    read_ranges(cells_[ranges_], out);
    out.where = reader_.where();
    return true;
  }

 private:
  size_t column(std::string_view name) const {
    const auto& header = reader_.header();
    const auto at = std::find(header.begin(), header.end(), name);
    if (at == header.end()) {
      throw Error(
          fmt::format("{}, line 1: no column '{}'; docs/profiling.md has the command that collects it",
                      file_.string(), name));
    }
    return static_cast<size_t>(at - header.begin());
  }

  double number(const Metric& m) const {
    std::string cell = cells_[m.column];
    const std::string where = fmt::format("{}, column {}", reader_.where(), reader_.header()[m.column]);
    if (!commas_part_thousands(cell)) {
      throw Error(
          fmt::format("{}: {} has a comma that does not part thousands, as numbers are written where the "
                      "locale has decimal commas; make the page again with LC_ALL=C {}",
                      where, in_quotes(cell), how_to_make));
    }
    std::erase(cell, ',');
    const double value = m.scale * csv_number(cell, where);
    if (!(value >= 0.0 && value <= largest_amount))
      throw Error(fmt::format("{}: {} is no amount", where, in_quotes(cell)));
    return value;
  }

  /// `1234  "photon:decode:none:..."  "photon:encoder 2:none:..."`, the outermost range first.
  static void read_ranges(std::string_view cell, KernelCounters& out) {
    while (true) {
      const size_t open = cell.find('"');
      const size_t close = open == std::string_view::npos ? open : cell.find('"', open + 1);
      if (close == std::string_view::npos) return;
      const std::string_view range = cell.substr(open + 1, close - open - 1);
      cell.remove_prefix(close + 1);
      const size_t colon = range.find(':');
      if (colon == std::string_view::npos || range.substr(0, colon) != domain) continue;
      const std::string_view rest = range.substr(colon + 1);
      const std::string_view name = rest.substr(0, rest.find(':'));
      if (name.empty()) continue;
      if (!out.op.empty()) out.scope += (out.scope.empty() ? "" : "/") + out.op;
      out.op = name;
    }
  }

  std::filesystem::path file_;
  CsvReader reader_;
  size_t kernel_ = 0;
  size_t ranges_ = 0;
  Metric read_, write_, cache_, time_;
  std::vector<std::string> cells_;
};

std::string group_of(const std::string& scope, const std::string& op, Grouping grouping) {
  if (op.empty()) return "";
  if (grouping == Grouping::level) return scope;
  return grouping == Grouping::op ? op : scope + " / " + op;
}

Html table(std::span<const Comparison> rows, const std::string& title) {
  HtmlTable t;
  t.caption = {title};
  t.columns = {
      {"where", "", true},      {"launches", ""},    {"kernels", ""},      {"model", "weights, cache"},
      {"other", "activations"}, {"DRAM", "counted"}, {"DRAM / model", ""}, {"last-level cache", "counted"},
      {"time", "µs"},           {"DRAM", "GB/s"},    {"FLOPs", "TFLOP/s"}};
  const auto bytes = [](double b) -> HtmlCell {
    if (b <= 0.0) return "";
    return {readable_bytes(b), fmt::to_string(b)};
  };
  const auto ratio = [](double a, double b) {
    return a > 0.0 && b > 0.0 ? significant(a / b) : std::string();
  };
  for (const Comparison& c : rows) {
    t.rows.push_back({c.name.empty() ? "in no range" : html_escape(c.name), std::to_string(c.launches),
                      std::to_string(c.kernels), bytes(c.model_bytes), bytes(c.other_bytes),
                      bytes(c.dram_bytes), c.kernels > 0 ? ratio(c.dram_bytes, c.model_bytes) : "",
                      bytes(c.cache_bytes), c.seconds > 0.0 ? significant(1e6 * c.seconds) : "",
                      ratio(c.dram_bytes / 1e9, c.seconds),
                      c.kernels > 0 ? ratio(c.flops / 1e12, c.seconds) : ""});
  }
  return t.rows.empty() ? Html{} : to_html(t);
}

}  // namespace

std::vector<KernelCounters> read_kernel_counters(const std::filesystem::path& file) {
  Page page(file);
  std::vector<KernelCounters> out;
  for (KernelCounters k; page.next(k);) out.push_back(k);
  return out;
}

void check_same_run(std::span<const LaunchSum> launches, std::span<const KernelCounters> kernels) {
  const auto case_of = [](const std::string& scope) { return scope.substr(0, scope.find('/')); };
  std::set<std::string> cases;
  std::string known;
  for (const LaunchSum& l : launches) {
    if (!cases.insert(case_of(l.scope)).second) continue;
    known += (known.empty() ? "" : ", ") + in_quotes(case_of(l.scope));
  }
  for (const KernelCounters& k : kernels) {
    if (k.scope.empty() || cases.contains(case_of(k.scope))) continue;
    throw Error(
        fmt::format("{}: a kernel of {}, of which there are no launches: the launches are of {}, so one of "
                    "the files is of another run",
                    k.where, in_quotes(case_of(k.scope)), known.empty() ? "nothing" : known));
  }
}

std::vector<Comparison> compare(std::span<const LaunchSum> launches, std::span<const KernelCounters> kernels,
                                Grouping grouping) {
  std::vector<Comparison> out;
  std::map<std::string, size_t> places;
  const auto at = [&](const std::string& name) -> Comparison& {
    const auto [place, fresh] = places.try_emplace(name, out.size());
    if (fresh) out.push_back({.name = name});
    return out[place->second];
  };
  for (const LaunchSum& l : launches) {
    Comparison& c = at(group_of(l.scope, l.op, grouping));
    c.launches += l.launches;
    c.model_bytes += l.work.floor_bytes();
    c.other_bytes += l.work.other_bytes;
    c.flops += l.work.flops;
  }
  for (const KernelCounters& k : kernels) {
    Comparison& c = at(group_of(k.scope, k.op, grouping));
    ++c.kernels;
    c.seconds += k.seconds;
    c.dram_bytes += k.dram_bytes;
    c.cache_bytes += k.cache_bytes;
  }
  std::stable_partition(out.begin(), out.end(), [](const Comparison& c) { return !c.name.empty(); });
  return out;
}

Html counter_tables(std::span<const LaunchSum> launches, std::span<const KernelCounters> kernels) {
  return table(compare(launches, kernels, Grouping::level), "By level") +
         table(compare(launches, kernels, Grouping::op), "By op") +
         table(compare(launches, kernels, Grouping::launch), "By level and op");
}

}  // namespace photon::analysis
