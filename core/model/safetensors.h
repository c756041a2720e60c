// SPDX-License-Identifier: Apache-2.0
// Tensors on disk in the safetensors format (8 bytes of header length, a JSON header, the raw data), read by
// mapping the file and written as a stream. The reader keeps every promise of the format before it hands out
// a byte: a header within its cap and within the file, UTF-8, strict JSON without duplicates, known types,
// checked products, offsets that tile the data exactly. (Design, section 5.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/atomic_file.h"
#include "core/base/mapped_file.h"

namespace photon {

enum class StoredType { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean };

std::string_view to_string(StoredType type);  ///< as in the file: "F32"
int64_t element_bytes(StoredType type);

template <class T>
constexpr StoredType stored_type();
template <>
constexpr StoredType stored_type<double>() {
  return StoredType::f64;
}
template <>
constexpr StoredType stored_type<float>() {
  return StoredType::f32;
}
template <>
constexpr StoredType stored_type<int64_t>() {
  return StoredType::i64;
}
template <>
constexpr StoredType stored_type<int32_t>() {
  return StoredType::i32;
}
template <>
constexpr StoredType stored_type<int16_t>() {
  return StoredType::i16;
}
template <>
constexpr StoredType stored_type<int8_t>() {
  return StoredType::i8;
}
template <>
constexpr StoredType stored_type<uint64_t>() {
  return StoredType::u64;
}
template <>
constexpr StoredType stored_type<uint32_t>() {
  return StoredType::u32;
}
template <>
constexpr StoredType stored_type<uint16_t>() {
  return StoredType::u16;
}
template <>
constexpr StoredType stored_type<uint8_t>() {
  return StoredType::u8;
}

struct StoredTensor {
  std::string name;
  StoredType type = StoredType::f32;
  std::vector<int64_t> shape;  ///< row major; empty for a scalar
  int64_t begin = 0;           ///< first byte, counted from the end of the header
  int64_t end = 0;             ///< one past the last

  int64_t elements() const { return (end - begin) / element_bytes(type); }
  bool operator==(const StoredTensor&) const = default;
};

using TensorMetadata = std::map<std::string, std::string>;

/// What a header says, checked.
struct SafetensorsHeader {
  std::vector<StoredTensor> tensors;  ///< in the order of their data
  TensorMetadata metadata;
  int64_t data_offset = 0;  ///< of the first tensor's first byte in the file
};

/// Checks a whole file in memory. `source` names it in messages. Throws Error with what is wrong and where.
SafetensorsHeader parse_safetensors(std::span<const std::byte> file, const std::string& source);

class SafetensorsFile {
 public:
  /// Maps and checks. Throws Error.
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::string& source() const { return source_; }  ///< the path, for messages
  const std::vector<StoredTensor>& tensors() const { return header_.tensors; }
  const TensorMetadata& metadata() const { return header_.metadata; }

  const StoredTensor* find(std::string_view name) const;  ///< null if absent
  /// Throws Error if it is absent or of another shape.
  const StoredTensor& tensor(std::string_view name, std::span<const int64_t> shape) const;
  std::span<const std::byte> bytes(const StoredTensor& tensor) const;  ///< in place; aligned to nothing

  /// A copy. Throws Error unless type and shape are as asked.
  template <class T>
  std::vector<T> read(std::string_view name, std::span<const int64_t> shape) const {
    const StoredTensor& found = tensor(name, shape);
    require_type(found, stored_type<T>());
    std::vector<T> values(static_cast<size_t>(found.elements()));
    copy_bytes(found, std::as_writable_bytes(std::span(values)));
    return values;
  }

  /// Converts F64, F32, F16 or BF16 to float, nearest-even from F64. Throws Error on another type or if `out`
  /// is not as long as the tensor.
  void read_floats(const StoredTensor& tensor, std::span<float> out) const;

 private:
  void require_type(const StoredTensor& tensor, StoredType type) const;
  void copy_bytes(const StoredTensor& tensor, std::span<std::byte> out) const;

  std::string source_;
  MappedFile file_;
  SafetensorsHeader header_;
  std::map<std::string_view, size_t> by_name_;  ///< views into header_.tensors, whose names never move
};

/// A tensor to be written.
struct TensorPlan {
  std::string name;
  StoredType type = StoredType::f32;
  std::vector<int64_t> shape;
};

/// The bytes before the data: length and header, padded so that the data begins at a multiple of 8. Throws
/// Error if the reader would refuse the result: duplicate names, names that are not UTF-8, sizes that
/// overflow, a header beyond its cap.
std::string safetensors_header(const std::vector<TensorPlan>& plan, const TensorMetadata& metadata,
                               const std::string& source);

/// Writes tensors one after another, each in as many pieces as is convenient, without holding the file in
/// memory. The file appears when finish() returns and not before; without finish() nothing stays behind.
class SafetensorsWriter {
 public:
  /// Throws Error as safetensors_header does, and if the file cannot be created.
  SafetensorsWriter(const std::filesystem::path& path, const std::vector<TensorPlan>& plan,
                    const TensorMetadata& metadata = {});

  /// The next elements of the plan's next unfinished tensor, which must be `name`, of type T.
  template <class T>
  void write(std::string_view name, std::span<const T> values) {
    write_bytes(name, stored_type<T>(), std::as_bytes(values));
  }

  /// Throws Error unless every tensor is complete.
  void finish();

 private:
  void write_bytes(std::string_view name, StoredType type, std::span<const std::byte> bytes);
  void skip_complete();

  std::string source_;
  std::vector<StoredTensor> tensors_;
  size_t current_ = 0;
  int64_t written_ = 0;  ///< bytes of data
  AtomicFile file_;
};

}  // namespace photon
