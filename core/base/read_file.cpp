// SPDX-License-Identifier: Apache-2.0
#include "core/base/read_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "core/base/error.h"

namespace photon {

std::string read_file(const std::filesystem::path& path) {
  const auto fail = [&] {
    throw Error(fmt::format("{}: cannot be read: {}", path.string(), std::strerror(errno)));
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), std::fclose);
  if (!file) fail();
  constexpr size_t block = size_t{1} << 20;
  std::string bytes;
  for (size_t got = block; got == block;) {
    const size_t before = bytes.size();
    bytes.resize(before + block);
    got = std::fread(bytes.data() + before, 1, block, file.get());
    bytes.resize(before + got);
  }
  if (std::ferror(file.get()) != 0) fail();
  return bytes;
}

}  // namespace photon
