// SPDX-License-Identifier: Apache-2.0
#include "core/text/token_file.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "core/base/error.h"

namespace photon {
namespace {

constexpr std::array<char, 8> magic = {'P', 'H', 'O', 'T', 'O', 'K', 'E', 'N'};
constexpr uint32_t version = 1;

struct Header {
  std::array<char, 8> magic;
  uint32_t version;
  uint32_t element_bytes;
  uint64_t vocab;
  uint64_t count;
  uint64_t tokenizer_hash;
};
static_assert(sizeof(Header) == 40);

constexpr int64_t width_of(int64_t vocab) {
  return vocab <= 65536 ? 2 : 4;
}

}  // namespace

TokenFile::TokenFile(const std::filesystem::path& path) : source_(path.string()), file_(path) {
  const auto fail = [&](const std::string& why) { throw Error(fmt::format("{}: {}", source_, why)); };
  const auto bytes = file_.bytes();
  Header h;
  if (bytes.size() < sizeof(h))
    fail(fmt::format("{} bytes are less than a token file's header of 40", bytes.size()));
  std::memcpy(&h, bytes.data(), sizeof(h));
  if (h.magic != magic) fail("no token file: it does not begin with PHOTOKEN");
  if (h.version != version)
    fail(fmt::format("token file of version {}, this program reads {}", h.version, version));
  if (h.element_bytes != 2 && h.element_bytes != 4)
    fail(fmt::format("ids of {} bytes; 2 or 4", h.element_bytes));
  if (h.vocab < 1 || h.vocab > (uint64_t{1} << 31))
    fail(fmt::format("a vocabulary of {} is out of range", h.vocab));
  const uint64_t data = bytes.size() - sizeof(h);
  if (h.count > data / h.element_bytes || h.count * h.element_bytes != data) {
    fail(
        fmt::format("the header counts {} ids of {} bytes, {} bytes follow", h.count, h.element_bytes, data));
  }
  element_bytes_ = h.element_bytes;
  vocab_ = static_cast<int64_t>(h.vocab);
  count_ = static_cast<int64_t>(h.count);
  tokenizer_hash_ = h.tokenizer_hash;
}

void TokenFile::read(int64_t begin, std::span<int32_t> out) const {
  const auto n = static_cast<int64_t>(out.size());
  if (begin < 0 || n > count_ || begin > count_ - n) {
    throw Error(fmt::format("{}: ids {} to {} of {}", source_, begin, begin + n, count_));
  }
  const std::byte* data = file_.bytes().data() + sizeof(Header) + begin * element_bytes_;
  for (int64_t i = 0; i < n; ++i) {
    uint32_t id = 0;
    std::memcpy(&id, data + i * element_bytes_, static_cast<size_t>(element_bytes_));
    if (id >= static_cast<uint64_t>(vocab_)) {
      throw Error(
          fmt::format("{}: id {} at {} is outside the vocabulary of {}", source_, id, begin + i, vocab_));
    }
    out[i] = static_cast<int32_t>(id);
  }
}

TokenFileWriter::TokenFileWriter(const std::filesystem::path& path, int64_t vocab, uint64_t tokenizer_hash)
    : source_(path.string()), file_(path), vocab_(vocab), tokenizer_hash_(tokenizer_hash) {
  const Header room{};
  file_.write(std::as_bytes(std::span(&room, 1)));
}

void TokenFileWriter::write(std::span<const int32_t> ids) {
  const auto width = static_cast<size_t>(width_of(vocab_));
  std::vector<std::byte> data(ids.size() * width);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= vocab_) {
      throw Error(fmt::format("{}: id {} is outside the vocabulary of {}", source_, ids[i], vocab_));
    }
    std::memcpy(data.data() + i * width, &ids[i], width);
  }
  file_.write(data);
  written_ += static_cast<int64_t>(ids.size());
}

void TokenFileWriter::finish() {
  const Header h{magic,
                 version,
                 static_cast<uint32_t>(width_of(vocab_)),
                 static_cast<uint64_t>(vocab_),
                 static_cast<uint64_t>(written_),
                 tokenizer_hash_};
  file_.overwrite(0, std::as_bytes(std::span(&h, 1)));
  file_.commit();
}

void write_token_file(const std::filesystem::path& path, int64_t vocab, std::span<const int32_t> ids,
                      uint64_t tokenizer_hash) {
  TokenFileWriter writer(path, vocab, tokenizer_hash);
  writer.write(ids);
  writer.finish();
}

}  // namespace photon
