// SPDX-License-Identifier: Apache-2.0
#include "app/text_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>

#include "core/base/read_file.h"
#include "core/base/utf8.h"

namespace photon::app {

void warn(std::string_view message) {
  fmt::print(stderr, "warning: {}\n", message);
}

std::string binary_sign(std::string_view text) {
  const size_t nul = text.find('\0');
  const size_t malformed = find_invalid_utf8(text);
  const size_t at = std::min(nul, malformed);
  if (at == std::string_view::npos) return {};
  return fmt::format("byte {} is {}", at, at == nul ? "NUL" : "no UTF-8");
}

std::string read_text_input(const std::filesystem::path& path) {
  const bool standard = path == "-";
  const std::string text =
      standard ? std::string{std::istreambuf_iterator<char>(std::cin), {}} : read_file(path);
  if (const std::string sign = binary_sign(text); !sign.empty()) {
    warn(fmt::format("{}: {}; this is no text, its bytes are taken as they are",
                     standard ? "standard input" : path.string(), sign));
  }
  return text;
}

int64_t trained_context(const std::optional<trainer::RunState>& training, const ModelSpec& spec) {
  if (training) {
    const auto found = training->identity.find("context");
    if (found != training->identity.end()) return std::stoll(found->second);
  }
  return spec.trained_context;
}

}  // namespace photon::app
