// SPDX-License-Identifier: Apache-2.0
#include "core/base/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"

namespace photon {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view aside_mark = ".tmp-";
constexpr std::string_view displaced_mark = ".old-";

[[noreturn]] void fail(const fs::path& path, std::string_view what, int error) {
  throw Error(fmt::format("{}: cannot {}: {}", path.string(), what, std::strerror(error)));
}

fs::path marked(const fs::path& path, std::string_view mark) {
  return fs::path(fmt::format("{}{}{}", path.string(), mark, ::getpid()));
}

/// Paths `<folder><mark><pid>`, those of other processes that still run left out.
std::vector<fs::path> leftovers(const fs::path& folder, std::string_view mark) {
  std::vector<fs::path> found;
  const std::string start = folder.filename().string() + std::string(mark);
  std::error_code none;
  const fs::path parent = folder.has_parent_path() ? folder.parent_path() : fs::path(".");
  for (const auto& entry : fs::directory_iterator(parent, none)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(start)) continue;
    pid_t pid = 0;
    const char* const end = name.data() + name.size();
    const auto [stop, bad] = std::from_chars(name.data() + start.size(), end, pid);
    if (bad != std::errc{} || stop != end || pid <= 0) continue;
    if (pid != ::getpid() && (::kill(pid, 0) == 0 || errno != ESRCH)) continue;
    found.push_back(entry.path());
  }
  return found;
}

/// Puts `aside` in place of `folder`, which exists, and leaves the old one under the returned name.
fs::path swap_in(const fs::path& aside, const fs::path& folder) {
  if (::renameat2(AT_FDCWD, aside.c_str(), AT_FDCWD, folder.c_str(), RENAME_EXCHANGE) == 0) return aside;
  if (errno != EINVAL && errno != ENOSYS) fail(folder, "replace", errno);
  const fs::path old = marked(folder, displaced_mark);
  fs::rename(folder, old);
  std::error_code bad;
  fs::rename(aside, folder, bad);
  if (bad) {
    fs::rename(old, folder);
    fail(folder, "replace", bad.value());
  }
  return old;
}

}  // namespace

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)), temporary_(marked(path_, aside_mark)) {
  file_.reset(std::fopen(temporary_.c_str(), "wbe"));
  if (!file_) fail(temporary_, "create", errno);
}

AtomicFile::~AtomicFile() {
  if (in_place_) return;
  std::error_code ignored;
  fs::remove(temporary_, ignored);
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) fail(path_, "write", errno);
}

void AtomicFile::overwrite(int64_t offset, std::span<const std::byte> bytes) {
  if (::fseeko(file_.get(), offset, SEEK_SET) != 0) fail(path_, "write", errno);
  write(bytes);
  if (::fseeko(file_.get(), 0, SEEK_END) != 0) fail(path_, "write", errno);
}

void AtomicFile::commit() {
  if (std::fflush(file_.get()) != 0) fail(path_, "write", errno);
  if (std::fclose(file_.release()) != 0) fail(path_, "write", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail(path_, "put in place", errno);
  in_place_ = true;
}

void remove_leftovers(const fs::path& folder) {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    const std::string name = entry.path().filename().string();
    const size_t mark = name.rfind(aside_mark);
    if (mark == std::string::npos) continue;
    for (const fs::path& path : leftovers(folder / name.substr(0, mark), aside_mark)) {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
  }
}

void write_file_atomically(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

void require_known_names(const fs::path& folder, std::span<const std::string_view> known_names) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (std::find(known_names.begin(), known_names.end(), name) == known_names.end()) {
      throw Error(fmt::format("{}: holds {}, which is not one of {}: it is not replaced", folder.string(),
                              in_quotes(name), fmt::join(known_names, ", ")));
    }
  }
}

void replace_folder(const fs::path& named, std::span<const std::string_view> known_names,
                    const std::function<void(const fs::path&)>& fill) {
  fs::path folder = named.lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  try {
    if (folder.has_parent_path()) fs::create_directories(folder.parent_path());
    if (const fs::path old = displaced_folder(folder); !old.empty()) fs::rename(old, folder);
    if (fs::exists(folder)) {
      if (!fs::is_directory(folder)) throw Error(fmt::format("{}: is a file, not a folder", folder.string()));
      require_known_names(folder, known_names);
    }
    for (const auto mark : {aside_mark, displaced_mark}) {
      for (const fs::path& path : leftovers(folder, mark)) fs::remove_all(path);
    }
    fs::path aside = marked(folder, aside_mark);
    const auto remove_aside = [](const fs::path* path) {
      std::error_code ignored;
      fs::remove_all(*path, ignored);
    };
    // Whatever ends under this name, a half-written folder or the replaced one, goes.
    const std::unique_ptr<const fs::path, decltype(remove_aside)> cleanup(&aside, remove_aside);
    fs::create_directory(aside);
    fill(aside);
    require_known_names(aside, known_names);
    if (fs::exists(folder)) {
      aside = swap_in(aside, folder);
    } else {
      fs::rename(aside, folder);
    }
  } catch (const fs::filesystem_error& e) {
    throw Error(fmt::format("{}: cannot write: {}", folder.string(), e.what()));
  }
}

fs::path displaced_folder(const fs::path& folder) {
  std::error_code ignored;
  if (fs::exists(folder, ignored)) return {};
  const auto old = leftovers(folder, displaced_mark);
  return old.empty() ? fs::path() : old.front();
}

}  // namespace photon
