#include "analysis/method_series.h"

#include <algorithm>

#include "analysis/measurements.h"

namespace photon::analysis {

Series& series_of_method(std::vector<Series>& series, const ResultRow& row) {
  const std::string method =
      method_name(row.text("architecture"), row.text("generation"), row.text("schedule"));
  const auto at =
      std::find_if(series.begin(), series.end(), [&](const Series& s) { return s.title == method; });
  if (at != series.end()) return *at;
  return series.emplace_back(Series{method, style_of_method(method), Series::Kind::points, {}, true});
}

}  // namespace photon::analysis
