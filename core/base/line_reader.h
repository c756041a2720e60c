// SPDX-License-Identifier: Apache-2.0
// Lines of a text file, plain or zstd-compressed (*.zst: one frame or several, skippable ones passed over),
// in constant memory; the file's SHA-256 on the way.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/base/sha256.h"

namespace photon {

class LineReader {
 public:
  /// Throws Error if the file cannot be read.
  explicit LineReader(const std::filesystem::path& path);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  /// The next line with its line feed, if it has one; false at the end. Throws Error with file and line on
  /// compressed data that are broken or cut off and on lines above 1 GiB.
  bool next(std::string& line);

  std::string where() const;  ///< "file:line" of the last line
  int64_t bytes_read() const { return bytes_read_; }
  /// Of the whole file, after its last line.
  std::string sha256() { return hash_.hex(); }

 private:
  struct Decompressor;
  bool refill();
  bool read_block();

  std::string source_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  std::unique_ptr<Decompressor> decompressor_;
  Sha256 hash_;
  std::string block_;  // as in the file
  size_t block_at_ = 0;
  std::string text_;
  size_t text_at_ = 0;
  bool frame_open_ = false;
  bool more_inside_ = false;  // decompressed, but not yet handed out
  int64_t number_ = 0;
  int64_t bytes_read_ = 0;
};

}  // namespace photon
