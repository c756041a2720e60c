// SPDX-License-Identifier: Apache-2.0
#include "core/text/r_data.h"

#include <fmt/format.h>
#include <zlib.h>

#include <cstdint>
#include <string_view>

#include "core/base/error.h"
#include "core/base/mapped_file.h"

namespace photon {
namespace {

constexpr uint32_t largest_block = 64u << 20;
constexpr uint32_t string_vector = 16;
constexpr uint32_t string_element = 9;
constexpr uint32_t missing = 0xFFFFFFFFu;

/// Big-endian numbers and counted bytes; no read goes past the end.
class Reader {
 public:
  Reader(std::string_view data, std::string source) : data_(data), source_(std::move(source)) {}

  bool done() const { return data_.empty(); }
  [[noreturn]] void fail(std::string_view why) const { throw Error(fmt::format("{}: {}", source_, why)); }
  std::string_view bytes(size_t n) {
    if (n > data_.size()) fail("breaks off");
    const std::string_view taken = data_.substr(0, n);
    data_.remove_prefix(n);
    return taken;
  }
  uint32_t number() {
    uint32_t value = 0;
    for (const char c : bytes(4)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  std::string_view rest() const { return data_; }

 private:
  std::string_view data_;
  std::string source_;
};

std::vector<std::string> read_strings(Reader r) {
  if (r.bytes(2) != "X\n") r.fail("no R object in XDR form");
  const uint32_t version = r.number();
  r.bytes(8);  // the R that wrote it, and the oldest that reads it
  if (version != 2 && version != 3) r.fail(fmt::format("R serialisation {}, 2 and 3 are read", version));
  if (version == 3) r.bytes(r.number());  // encoding
  if ((r.number() & 0xFF) != string_vector) r.fail("no vector of strings");
  const uint32_t count = r.number();
  if (count > r.rest().size() / 8) r.fail("breaks off");
  std::vector<std::string> lines(count);
  for (std::string& line : lines) {
    if ((r.number() & 0xFF) != string_element) r.fail("no vector of strings");
    const uint32_t length = r.number();
    if (length != missing) line = r.bytes(length);
  }
  return lines;
}

}  // namespace

std::vector<std::vector<std::string>> read_r_texts(const std::filesystem::path& rdb) {
  const MappedFile file(rdb);
  Reader r({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, rdb.string());
  std::vector<std::vector<std::string>> texts;
  std::string block;
  while (!r.done()) {
    const uint32_t length = r.number();
    if (length > largest_block) r.fail(fmt::format("a block of {} bytes", length));
    block.resize(length);
    uLongf made = length;
    uLong used = r.rest().size();
    if (::uncompress2(reinterpret_cast<Bytef*>(block.data()), &made,
                      reinterpret_cast<const Bytef*>(r.rest().data()), &used) != Z_OK ||
        made != length) {
      r.fail(fmt::format("block {} cannot be unpacked", texts.size() + 1));
    }
    r.bytes(used);
    texts.push_back(read_strings(Reader(block, fmt::format("{}, block {}", rdb.string(), texts.size() + 1))));
  }
  return texts;
}

}  // namespace photon
