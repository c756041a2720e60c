// The few pieces of HTML a report is made of.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace photon {

std::string html_escape(std::string_view text);

struct HtmlTable {
  struct Column {
    std::string title;
    std::string unit;      ///< in small print under the title
    bool is_text = false;  ///< left-aligned
  };
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;  ///< cells are HTML
  std::vector<std::string> row_ids;            ///< "" or one a row: anchors
  std::string caption;                         ///< HTML
};

/// Columns whose cells are all empty are left out.
std::string to_html(const HtmlTable& table);

/// The SVG that gnuplot wrote, as an element of a page: without prolog, scaling to the column, with ids that
/// start with `prefix` so that figures on one page do not take each other's symbols. Throws Error if it is no
/// SVG.
std::string inline_svg(std::string svg, std::string_view prefix, std::string_view title);

}  // namespace photon
