// SPDX-License-Identifier: Apache-2.0
// Tokens on disk: a header of 40 bytes (magic, version, element width, vocabulary size, count, tokenizer
// hash), then the ids in 2 or 4 bytes each, little endian. Read by mapping, written as a stream.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/base/atomic_file.h"
#include "core/base/mapped_file.h"

namespace photon {

class TokenFile {
 public:
  /// Maps and checks the header against the file's size. Throws Error.
  explicit TokenFile(const std::filesystem::path& path);

  int64_t size() const { return count_; }
  int64_t vocab() const { return vocab_; }
  uint64_t tokenizer_hash() const { return tokenizer_hash_; }
  /// Ids [begin, begin + out.size()). Throws Error on an id outside the vocabulary or a range outside the
  /// file.
  void read(int64_t begin, std::span<int32_t> out) const;

 private:
  std::string source_;
  MappedFile file_;
  int64_t element_bytes_ = 0;
  int64_t vocab_ = 0;
  int64_t count_ = 0;
  uint64_t tokenizer_hash_ = 0;
};

/// Writes ids as they come; the file appears when finish() returns and not before.
class TokenFileWriter {
 public:
  TokenFileWriter(const std::filesystem::path& path, int64_t vocab, uint64_t tokenizer_hash);
  /// Throws Error on an id outside the vocabulary.
  void write(std::span<const int32_t> ids);
  int64_t written() const { return written_; }
  void finish();

 private:
  std::string source_;
  AtomicFile file_;
  int64_t vocab_ = 0;
  uint64_t tokenizer_hash_ = 0;
  int64_t written_ = 0;
};

void write_token_file(const std::filesystem::path& path, int64_t vocab, std::span<const int32_t> ids,
                      uint64_t tokenizer_hash = 0);

}  // namespace photon
