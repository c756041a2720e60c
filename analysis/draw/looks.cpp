// SPDX-License-Identifier: Apache-2.0
#include "analysis/draw/looks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace photon::analysis {
namespace {

/// "PHOTON" of "PHOTON RecGen streamed".
std::string architecture_in(const std::string& method) {
  return method.substr(0, method.find(' '));
}

/// The colour, `share` of the way to white; below 0 to black.
std::string shaded(const std::string& color, double share) {
  std::string out = "#";
  for (size_t at = 1; at < color.size(); at += 2) {
    const double from = std::stoi(color.substr(at, 2), nullptr, 16);
    const double to = share > 0.0 ? 255.0 : 0.0;
    out += fmt::format("{:02x}", std::lround(from + std::abs(share) * (to - from)));
  }
  return out;
}

/// gnuplot has filled marks at odd types from 5 on, their outlines one below.
int other_fill(int point) {
  return point % 2 == 1 ? point - 1 : point + 1;
}

/// Of the number-th model of an architecture.
SeriesStyle varied(SeriesStyle style, size_t number) {
  static constexpr double shades[] = {0.0, 0.35, -0.4, 0.55};
  if (number % 2 == 1) style.point = other_fill(style.point);
  style.color = shaded(style.color, shades[number / 2 % std::size(shades)]);
  style.dash = 1 + (style.dash - 1 + static_cast<int>(number / 2 / std::size(shades))) % 5;
  return style;
}

}  // namespace

SeriesStyle style_of_method(const std::string& method) {
  if (method == "Vanilla") return {"#333333", 5, 1};
  if (method == "Block") return {"#d55e00", 9, 2};
  if (method == "PHOTON HierGen" || method == "PHOTON") return {"#0072b2", 7, 4};
  if (method == "PHOTON RecGen") return {"#009e73", 15, 3};  // of no schedule, or of either
  if (method == "PHOTON RecGen streamed") return {"#009e73", 12, 3};
  if (method == "PHOTON RecGen unrolled") return {"#cc79a7", 10, 5};
  return {"#666666", 14, 1};
}

SeriesStyle style_of_index(size_t index) {
  static constexpr const char* colors[] = {"#333333", "#d55e00", "#0072b2", "#009e73",
                                           "#cc79a7", "#e69f00", "#56b4e9"};
  static constexpr int points[] = {5, 9, 7, 12, 10, 4, 6, 8};
  return {colors[index % 7], points[index % 8], static_cast<int>(index % 5) + 1};
}

void Looks::add(const std::string& model, const std::string& method) {
  auto& known = models_[architecture_in(method)];
  if (std::find(known.begin(), known.end(), model) == known.end()) known.push_back(model);
}

SeriesStyle Looks::of(const std::string& model, const std::string& method) const {
  const auto known = models_.find(architecture_in(method));
  if (known == models_.end()) return style_of_method(method);
  const auto& models = known->second;
  const auto at = std::find(models.begin(), models.end(), model);
  const bool stranger_beside_one = at == models.end() && models.size() == 1;
  return varied(style_of_method(method), stranger_beside_one ? 0 : static_cast<size_t>(at - models.begin()));
}

std::string Looks::title(const std::string& model, const std::string& method) const {
  const auto known = models_.find(architecture_in(method));
  if (known == models_.end() || known->second.size() < 2) return method;
  const auto& models = known->second;
  const bool ours = std::find(models.begin(), models.end(), model) != models.end();
  return method + ", " + (ours ? model : "the paper’s");
}

std::string Looks::model_of_run(const std::string& run) const {
  std::string longest;
  for (const auto& [architecture, models] : models_) {
    for (const std::string& model : models) {
      if (model.size() > longest.size() && run.starts_with(model)) longest = model;
    }
  }
  return longest;
}

std::string Looks::architecture_of(const std::string& model) const {
  for (const auto& [architecture, models] : models_) {
    if (std::find(models.begin(), models.end(), model) != models.end()) return architecture;
  }
  return "";
}

}  // namespace photon::analysis
