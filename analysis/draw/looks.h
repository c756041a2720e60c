// SPDX-License-Identifier: Apache-2.0
// How series look: a model and way of generating have one colour and mark in all figures of a page. Ways of
// generating differ by mark and dash pattern first and by colour second, so that a black-and-white print
// reads the same; models of one architecture by filled and open marks, then by shade.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace photon::analysis {

struct SeriesStyle {
  std::string color = {};  ///< "#rrggbb"
  int point = 0;           ///< gnuplot's point type
  int dash = 1;            ///< gnuplot's dash type

  bool operator==(const SeriesStyle&) const = default;
};

SeriesStyle style_of_method(const std::string& method_name);  ///< as measurements.h's method_name gives them
SeriesStyle style_of_index(size_t index);                     ///< for series that are no method

class Looks {
 public:
  /// Models get their looks in the order in which they come; one that is known keeps its own.
  void add(const std::string& model, const std::string& method);

  /// A model that was not added is one of the paper's: these share a look, that of the only model of their
  /// architecture where there is one, and of none of several.
  SeriesStyle of(const std::string& model, const std::string& method) const;
  /// "PHOTON HierGen"; "PHOTON HierGen, photon-60m" where several models have that architecture.
  std::string title(const std::string& model, const std::string& method) const;
  /// The longest model name that `run`, a folder's name, begins with; "" if none does.
  std::string model_of_run(const std::string& run) const;
  /// "PHOTON" for any of its ways of generating; "" for a model that was not added.
  std::string architecture_of(const std::string& model) const;

 private:
  std::map<std::string, std::vector<std::string>> models_;  ///< by architecture
};

}  // namespace photon::analysis
