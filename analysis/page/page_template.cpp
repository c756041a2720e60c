// SPDX-License-Identifier: Apache-2.0
#include "analysis/page/page_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/base/error.h"
#include "embedded.h"

namespace photon::analysis {
namespace {

/// What stands before `end`, which goes with it.
std::string_view take(std::string_view& rest, std::string_view end) {
  const size_t at = rest.find(end);
  if (at == std::string_view::npos)
    throw Error(fmt::format("page template: no {} after {}", end, in_quotes(rest)));
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(at + end.size());
  return taken;
}

std::string markup_of(const std::variant<std::string, Html>& value) {
  const Html* html = std::get_if<Html>(&value);
  return html != nullptr ? html->markup : html_escape(std::get<std::string>(value));
}

}  // namespace

PageTemplate::PageTemplate(std::string_view file) {
  constexpr std::string_view begin = "<template id=\"";
  constexpr std::string_view title = " title=\"";
  std::set<std::string_view> ids;
  for (size_t at = file.find(begin); at != std::string_view::npos; at = file.find(begin)) {
    file.remove_prefix(at + begin.size());
    Piece piece;
    piece.id = take(file, "\"");
    if (!ids.insert(piece.id).second)
      throw Error(fmt::format("page template: two pieces are called {}", piece.id));
    if (file.starts_with(title)) {
      file.remove_prefix(title.size());
      piece.title = take(file, "\"");
    }
    take(file, ">");
    if (file.starts_with('\n')) file.remove_prefix(1);
    piece.text = take(file, "</template>");
    pieces_.push_back(piece);
  }
}

const PageTemplate::Piece& PageTemplate::piece(std::string_view id) const {
  const auto found = std::find_if(pieces_.begin(), pieces_.end(), [&](const Piece& p) { return p.id == id; });
  if (found == pieces_.end()) throw Error(fmt::format("page template: no piece is called {}", id));
  return *found;
}

Html PageTemplate::fill(std::string_view id, const Values& values) const {
  Html out;
  std::set<std::string_view> filled;
  std::string_view rest = piece(id).text;
  bool line_begins = true;
  for (size_t at = rest.find("{{"); at != std::string_view::npos; at = rest.find("{{")) {
    out.markup += rest.substr(0, at);
    if (at > 0) line_begins = rest[at - 1] == '\n';
    rest.remove_prefix(at + 2);
    std::string_view words = take(rest, "}}");
    const std::string_view name = words.substr(0, words.find('|'));
    words.remove_prefix(std::min(name.size() + 1, words.size()));
    const auto value = values.find(name);
    if (value == values.end())
      throw Error(fmt::format("page template, {}: nothing fills the place {}", id, name));
    filled.insert(name);
    const std::string markup = markup_of(value->second);
    const bool whole_line = line_begins && rest.starts_with('\n');
    if (whole_line) rest.remove_prefix(1);
    out.markup += markup.empty() ? words : markup;
    if (whole_line && markup.empty() && !words.empty()) out.markup += '\n';
    line_begins = whole_line;
  }
  for (const auto& [name, value] : values) {
    if (!filled.contains(name)) throw Error(fmt::format("page template, {}: no place is called {}", id, name));
  }
  out.markup += rest;
  return out;
}

const PageTemplate& page_template() {
  static const PageTemplate page(report_html);
  return page;
}

}  // namespace photon::analysis
