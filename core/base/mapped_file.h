// SPDX-License-Identifier: Apache-2.0
// A file mapped into memory for reading: pages are read when touched, nothing is copied. Used where files are
// larger than what one wants to hold (weights; docs/architecture.md, "Names on disk").
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace photon {

class MappedFile {
 public:
  /// Throws Error if `path` is missing, is no regular file or cannot be mapped. An empty file maps to no
  /// bytes. The file must not shrink while it is mapped.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace photon
