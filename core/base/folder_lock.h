// SPDX-License-Identifier: Apache-2.0
// One run a folder: a lock that goes with its process, however that ends.
#pragma once

#include <filesystem>

namespace photon {

class FolderLock {
 public:
  /// Creates the folder and locks it. Throws Error if another process holds it.
  explicit FolderLock(const std::filesystem::path& folder);
  /// A folder that it made and that is still empty goes, too: work that was refused leaves nothing.
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  std::filesystem::path made_;  // empty: was there before
  int descriptor_ = -1;
};

}  // namespace photon
