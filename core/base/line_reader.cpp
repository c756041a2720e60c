// SPDX-License-Identifier: Apache-2.0
#include "core/base/line_reader.h"

#include <fmt/format.h>
#include <zstd.h>

#include <cerrno>
#include <cstring>

#include "core/base/error.h"

namespace photon {
namespace {

constexpr size_t block_bytes = size_t{64} << 10;
constexpr size_t longest_line = size_t{1} << 30;

}  // namespace

struct LineReader::Decompressor {
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream{ZSTD_createDStream(), ZSTD_freeDStream};
};

LineReader::LineReader(const std::filesystem::path& path)
    : source_(path.string()), file_(std::fopen(path.c_str(), "rbe"), std::fclose) {
  if (!file_) throw Error(fmt::format("{}: cannot be read: {}", source_, std::strerror(errno)));
  if (path.extension() == ".zst") {
    decompressor_ = std::make_unique<Decompressor>();
    ZSTD_DCtx_setParameter(decompressor_->stream.get(), ZSTD_d_windowLogMax, 31);
    frame_open_ = true;  // an empty file is one that was cut off
  }
}

LineReader::~LineReader() = default;

std::string LineReader::where() const {
  return fmt::format("{}:{}", source_, number_);
}

bool LineReader::read_block() {
  block_.resize(block_bytes);
  block_.resize(std::fread(block_.data(), 1, block_bytes, file_.get()));
  if (std::ferror(file_.get()) != 0)
    throw Error(fmt::format("{}: cannot be read: {}", source_, std::strerror(errno)));
  block_at_ = 0;
  hash_.update(std::as_bytes(std::span(block_)));
  bytes_read_ += static_cast<int64_t>(block_.size());
  return !block_.empty();
}

/// More text into text_, whose old one is used up; false at the end of the file.
bool LineReader::refill() {
  text_at_ = 0;
  text_.clear();
  if (!decompressor_) {
    const bool more = read_block();
    text_.swap(block_);
    return more;
  }
  while (text_.empty()) {
    if (!more_inside_ && block_at_ == block_.size() && !read_block()) {
      if (frame_open_)
        throw Error(fmt::format("{}: the compressed data break off after line {}", source_, number_));
      return false;
    }
    text_.resize(block_bytes);
    ZSTD_inBuffer in{block_.data(), block_.size(), block_at_};
    ZSTD_outBuffer out{text_.data(), text_.size(), 0};
    const size_t state = ZSTD_decompressStream(decompressor_->stream.get(), &out, &in);
    if (ZSTD_isError(state) != 0) {
      throw Error(
          fmt::format("{}: broken zstd data after line {}: {}", source_, number_, ZSTD_getErrorName(state)));
    }
    // 0: a frame has ended and all of it is out, also where it filled the block to the last byte. To ask for
    // more then would be to ask for another frame.
    frame_open_ = state != 0;
    more_inside_ = frame_open_ && out.pos == out.size;
    block_at_ = in.pos;
    text_.resize(out.pos);
  }
  return true;
}

bool LineReader::next(std::string& line) {
  line.clear();
  for (;;) {
    if (text_at_ == text_.size() && !refill()) break;
    const size_t end = text_.find('\n', text_at_);
    const size_t stop = end == std::string::npos ? text_.size() : end + 1;
    line.append(text_, text_at_, stop - text_at_);
    text_at_ = stop;
    if (end != std::string::npos) break;
    if (line.size() > longest_line)
      throw Error(fmt::format("{}:{}: a line of more than 1 GiB", source_, number_ + 1));
  }
  number_ += line.empty() ? 0 : 1;
  return !line.empty();
}

}  // namespace photon
