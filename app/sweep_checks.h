// SPDX-License-Identifier: Apache-2.0
// Arguments that are lists, checked while the command line is read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "app/arguments.h"
#include "bench/sweep.h"

namespace photon::app {

/// Whole numbers as bench::parse_sweep takes them; its refusals name `option`.
inline Check numbers(const char* option, bool allow_max = false) {
  return parsed_by([=](const std::string& text) { bench::parse_sweep(text, option, allow_max); });
}

/// Words between commas, each of which `parse` takes.
template <class T>
Check words(T (*parse)(std::string_view)) {
  return parsed_by([=](const std::string& text) { bench::parse_list<T>(text, parse); });
}

}  // namespace photon::app
