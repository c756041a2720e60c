// SPDX-License-Identifier: Apache-2.0
#include "core/text/prose.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <set>
#include <utility>

namespace photon {
namespace {

constexpr std::array<std::string_view, 24> block_tags = {
    "p",     "div", "blockquote", "h1", "h2", "h3", "h4", "h5",    "h6",    "li",   "ul", "ol",
    "table", "tr",  "td",         "th", "dl", "dt", "dd", "tbody", "title", "body", "hr", "center"};

constexpr std::array<std::pair<std::string_view, std::string_view>, 16> entities = {
    {{"amp", "&"},
     {"lt", "<"},
     {"gt", ">"},
     {"quot", "\""},
     {"apos", "'"},
     {"nbsp", " "},
     {"mdash", "\xe2\x80\x94"},
     {"ndash", "\xe2\x80\x93"},
     {"lsquo", "\xe2\x80\x98"},
     {"rsquo", "\xe2\x80\x99"},
     {"ldquo", "\xe2\x80\x9c"},
     {"rdquo", "\xe2\x80\x9d"},
     {"hellip", "\xe2\x80\xa6"},
     {"eacute", "\xc3\xa9"},
     {"egrave", "\xc3\xa8"},
     {"pound", "\xc2\xa3"}}};

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

void append_utf8(std::string& out, uint32_t c) {
  const auto byte = [&](uint32_t value) { out.push_back(static_cast<char>(value)); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xC0 | c >> 6);
    byte(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    byte(0xE0 | c >> 12);
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  } else {
    byte(0xF0 | c >> 18);
    byte(0x80 | (c >> 12 & 0x3F));
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  }
}

/// Appends what `&name;` at the start of `text` stands for and returns its length; an unknown one is a plain
/// ampersand.
size_t append_entity(std::string& out, std::string_view text) {
  const size_t end = text.substr(0, 12).find(';');
  if (end == std::string_view::npos) return out.push_back('&'), 1;
  std::string_view name = text.substr(1, end - 1);
  if (name.starts_with('#')) {
    name.remove_prefix(1);
    const bool hex = name.starts_with('x') || name.starts_with('X');
    if (hex) name.remove_prefix(1);
    uint32_t code = 0;
    const auto [stop, bad] = std::from_chars(name.data(), name.data() + name.size(), code, hex ? 16 : 10);
    const bool valid = code > 0 && code < 0x110000 && (code < 0xD800 || code > 0xDFFF);
    if (bad != std::errc{} || stop != name.data() + name.size() || !valid) return out.push_back('&'), 1;
    append_utf8(out, code);
    return end + 1;
  }
  for (const auto& [known, meaning] : entities) {
    if (known == name) return out += meaning, end + 1;
  }
  return out.push_back('&'), 1;
}

/// Lower case, without the slash.
std::string tag_name(std::string_view inside) {
  if (inside.starts_with('/')) inside.remove_prefix(1);
  std::string name;
  for (const char c : inside) {
    if (!std::isalnum(static_cast<unsigned char>(c))) break;
    name.push_back(lower(c));
  }
  return name;
}

/// The no-break space as a space.
std::string with_plain_spaces(std::string text) {
  constexpr std::string_view no_break = "\xc2\xa0";
  for (size_t at = text.find(no_break); at != std::string::npos; at = text.find(no_break, at))
    text.replace(at, no_break.size(), 1, ' ');
  return text;
}

/// `text` with its line feeds as breaks (one a space, two a paragraph), cut and collapsed.
std::vector<std::string> cut(std::string_view text) {
  std::vector<std::string> paragraphs;
  std::string current;
  int breaks = 0;
  bool gap = false;
  for (const char c : text) {
    if (is_space(c)) {
      gap = true;
      breaks += c == '\n' ? 1 : 0;
      continue;
    }
    if (breaks > 1 && !current.empty()) paragraphs.push_back(std::exchange(current, {}));
    if (gap && !current.empty()) current.push_back(' ');
    current.push_back(c);
    gap = false;
    breaks = 0;
  }
  if (!current.empty()) paragraphs.push_back(std::move(current));
  return paragraphs;
}

const std::set<std::string_view>& function_words() {
  static const std::set<std::string_view> words = {
      "the",  "of",    "and",   "to",    "a",      "in",    "that",  "is",    "was",   "he",     "for",
      "it",   "with",  "as",    "his",   "on",     "be",    "at",    "by",    "i",     "this",   "had",
      "not",  "are",   "but",   "from",  "or",     "have",  "an",    "they",  "which", "one",    "you",
      "were", "her",   "all",   "she",   "there",  "would", "their", "we",    "him",   "been",   "has",
      "when", "who",   "will",  "more",  "no",     "if",    "out",   "so",    "said",  "what",   "up",
      "its",  "about", "into",  "than",  "them",   "can",   "only",  "other", "new",   "some",   "could",
      "time", "these", "two",   "may",   "then",   "do",    "first", "any",   "my",    "now",    "such",
      "like", "our",   "over",  "man",   "me",     "even",  "most",  "made",  "after", "also",   "did",
      "many", "must",  "being", "those", "should", "own",   "very",  "your",  "how",   "because"};
  return words;
}

}  // namespace

std::vector<std::string> html_paragraphs(std::string_view html) {
  std::string text;
  for (size_t at = 0; at < html.size();) {
    const char c = html[at];
    if (c == '&') {
      at += append_entity(text, html.substr(at));
      continue;
    }
    const bool tag = c == '<' && at + 1 < html.size() &&
                     (std::isalpha(static_cast<unsigned char>(html[at + 1])) || html[at + 1] == '/' ||
                      html[at + 1] == '!');
    if (!tag) {
      text.push_back(is_space(c) ? ' ' : c);
      ++at;
      continue;
    }
    const bool comment = html.substr(at).starts_with("<!--");
    const size_t end = comment ? html.find("-->", at) : html.find('>', at);
    if (end == std::string_view::npos) break;
    const std::string name = comment ? "" : tag_name(html.substr(at + 1, end - at - 1));
    at = end + (comment ? 3 : 1);
    if (name == "br") text.push_back('\n');
    if (std::find(block_tags.begin(), block_tags.end(), name) != block_tags.end()) text += "\n\n";
    if (name == "head" || name == "script" || name == "style") {
      const size_t close = html.find("</" + name, at);
      if (close == std::string_view::npos) continue;
      at = close;
    }
  }
  return cut(with_plain_spaces(std::move(text)));
}

std::vector<std::string> joined_paragraphs(std::span<const std::string> lines) {
  std::string text;
  for (const std::string& line : lines) (text += line) += '\n';
  return cut(text);
}

bool is_english_prose(std::string_view paragraph) {
  int64_t characters = 0;
  int64_t letters_and_spaces = 0;
  int64_t words = 0;
  int64_t common = 0;
  std::string word;
  const auto end_word = [&] {
    words += word.empty() ? 0 : 1;
    common += function_words().contains(word) ? 1 : 0;
    word.clear();
  };
  for (const char c : paragraph) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) == 0x80) continue;  // inside a character
    ++characters;
    const bool latin = byte >= 0xC3 && byte <= 0xC9;  // U+00C0 to U+024F
    const bool letter = latin || std::isalpha(byte) != 0;
    letters_and_spaces += letter || c == ' ' ? 1 : 0;
    if (letter) {
      word.push_back(lower(c));
    } else if (c != '\'') {
      end_word();
    }
  }
  end_word();
  return characters >= 120 && words >= 20 && letters_and_spaces * 10 >= characters * 9 && common * 4 >= words;
}

}  // namespace photon
