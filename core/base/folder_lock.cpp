// SPDX-License-Identifier: Apache-2.0
#include "core/base/folder_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/error.h"

namespace photon {

FolderLock::FolderLock(const std::filesystem::path& folder) {
  std::error_code bad;
  if (std::filesystem::create_directories(folder, bad)) made_ = std::filesystem::absolute(folder);
  if (bad) throw Error(fmt::format("{}: cannot be created: {}", folder.string(), bad.message()));
  descriptor_ = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ < 0)
    throw Error(fmt::format("{}: cannot be opened: {}", folder.string(), std::strerror(errno)));
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    close(descriptor_);
    throw Error(fmt::format("{}: another run writes into this folder", folder.string()));
  }
}

FolderLock::~FolderLock() {
  std::error_code holds_something;
  if (!made_.empty()) std::filesystem::remove(made_, holds_something);
  close(descriptor_);
}

}  // namespace photon
