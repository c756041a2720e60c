// SPDX-License-Identifier: Apache-2.0
// A file in memory with a path of any name, which is what readers of files are opened by; written anew for
// each input.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

#include "tests/fuzz/promise.h"

namespace photon::testing {

class MemoryFile {
 public:
  /// `name` is that of a link in a temporary folder.
  explicit MemoryFile(const std::string& name) : descriptor_(::memfd_create("photon-fuzz", MFD_CLOEXEC)) {
    require(descriptor_ >= 0, "there is a file in memory");
    std::string folder = (std::filesystem::temp_directory_path() / "photon-fuzz-XXXXXX").string();
    require(::mkdtemp(folder.data()) != nullptr, "there is a temporary folder");
    path_ = std::filesystem::path(folder) / name;
    std::filesystem::create_symlink("/proc/self/fd/" + std::to_string(descriptor_), path_);
  }
  ~MemoryFile() {
    std::error_code ignored;
    std::filesystem::remove_all(path_.parent_path(), ignored);
    ::close(descriptor_);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  void hold(const void* data, size_t size) {
    require(::ftruncate(descriptor_, 0) == 0 &&
                ::pwrite(descriptor_, data, size, 0) == static_cast<ssize_t>(size),
            "it takes the input");
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  int descriptor_;
  std::filesystem::path path_;
};

}  // namespace photon::testing
