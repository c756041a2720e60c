// SPDX-License-Identifier: Apache-2.0
#include "core/model/safetensors.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <utility>

#include "core/base/error.h"

namespace photon {

namespace {

float from_bf16(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

float from_f16(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t exponent = (bits >> 10) & 0x1F;
  const uint32_t fraction = bits & 0x3FF;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1.0p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t wide = exponent == 0x1F ? 0xFF : exponent + (127 - 15);
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

/// `in` need not be aligned.
template <class Stored, class Convert>
void convert(std::span<const std::byte> in, std::span<float> out, Convert to_float) {
  for (size_t i = 0; i < out.size(); ++i) {
    Stored value;
    std::memcpy(&value, in.data() + i * sizeof(Stored), sizeof(Stored));
    out[i] = to_float(value);
  }
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : source_(path.string()), file_(path), header_(parse_safetensors(file_.bytes(), source_)) {
  for (size_t i = 0; i < header_.tensors.size(); ++i) by_name_.emplace(header_.tensors[i].name, i);
}

const StoredTensor* SafetensorsFile::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &header_.tensors[found->second];
}

const StoredTensor& SafetensorsFile::tensor(std::string_view name, std::span<const int64_t> shape) const {
  const StoredTensor* const found = find(name);
  if (found == nullptr) throw Error(fmt::format("{}: tensor {} is missing", source_, in_quotes(name)));
  if (!std::equal(shape.begin(), shape.end(), found->shape.begin(), found->shape.end())) {
    constexpr size_t shown = 8;
    const auto& is = found->shape;
    throw Error(fmt::format(
        "{}: tensor {} has shape ({}{}) where ({}) is needed", source_, in_quotes(name),
        fmt::join(is.begin(), is.begin() + static_cast<int64_t>(std::min(is.size(), shown)), ", "),
        is.size() > shown ? ", ..." : "", fmt::join(shape, ", ")));
  }
  return *found;
}

std::span<const std::byte> SafetensorsFile::bytes(const StoredTensor& tensor) const {
  return file_.bytes().subspan(header_.data_offset + tensor.begin,
                               static_cast<size_t>(tensor.end - tensor.begin));
}

void SafetensorsFile::require_type(const StoredTensor& tensor, StoredType type) const {
  if (tensor.type != type) {
    throw Error(fmt::format("{}: tensor {} is {} where {} is needed", source_, in_quotes(tensor.name),
                            to_string(tensor.type), to_string(type)));
  }
}

void SafetensorsFile::copy_bytes(const StoredTensor& tensor, std::span<std::byte> out) const {
  const auto in = bytes(tensor);
  if (!in.empty()) std::memcpy(out.data(), in.data(), in.size());
}

void SafetensorsFile::read_floats(const StoredTensor& tensor, std::span<float> out) const {
  if (static_cast<int64_t>(out.size()) != tensor.elements()) {
    throw Error(fmt::format("{}: tensor {} has {} elements where {} are needed", source_,
                            in_quotes(tensor.name), tensor.elements(), out.size()));
  }
  const auto in = bytes(tensor);
  switch (tensor.type) {
    case StoredType::f32:
      return copy_bytes(tensor, std::as_writable_bytes(out));
    case StoredType::f64:
      return convert<double>(in, out, [](double v) { return static_cast<float>(v); });
    case StoredType::bf16:
      return convert<uint16_t>(in, out, from_bf16);
    case StoredType::f16:
      return convert<uint16_t>(in, out, from_f16);
    default:
      throw Error(fmt::format("{}: tensor {} is {} where F32, BF16, F16 or F64 is needed", source_,
                              in_quotes(tensor.name), to_string(tensor.type)));
  }
}

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path, const std::vector<TensorPlan>& plan,
                                     const TensorMetadata& metadata)
    : source_(path.string()), file_(path) {
  const std::string header = safetensors_header(plan, metadata, source_);
  int64_t at = 0;
  for (const TensorPlan& t : plan) {
    int64_t bytes = element_bytes(t.type);
    for (const int64_t extent : t.shape) bytes *= extent;
    tensors_.push_back({.name = t.name, .type = t.type, .shape = t.shape, .begin = at, .end = at + bytes});
    at += bytes;
  }
  file_.write(std::as_bytes(std::span(header)));
  skip_complete();
}

void SafetensorsWriter::skip_complete() {
  while (current_ < tensors_.size() && tensors_[current_].end == written_) ++current_;
}

void SafetensorsWriter::write_bytes(std::string_view name, StoredType type,
                                    std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  if (current_ == tensors_.size()) {
    throw Error(fmt::format("{}: all tensors are written, {} has no place", source_, in_quotes(name)));
  }
  const StoredTensor& t = tensors_[current_];
  if (t.name != name) {
    throw Error(fmt::format("{}: tensor {} is to be written next, not {}", source_, in_quotes(t.name),
                            in_quotes(name)));
  }
  if (t.type != type) {
    throw Error(fmt::format("{}: tensor {} is {} in the plan, not {}", source_, in_quotes(name),
                            to_string(t.type), to_string(type)));
  }
  if (static_cast<int64_t>(bytes.size()) > t.end - written_) {
    throw Error(fmt::format("{}: {} bytes for tensor {} where {} are left", source_, bytes.size(),
                            in_quotes(name), t.end - written_));
  }
  file_.write(bytes);
  written_ += static_cast<int64_t>(bytes.size());
  skip_complete();
}

void SafetensorsWriter::finish() {
  if (current_ != tensors_.size()) {
    throw Error(fmt::format("{}: tensor {} lacks {} of its bytes", source_,
                            in_quotes(tensors_[current_].name), tensors_[current_].end - written_));
  }
  file_.commit();
}

}  // namespace photon
