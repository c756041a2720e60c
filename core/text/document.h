// SPDX-License-Identifier: Apache-2.0
// Documents of a corpus on disk: one after another, each as its length in 4 bytes, little endian, and its
// text. Read and written as streams, so that memory does not grow with the corpus.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "core/base/atomic_file.h"
#include "core/base/mapped_file.h"

namespace photon {

struct Document {
  std::string id;  ///< stable: what decides on which side of the split it goes
  std::string text;
};

class DocumentWriter {
 public:
  explicit DocumentWriter(const std::filesystem::path& path) : file_(path) {}
  /// Throws Error for texts of 4 GiB and more.
  void write(std::string_view text);
  void finish() { file_.commit(); }

  int64_t documents() const { return documents_; }
  int64_t bytes() const { return bytes_; }  ///< of text

 private:
  AtomicFile file_;
  int64_t documents_ = 0;
  int64_t bytes_ = 0;
};

class DocumentReader {
 public:
  explicit DocumentReader(const std::filesystem::path& path);
  /// False at the end; the text stays valid while the reader lives. Throws Error if the file breaks off.
  bool next(std::string_view& text);

 private:
  std::string source_;
  MappedFile file_;
  size_t at_ = 0;
};

}  // namespace photon
