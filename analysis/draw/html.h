// SPDX-License-Identifier: Apache-2.0
// The few pieces of HTML a report is made of.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace photon::analysis {

std::string html_escape(std::string_view text);

/// Markup that is whole as it stands, where plain text would be escaped.
struct Html {
  std::string markup;

  Html& operator+=(const Html& more) {
    markup += more.markup;
    return *this;
  }
  friend Html operator+(Html first, const Html& second) { return first += second; }
};

/// What a cell shows, and what sorts it and goes into a CSV file where that is another thing: "12.3 M" is
/// 12345678 there.
struct HtmlCell {
  std::string html;
  std::string value = {};

  HtmlCell(std::string shown, std::string behind = {})  // NOLINT: most cells are what they show
      : html(std::move(shown)), value(std::move(behind)) {}
  HtmlCell(const char* shown) : html(shown) {}  // NOLINT
};

struct HtmlTable {
  struct Column {
    std::string title;
    std::string unit;       ///< in small print under the title
    bool is_text = false;   ///< left-aligned, sorted as words
    std::string hint = {};  ///< one line about the column
    bool shown = true;      ///< at first; a reader can choose others
  };
  std::vector<Column> columns;
  std::vector<std::vector<HtmlCell>> rows;
  std::vector<std::string> row_ids;  ///< "" or one a row: anchors
  Html caption;
  Html note;  ///< under the table
};

/// Columns whose cells are all empty are left out.
Html to_html(const HtmlTable& table);

/// The SVG that gnuplot wrote, as an element of a page: without prolog, scaling
/// to the column, with ids that start with `prefix` so that figures on one page do not take each other's
/// symbols. `overlay` is SVG drawn over it. Throws Error if it is no SVG.
std::string inline_svg(std::string svg, std::string_view prefix, std::string_view title,
                       std::string_view overlay);

}  // namespace photon::analysis
