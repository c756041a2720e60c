// SPDX-License-Identifier: Apache-2.0
// Files and folders that appear whole or not at all: written aside in the same place, then renamed (design,
// section 8). A crash leaves the old one, at worst with a leftover `<name>.tmp-<pid>` beside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

namespace photon {

/// Writes `<path>.tmp-<pid>`; commit() renames it to `path`. Destroyed without commit(), it removes the
/// temporary.
class AtomicFile {
 public:
  /// Throws Error if the temporary cannot be created.
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Both throw Error with the system's reason: a full disk is one.
  void write(std::span<const std::byte> bytes);
  /// Replaces bytes written before: a header that is known in the end.
  void overwrite(int64_t offset, std::span<const std::byte> bytes);
  void commit();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::unique_ptr<std::FILE, Close> file_;
  bool in_place_ = false;
};

/// Removes the temporaries that processes which run no more left in `folder`.
void remove_leftovers(const std::filesystem::path& folder);

void write_file_atomically(const std::filesystem::path& path, std::string_view text);

/// Calls `fill` with an empty folder beside `folder`, then puts it in `folder`'s place and deletes what was
/// there. `folder` never holds a mixture; where the file system can exchange two names, it is never absent
/// either. Leftovers of crashed calls are removed. Nothing is lost by mistake: throws Error, before `fill`,
/// if `folder` holds anything that is not in `known_names`, and if `fill` made such a thing.
void replace_folder(const std::filesystem::path& folder, std::span<const std::string_view> known_names,
                    const std::function<void(const std::filesystem::path&)>& fill);

/// Throws Error if `folder` holds anything that is not in `known_names`.
void require_known_names(const std::filesystem::path& folder, std::span<const std::string_view> known_names);

/// Of an interrupted replace_folder on a file system without exchange: where the old folder waits. Empty if
/// nowhere.
std::filesystem::path displaced_folder(const std::filesystem::path& folder);

}  // namespace photon
