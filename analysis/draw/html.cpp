// SPDX-License-Identifier: Apache-2.0
#include "analysis/draw/html.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/error.h"

namespace photon::analysis {
namespace {

constexpr size_t longest_on_a_line = 40;  // characters of a cell that is not broken

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

}  // namespace

std::string html_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

Html to_html(const HtmlTable& table) {
  std::vector<size_t> kept;
  for (size_t c = 0; c < table.columns.size(); ++c) {
    if (std::any_of(table.rows.begin(), table.rows.end(),
                    [&](const auto& row) { return !row[c].html.empty(); })) {
      kept.push_back(c);
    }
  }
  const auto hidden = [&](size_t c) { return table.columns[c].shown ? "" : " hidden"; };
  std::string out = "<div class=\"wide\"><table>";
  if (!table.caption.markup.empty()) out += "<caption><span>" + table.caption.markup + "</span></caption>";
  out += "<thead><tr>";
  for (const size_t c : kept) {
    const auto& column = table.columns[c];
    out += fmt::format("<th scope=\"col\"{}{}", column.is_text ? " class=\"t\"" : "", hidden(c));
    if (!column.hint.empty()) out += fmt::format(" title=\"{}\"", html_escape(column.hint));
    out += ">" + html_escape(column.title);
    if (!column.unit.empty()) out += fmt::format(" <small>{}</small>", html_escape(column.unit));
    out += "</th>";
  }
  out += "</tr></thead>\n<tbody>\n";
  for (size_t r = 0; r < table.rows.size(); ++r) {
    const bool named = r < table.row_ids.size() && !table.row_ids[r].empty();
    out += named ? fmt::format("<tr id=\"{}\">", table.row_ids[r]) : "<tr>";
    for (const size_t c : kept) {
      const HtmlCell& cell = table.rows[r][c];
      const char* kind = !table.columns[c].is_text              ? ""
                         : cell.html.size() > longest_on_a_line ? " class=\"t long\""
                                                                : " class=\"t\"";
      out += fmt::format("<td{}{}", kind, hidden(c));
      if (!cell.value.empty()) out += fmt::format(" data-value=\"{}\"", html_escape(cell.value));
      out += ">" + cell.html + "</td>";
    }
    out += "</tr>\n";
  }
  out += "</tbody></table></div>\n";
  if (!table.note.markup.empty()) out += "<p class=\"note\">" + table.note.markup + "</p>\n";
  return {out};
}

std::string inline_svg(std::string svg, std::string_view prefix, std::string_view title,
                       std::string_view overlay) {
  const size_t start = svg.find("<svg");
  const size_t end = start == std::string::npos ? start : svg.find('>', start);
  if (end == std::string::npos)
    throw Error(fmt::format("figure {}: gnuplot's SVG has no <svg> element", prefix));
  const std::string root = svg.substr(start, end - start);
  const size_t box = root.find("viewBox=\"");
  if (box == std::string::npos) throw Error(fmt::format("figure {}: gnuplot's SVG has no viewBox", prefix));
  const std::string view = root.substr(box, root.find('"', box + 9) + 1 - box);
  svg = svg.substr(end + 1);
  const size_t close = svg.rfind("</svg>");
  if (close == std::string::npos) throw Error(fmt::format("figure {}: gnuplot's SVG does not end", prefix));
  svg.erase(close);
  replace_all(svg, "<g id=\"gnuplot_canvas\"", "<g aria-hidden=\"true\" id=\"gnuplot_canvas\"");
  replace_all(svg, " id=\"", fmt::format(" id=\"{}-", prefix));
  replace_all(svg, " id='", fmt::format(" id='{}-", prefix));
  replace_all(svg, "href='#", fmt::format("href='#{}-", prefix));
  replace_all(svg, "url(#", fmt::format("url(#{}-", prefix));
  // A group has parts that can be reached; an image has none.
  return fmt::format(
      "<svg {} role=\"{}\" aria-label=\"{}\" xmlns=\"http://www.w3.org/2000/svg\" "
      "xmlns:xlink=\"http://www.w3.org/1999/xlink\">{}{}</svg>\n",
      view, overlay.empty() ? "img" : "group", html_escape(title), svg, overlay);
}

}  // namespace photon::analysis
