// One run a folder: a lock that goes with its process, however that ends.
#pragma once

#include <filesystem>

namespace photon {

class FolderLock {
 public:
  /// Creates the folder and locks it. Throws Error if another process holds it.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace photon
