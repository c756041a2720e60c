// Numbers for people: three significant digits with a prefix, byte counts in powers of 1024.
#pragma once

#include <string>

namespace photon {

std::string significant(double value, int digits = 3);  ///< "0.0123", "12.3", "12,300"
std::string with_prefix(double value, int digits = 3);  ///< "12.3 k", "646 M", "1.2 T"; powers of 1000
std::string readable_bytes(double bytes);               ///< "12.3 KiB"

}  // namespace photon
