// SPDX-License-Identifier: Apache-2.0
// The words of the report's page, apart from the code that counts: report.html has them in pieces with named places.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "analysis/draw/html.h"

namespace photon::analysis {

/// What goes into the places of a piece. Text is escaped there; an Html has been filled or escaped already.
using Values = std::map<std::string_view, std::variant<std::string, Html>>;

/// Pieces: <template id="ID">, or <template id="ID" title="TITLE"> for a section of the page, up to </template>; a
/// line's end right after the first tag is no part of a piece. Places in them: {{name}}, and {{name|words}}, where the
/// words, which are markup, stand in for an empty value. A place alone on its line is the whole line: its value
/// brings the line's end or is empty, so that what is left out leaves no blank line.
class PageTemplate {
 public:
  struct Piece {
    std::string_view id, title, text;
  };

  /// Of a file's text, which must stay. Throws Error where a tag does not end or an id stands twice.
  explicit PageTemplate(std::string_view file);

  const std::vector<Piece>& pieces() const { return pieces_; }
  const Piece& piece(std::string_view id) const;  ///< throws Error without it

  /// Throws Error where a place has no value or a value has no place: words and code have grown apart.
  Html fill(std::string_view id, const Values& values = {}) const;

 private:
  std::vector<Piece> pieces_;
};

/// Of report.html, which is compiled in.
const PageTemplate& page_template();

}  // namespace photon::analysis
