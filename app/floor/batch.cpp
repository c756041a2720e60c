// SPDX-License-Identifier: Apache-2.0
#include "app/floor/batch.h"

#include <fmt/format.h>

#include <charconv>
#include <system_error>

#include "core/base/error.h"

namespace photon::app {

int64_t parse_batch(const std::string& text) {
  if (text == "max") return 0;
  int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, status] = std::from_chars(text.data(), end, value);
  if (status != std::errc{} || at != end || value < 1) {
    throw UsageError(fmt::format("{}: a number of rows from 1, or max", text));
  }
  return value;
}

}  // namespace photon::app
