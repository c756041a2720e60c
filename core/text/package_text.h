// SPDX-License-Identifier: Apache-2.0
// The text that Debian packages keep in other forms than documents: fortunes, gzip files of entries, and
// SWORD modules, whose books or chapters are zlib blocks of marked-up verses.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace photon {

struct PackageText {
  std::string id;  ///< stable within the package
  std::vector<std::string> paragraphs;
};

/// A text cut at empty lines into pieces of some 64 KB, each a document by its number.
std::vector<PackageText> pieces(std::string_view text);

/// Throws Error on what is no gzip file.
std::string gunzipped_file(const std::filesystem::path& file);

/// Every file of `folder` without an extension, sayings between lines of '%'.
std::vector<PackageText> fortune_texts(const std::filesystem::path& folder);

/// The blocks of both testaments of a module (zText, zCom), notes left out. Throws Error on broken files.
std::vector<PackageText> sword_texts(const std::filesystem::path& folder);

}  // namespace photon
