#include "analysis/html.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace photon {
namespace {

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

std::string to_html(const HtmlTable& table) {
  std::vector<size_t> shown;
  for (size_t c = 0; c < table.columns.size(); ++c) {
    if (std::any_of(table.rows.begin(), table.rows.end(), [&](const auto& row) { return !row[c].empty(); })) {
      shown.push_back(c);
    }
  }
  std::string out = "<div class=\"wide\"><table>";
  if (!table.caption.empty()) out += "<caption>" + table.caption + "</caption>";
  out += "<thead><tr>";
  for (const size_t c : shown) {
    const auto& column = table.columns[c];
    out += fmt::format("<th{}>{}", column.is_text ? " class=\"t\"" : "", html_escape(column.title));
    if (!column.unit.empty()) out += fmt::format("<small>{}</small>", html_escape(column.unit));
    out += "</th>";
  }
  out += "</tr></thead>\n<tbody>\n";
  for (size_t r = 0; r < table.rows.size(); ++r) {
    const bool named = r < table.row_ids.size() && !table.row_ids[r].empty();
    out += named ? fmt::format("<tr id=\"{}\">", table.row_ids[r]) : "<tr>";
    for (const size_t c : shown) {
      out += fmt::format("<td{}>{}</td>", table.columns[c].is_text ? " class=\"t\"" : "", table.rows[r][c]);
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string inline_svg(std::string svg, std::string_view prefix, std::string_view title) {
  const size_t start = svg.find("<svg");
  const size_t end = start == std::string::npos ? start : svg.find('>', start);
  if (end == std::string::npos)
    throw Error(fmt::format("figure {}: gnuplot's SVG has no <svg> element", prefix));
  const std::string root = svg.substr(start, end - start);
  const size_t box = root.find("viewBox=\"");
  if (box == std::string::npos) throw Error(fmt::format("figure {}: gnuplot's SVG has no viewBox", prefix));
  const std::string view = root.substr(box, root.find('"', box + 9) + 1 - box);
  const std::string head = fmt::format(
      "<svg {} role=\"img\" aria-label=\"{}\" xmlns=\"http://www.w3.org/2000/svg\" "
      "xmlns:xlink=\"http://www.w3.org/1999/xlink\">",
      view, html_escape(title));
  svg = head + svg.substr(end + 1);
  replace_all(svg, " id=\"", fmt::format(" id=\"{}-", prefix));
  replace_all(svg, " id='", fmt::format(" id='{}-", prefix));
  replace_all(svg, "href='#", fmt::format("href='#{}-", prefix));
  replace_all(svg, "href=\"#", fmt::format("href=\"#{}-", prefix));
  replace_all(svg, "url(#", fmt::format("url(#{}-", prefix));
  return svg;
}

}  // namespace photon
