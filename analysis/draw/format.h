// SPDX-License-Identifier: Apache-2.0
// Numbers for people: three significant digits with a prefix, byte counts in powers of 1024.
#pragma once

#include <cstddef>
#include <string>

namespace photon::analysis {

std::string significant(double value, int digits = 3);  ///< "0.0123", "12.3", "12,300"; 1.23e-05 beyond
std::string with_prefix(double value, int digits = 3);  ///< "12.3 k", "646 M", "1.20 T"; powers of 1000
std::string readable_bytes(double bytes);               ///< "12.3 KiB"
std::string with_commas(std::string number);            ///< "12,345.6" of "12345.6"

/// Code points: what a UTF-8 text takes on a line of a terminal or, about, of a plot.
size_t text_columns(const std::string& text);

}  // namespace photon::analysis
