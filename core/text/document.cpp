// SPDX-License-Identifier: Apache-2.0
#include "core/text/document.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>

#include "core/base/error.h"

namespace photon {

void DocumentWriter::write(std::string_view text) {
  if (text.size() > std::numeric_limits<uint32_t>::max()) {
    throw Error(fmt::format("a document of {} bytes; less than 4 GiB can be kept", text.size()));
  }
  const auto length = static_cast<uint32_t>(text.size());
  file_.write(std::as_bytes(std::span(&length, 1)));
  file_.write(std::as_bytes(std::span(text)));
  ++documents_;
  bytes_ += static_cast<int64_t>(text.size());
}

DocumentReader::DocumentReader(const std::filesystem::path& path) : source_(path.string()), file_(path) {}

bool DocumentReader::next(std::string_view& text) {
  const auto left = file_.bytes().subspan(at_);
  if (left.empty()) return false;
  uint32_t length = 0;
  if (left.size() >= sizeof(length)) std::memcpy(&length, left.data(), sizeof(length));
  if (left.size() < sizeof(length) || length > left.size() - sizeof(length)) {
    throw Error(fmt::format("{}: breaks off in the document at byte {}", source_, at_));
  }
  text = {reinterpret_cast<const char*>(left.data()) + sizeof(length), length};
  at_ += sizeof(length) + length;
  return true;
}

}  // namespace photon
