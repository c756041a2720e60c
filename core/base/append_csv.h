// SPDX-License-Identifier: Apache-2.0
// Appending to CSV files that several processes may write: whole lines under a lock, or nothing.
#pragma once

#include <filesystem>
#include <string>

namespace photon {

/// Appends whole lines; a new file gets the header line first, an existing one must begin with it. `schema`
/// says what the columns are. Throws Error, with nothing appended, on another header, a cut-off last line, or
/// when the file cannot be written.
void append_csv(const std::filesystem::path& file, const std::string& header, const std::string& lines,
                const std::string& schema);

}  // namespace photon
