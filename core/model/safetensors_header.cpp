// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <unordered_set>

#include "core/base/error.h"
#include "core/base/strict_json.h"
#include "core/base/utf8.h"
#include "core/model/safetensors.h"

namespace photon {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and copied as it is");

constexpr int64_t length_bytes = 8;
constexpr uint64_t max_header_bytes = 100'000'000;  // the format's own cap
constexpr std::string_view metadata_key = "__metadata__";

struct TypeName {
  StoredType type;
  std::string_view name;
  int64_t bytes;
};

constexpr auto type_names = std::to_array<TypeName>({{StoredType::f64, "F64", 8},
                                                     {StoredType::f32, "F32", 4},
                                                     {StoredType::f16, "F16", 2},
                                                     {StoredType::bf16, "BF16", 2},
                                                     {StoredType::i64, "I64", 8},
                                                     {StoredType::i32, "I32", 4},
                                                     {StoredType::i16, "I16", 2},
                                                     {StoredType::i8, "I8", 1},
                                                     {StoredType::u64, "U64", 8},
                                                     {StoredType::u32, "U32", 4},
                                                     {StoredType::u16, "U16", 2},
                                                     {StoredType::u8, "U8", 1},
                                                     {StoredType::boolean, "BOOL", 1}});

const TypeName& entry(StoredType type) {
  return *std::find_if(type_names.begin(), type_names.end(), [&](const auto& t) { return t.type == type; });
}

/// Receives the JSON as a stream of events, so that a duplicate key is seen (a tree would keep one of the
/// two) and nothing deeper than the format's three levels is ever followed.
class HeaderSax {
 public:
  HeaderSax(const std::string& source, SafetensorsHeader& out) : source_(source), out_(out) {}

  bool null() { unexpected("null"); }
  bool boolean(bool) { unexpected("a boolean"); }
  bool number_integer(int64_t v) { unexpected(fmt::format("{}", v)); }
  bool number_float(double, const std::string& text) { unexpected(in_quotes(text)); }
  bool binary(std::vector<uint8_t>&) { unexpected("binary data"); }

  bool number_unsigned(uint64_t v) {
    if (place_ != Place::shape && place_ != Place::offsets) unexpected(fmt::format("{}", v));
    if (v > static_cast<uint64_t>(INT64_MAX)) unexpected(fmt::format("{}", v));
    if (place_ == Place::shape) {
      tensor_.shape.push_back(static_cast<int64_t>(v));
    } else {
      if (offsets_ == 2) fail(fmt::format("'data_offsets' of tensor {} has more than two numbers", name()));
      (offsets_++ == 0 ? tensor_.begin : tensor_.end) = static_cast<int64_t>(v);
    }
    return true;
  }

  bool string(std::string& v) {
    if (place_ == Place::metadata) {
      out_.metadata[key_] = v;
    } else if (place_ == Place::tensor && key_ == "dtype") {
      const auto* const known =
          std::find_if(type_names.begin(), type_names.end(), [&](const auto& t) { return t.name == v; });
      if (known == type_names.end()) {
        fail(fmt::format("tensor {} has the unknown dtype {}", name(), in_quotes(v)));
      }
      tensor_.type = known->type;
    } else {
      unexpected("a string");
    }
    return true;
  }

  bool start_object(size_t) {
    if (place_ == Place::outside) {
      place_ = Place::root;
    } else if (place_ == Place::root && key_ == metadata_key) {
      place_ = Place::metadata;
    } else if (place_ == Place::root) {
      place_ = Place::tensor;
      tensor_ = StoredTensor{};
      tensor_.name = key_;
      fields_.clear();
      offsets_ = 0;
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool key(std::string& k) {
    key_ = k;
    if (place_ == Place::root) {
      if (!names_.insert(k).second) fail(fmt::format("{} appears twice", in_quotes(k)));
    } else if (place_ == Place::metadata) {
      if (out_.metadata.contains(k)) fail(fmt::format("{} appears twice in __metadata__", in_quotes(k)));
    } else {
      if (k != "dtype" && k != "shape" && k != "data_offsets") {
        fail(fmt::format("tensor {} has the unknown key {}; dtype, shape and data_offsets are known", name(),
                         in_quotes(k)));
      }
      if (!fields_.insert(k).second) fail(fmt::format("tensor {} has '{}' twice", name(), k));
    }
    return true;
  }

  bool end_object() {
    if (place_ == Place::tensor) {
      for (const char* const field : {"dtype", "shape", "data_offsets"}) {
        if (!fields_.contains(field)) fail(fmt::format("tensor {} has no '{}'", name(), field));
      }
      out_.tensors.push_back(std::move(tensor_));
    }
    place_ = place_ == Place::root ? Place::outside : Place::root;
    return true;
  }

  bool start_array(size_t) {
    if (place_ != Place::tensor || key_ == "dtype") unexpected("an array");
    place_ = key_ == "shape" ? Place::shape : Place::offsets;
    return true;
  }

  bool end_array() {
    if (place_ == Place::offsets && offsets_ != 2) {
      fail(fmt::format("'data_offsets' of tensor {} has {} numbers where begin and end belong", name(),
                       offsets_));
    }
    place_ = Place::tensor;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception& e) {
    fail(fmt::format("the header breaks off at its byte {}, it is not JSON: {}", position - 1,
                     json_error_reason(e.what())));
  }

 private:
  enum class Place { outside, root, metadata, tensor, shape, offsets };

  [[noreturn]] void fail(const std::string& what) const { throw Error(fmt::format("{}: {}", source_, what)); }
  std::string name() const { return in_quotes(tensor_.name); }

  [[noreturn]] void unexpected(const std::string& found) const {
    switch (place_) {
      case Place::outside:
        fail(fmt::format("the header must be a JSON object, it is {}", found));
      case Place::root:
        if (key_ == metadata_key)
          fail(fmt::format("__metadata__ must be an object of strings, it is {}", found));
        fail(fmt::format("tensor {} must be an object with dtype, shape and data_offsets, it is {}",
                         in_quotes(key_), found));
      case Place::metadata:
        fail(fmt::format("__metadata__ must hold strings alone, {} is {}", in_quotes(key_), found));
      case Place::tensor:
        fail(fmt::format("'{}' of tensor {} must be {}, it is {}", key_, name(),
                         key_ == "dtype" ? "a string" : "an array", found));
      case Place::shape:
      case Place::offsets:
        fail(fmt::format("'{}' of tensor {} must hold whole numbers from 0 to 2^63-1, it holds {}", key_,
                         name(), found));
    }
    fail("the header is no safetensors header");
  }

  const std::string& source_;
  SafetensorsHeader& out_;
  Place place_ = Place::outside;
  std::string key_;
  StoredTensor tensor_;
  int offsets_ = 0;
  std::set<std::string, std::less<>> fields_;
  std::unordered_set<std::string> names_;
};

std::optional<int64_t> checked_bytes(StoredType type, const std::vector<int64_t>& shape) {
  int64_t product = 1;
  for (const int64_t extent : shape) {
    if (__builtin_mul_overflow(product, extent, &product)) return std::nullopt;
  }
  if (__builtin_mul_overflow(product, element_bytes(type), &product)) return std::nullopt;
  return product;
}

void check_size(const StoredTensor& t, const std::string& source) {
  if (t.end < t.begin) {
    throw Error(fmt::format("{}: tensor {} ends at {}, before it begins at {}", source, in_quotes(t.name),
                            t.end, t.begin));
  }
  const auto bytes = checked_bytes(t.type, t.shape);
  if (!bytes) {
    throw Error(fmt::format("{}: the size of tensor {} with its {} dimensions overflows 63 bits", source,
                            in_quotes(t.name), t.shape.size()));
  }
  if (*bytes != t.end - t.begin) {
    throw Error(fmt::format("{}: tensor {} of {} needs {} bytes for its shape, its offsets span {}", source,
                            in_quotes(t.name), to_string(t.type), *bytes, t.end - t.begin));
  }
}

/// The tensors' data must tile [0, data_bytes).
void check_layout(const std::vector<StoredTensor>& tensors, int64_t data_bytes, const std::string& source) {
  int64_t at = 0;
  for (const StoredTensor& t : tensors) {
    if (t.end > data_bytes) {
      throw Error(
          fmt::format("{}: tensor {} ends at data byte {}, the file has only {}: it is cut short or the "
                      "offset lies",
                      source, in_quotes(t.name), t.end, data_bytes));
    }
    if (t.begin > at) {
      throw Error(fmt::format("{}: {} data bytes before tensor {} belong to nothing", source, t.begin - at,
                              in_quotes(t.name)));
    }
    if (t.begin < at) {
      throw Error(
          fmt::format("{}: tensor {} begins at data byte {}, inside the tensor before it, which ends at {}",
                      source, in_quotes(t.name), t.begin, at));
    }
    at = t.end;
  }
  if (at != data_bytes) {
    throw Error(fmt::format("{}: {} bytes after the last tensor belong to nothing", source, data_bytes - at));
  }
}

void check_text(std::string_view text, const std::string& source) {
  if (const size_t bad = find_invalid_utf8(text); bad != std::string_view::npos) {
    throw Error(fmt::format("{}: the header is not valid UTF-8 from its byte {}", source, bad));
  }
  // A parser that takes a zero byte for the end would let anything hide behind it.
  if (text.find('\0') != std::string_view::npos)
    throw Error(fmt::format("{}: the header holds a zero byte", source));
  const auto byte = [&](size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(text[i])); };
  if (text.front() != '{') {
    throw Error(fmt::format("{}: the header begins with byte {:#04x} where '{{' belongs", source, byte(0)));
  }
  const size_t last = text.find_last_not_of(' ');
  if (text[last] != '}') {
    throw Error(fmt::format("{}: the header ends with byte {:#04x} where '}}' and spaces belong", source,
                            byte(last)));
  }
}

SafetensorsHeader parse_text(std::string_view text, int64_t data_bytes, const std::string& source) {
  check_text(text, source);
  SafetensorsHeader header;
  HeaderSax sax(source, header);
  nlohmann::json::sax_parse(text.begin(), text.end(), &sax);
  for (const StoredTensor& t : header.tensors) check_size(t, source);
  // Empty tensors share their begin with the next one; they come first, so that the order is that of the
  // bytes.
  std::stable_sort(header.tensors.begin(), header.tensors.end(),
                   [](const StoredTensor& a, const StoredTensor& b) {
                     return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
                   });
  check_layout(header.tensors, data_bytes, source);
  header.data_offset = length_bytes + static_cast<int64_t>(text.size());
  return header;
}

void check_header_length(uint64_t length, const std::string& source) {
  if (length > max_header_bytes) {
    throw Error(fmt::format("{}: the header claims {} bytes, above the format's cap of {}", source, length,
                            max_header_bytes));
  }
}

}  // namespace

std::string_view to_string(StoredType type) {
  return entry(type).name;
}
int64_t element_bytes(StoredType type) {
  return entry(type).bytes;
}

SafetensorsHeader parse_safetensors(std::span<const std::byte> file, const std::string& source) {
  if (file.size() < length_bytes) {
    throw Error(
        fmt::format("{}: {} bytes are too few for a safetensors file, whose header length alone takes {}",
                    source, file.size(), length_bytes));
  }
  uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof(length));
  check_header_length(length, source);
  if (length == 0) throw Error(fmt::format("{}: the header is empty", source));
  if (length > file.size() - length_bytes) {
    throw Error(fmt::format("{}: the header claims {} bytes, the file has {} after its length", source,
                            length, file.size() - length_bytes));
  }
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + length_bytes, length);
  return parse_text(text, static_cast<int64_t>(file.size() - length_bytes - length), source);
}

std::string safetensors_header(const std::vector<TensorPlan>& plan, const TensorMetadata& metadata,
                               const std::string& source) {
  const auto text_of = [&](const std::string& text) {
    if (!is_utf8(text))
      throw Error(fmt::format("{}: the name {} is not valid UTF-8", source, in_quotes(text)));
    return nlohmann::json(text).dump();
  };
  std::string text = "{";
  const auto comma = [&] { return text.size() == 1 ? "" : ","; };
  if (!metadata.empty()) {
    text += fmt::format("\"{}\":{{", metadata_key);
    for (const auto& [key, value] : metadata) {
      text += fmt::format("{}{}:{}", text.ends_with('{') ? "" : ",", text_of(key), text_of(value));
    }
    text += '}';
  }
  int64_t at = 0;
  for (const TensorPlan& t : plan) {
    if (t.name == metadata_key)
      throw Error(fmt::format("{}: a tensor cannot be named {}", source, metadata_key));
    if (std::any_of(t.shape.begin(), t.shape.end(), [](int64_t n) { return n < 0; })) {
      throw Error(fmt::format("{}: tensor {} has a negative dimension", source, in_quotes(t.name)));
    }
    const auto bytes = checked_bytes(t.type, t.shape);
    int64_t end = 0;
    if (!bytes || __builtin_add_overflow(at, *bytes, &end)) {
      throw Error(fmt::format("{}: the size of tensor {} with its {} dimensions overflows 63 bits", source,
                              in_quotes(t.name), t.shape.size()));
    }
    text += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", comma(),
                        text_of(t.name), to_string(t.type), fmt::join(t.shape, ","), at, end);
    at = end;
  }
  text += '}';
  // Readers that map the file want the data aligned.
  text.append((8 - text.size() % 8) % 8, ' ');
  check_header_length(text.size(), source);
  parse_text(text, at, source);
  const uint64_t length = text.size();
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return file += text;
}

}  // namespace photon
