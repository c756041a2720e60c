// SPDX-License-Identifier: Apache-2.0
// Broken safetensors files made by hand, one for every promise of the format, each with a piece of the
// message it must be refused with. The fuzzer starts from them too.
#pragma once

#include <fmt/format.h>

#include <fmt/ranges.h>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace photon::testing {

using Rng = std::mt19937_64;

struct Corruption {
  std::string name;
  std::string message;  ///< a piece of it that no other corruption shares
  std::function<std::string(Rng&)> make;
};

inline std::string with_length(uint64_t length, const std::string& rest) {
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return file + rest;
}

/// `header` with its true length and `data_bytes` bytes behind it.
inline std::string file_of(const std::string& header, size_t data_bytes) {
  return with_length(header.size(), header + std::string(data_bytes, '\x5A'));
}

inline std::string tensor_text(const std::string& name, const std::string& dtype, const std::string& shape,
                               const std::string& offsets) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{}]}})", name, dtype, shape,
                     offsets);
}

inline std::string joined(const std::vector<std::string>& pieces) {
  return fmt::format("{}", fmt::join(pieces, ""));
}

inline std::string object_of(const std::vector<std::string>& members) {
  return fmt::format("{{{}}}", fmt::join(members, ","));
}

/// a: six floats, b: two 64-bit integers.
inline const std::string sound_a = tensor_text("a", "F32", "2,3", "0,24");
inline const std::string sound_b = tensor_text("b", "I64", "2", "24,40");
inline const std::string sound_header = object_of({R"("__metadata__":{"made":"by hand"})", sound_a, sound_b});
constexpr size_t sound_data = 40;

inline std::vector<Corruption> safetensors_corruptions() {
  std::vector<Corruption> all;
  const auto raw = [&](std::string name, std::string message, std::function<std::string(Rng&)> make) {
    all.push_back({std::move(name), std::move(message), std::move(make)});
  };
  const auto header = [&](std::string name, std::string message, std::string text, size_t data = sound_data) {
    raw(std::move(name), std::move(message), [text, data](Rng&) { return file_of(text, data); });
  };
  /// `a` alone, described by `members`.
  const auto fields = [&](std::string name, std::string message, const std::vector<std::string>& members,
                          size_t data = 24) {
    header(std::move(name), std::move(message), fmt::format(R"({{"a":{}}})", object_of(members)), data);
  };
  const auto random = [](Rng& rng, uint64_t low, uint64_t high) {
    return std::uniform_int_distribution<uint64_t>(low, high)(rng);
  };
  const std::string body = sound_header + std::string(sound_data, '\x5A');
  const std::string dtype = "\"dtype\":\"F32\"";
  const std::string shape = "\"shape\":[2,3]";
  const std::string offsets = "\"data_offsets\":[0,24]";

  raw("empty file", "0 bytes are too few", [](Rng&) { return std::string(); });
  raw("length cut off", "7 bytes are too few", [](Rng&) { return std::string(7, '\0'); });
  raw("empty header", "the header is empty", [](Rng&) { return with_length(0, ""); });
  raw("length of all ones", "claims 18446744073709551615 bytes, above",
      [=](Rng&) { return with_length(~0ull, body); });
  raw("length with the sign bit", "claims 9223372036854775808 bytes, above",
      [=](Rng&) { return with_length(1ull << 63, body); });
  raw("length one above the cap", "claims 100000001 bytes, above",
      [=](Rng&) { return with_length(100'000'001, body); });
  raw("length at the cap in a small file", "claims 100000000 bytes, the file has",
      [=](Rng&) { return with_length(100'000'000, body); });
  raw("length one beyond the file", fmt::format("claims {} bytes, the file has", body.size() + 1),
      [=](Rng&) { return with_length(body.size() + 1, body); });
  raw("length in big-endian order", fmt::format("claims {}", __builtin_bswap64(sound_header.size())),
      [=](Rng&) { return with_length(__builtin_bswap64(sound_header.size()), body); });
  raw("length too short for the header", "where '}' and spaces belong",
      [=](Rng& rng) { return with_length(sound_header.find("\"dtype") + random(rng, 0, 5), body); });
  raw("length too long, into the data", "ends with byte 0x5a",
      [=](Rng& rng) { return with_length(sound_header.size() + random(rng, 1, sound_data), body); });
  raw("data cut off", "tensor 'b' ends at data byte 40, the file has only",
      [=](Rng& rng) { return file_of(sound_header, random(rng, 24, sound_data - 1)); });
  raw("data missing", "tensor 'a' ends at data byte 24, the file has only 0",
      [=](Rng&) { return file_of(sound_header, 0); });
  raw("one byte too many", "1 bytes after the last tensor",
      [=](Rng&) { return file_of(sound_header, sound_data + 1); });
  raw("a zip behind it", "22 bytes after the last tensor",
      [=](Rng&) { return file_of(sound_header, sound_data) + "PK\x05\x06" + std::string(18, '\0'); });
  raw("data without a tensor", "3 bytes after the last tensor", [](Rng&) { return file_of("{}", 3); });

  header("continuation byte alone", "not valid UTF-8 from its byte 2", "{\"\x80\":1}");
  header("overlong slash", "not valid UTF-8 from its byte 3", "{\"a\xC0\xAF\":1}");
  header("surrogate in UTF-8", "not valid UTF-8 from its byte 4", "{\"ab\xED\xA0\x80\":1}");
  header("beyond U+10FFFF", "not valid UTF-8 from its byte 5", "{\"abc\xF4\x90\x80\x80\":1}");
  header("character cut off", "not valid UTF-8 from its byte 6", "{\"abcd\xE2\x82");
  header("zero byte before hidden text", "zero byte", sound_header + std::string(1, '\0') + "hidden}");
  header("byte order mark", "begins with byte 0xef", joined({"\xEF\xBB\xBF", sound_header}));
  header("space first", "begins with byte 0x20", joined({" ", sound_header}));
  header("list of tensors", "begins with byte 0x5b", joined({"[", sound_header, "]"}));
  header("newline padding", "ends with byte 0x0a", sound_header + "\n");
  header("garbage behind", "ends with byte 0x78", sound_header + " x");
  header("not closed",
         "breaks off at its byte 56, it is not JSON: syntax error while parsing object - unexpected end of "
         "input",
         joined({"{", sound_a}));
  header("two objects", "unexpected '{'; expected end of input", "{}{}", 0);
  header("comma at the end", "breaks off at its byte 57", joined({"{", sound_a, ",}"}), 24);
  header("comment", "breaks off at its byte 2", joined({"{ /**/", sound_a, "}"}), 24);
  header("single quotes", "while parsing object key - invalid literal", "{'a':{}}", 0);
  header("key without value", "while parsing object separator", "{\"a\"}", 0);
  header("escaped lone surrogate", "must be followed by U+DC00", "{\"\\ud800\":1}", 0);
  header("control byte in a name", "control character U+0009", "{\"a\t\":1}", 0);

  header("tensor twice", "'a' appears twice", object_of({sound_a, sound_a}), 24);
  header("tensor twice, once escaped", "'name' appears twice",
         object_of({tensor_text("name", "U8", "1", "0,1"), tensor_text("n\\u0061me", "U8", "1", "1,2")}), 2);
  header("metadata twice", "'__metadata__' appears twice", "{\"__metadata__\":{},\"__metadata__\":{}}", 0);
  header("metadata key twice", "'k' appears twice in __metadata__",
         "{\"__metadata__\":{\"k\":\"1\",\"k\":\"1\"}}", 0);
  header("metadata a list", "__metadata__ must be an object of strings, it is an array",
         "{\"__metadata__\":[]}", 0);
  header("metadata a string", "__metadata__ must be an object of strings, it is a string",
         "{\"__metadata__\":\"\"}", 0);
  header("metadata with a number", "strings alone, 'n' is 1", "{\"__metadata__\":{\"n\":1}}", 0);
  header("metadata with a boolean", "strings alone, 'n' is a boolean", "{\"__metadata__\":{\"n\":true}}", 0);
  header("metadata with an object", "strings alone, 'n' is an object", "{\"__metadata__\":{\"n\":{}}}", 0);
  header("tensor null", "tensor 'a' must be an object with dtype, shape and data_offsets, it is null",
         "{\"a\":null}", 0);
  header("tensor a list", "data_offsets, it is an array", "{\"a\":[\"F32\",[2,3],[0,24]]}", 24);
  header("tensor a number", "data_offsets, it is -3", "{\"a\":-3}", 0);
  header("nesting of a million", "must hold whole numbers from 0 to 2^63-1, it holds an array",
         joined({R"({"a":{"shape":)", std::string(1'000'000, '['), "}"}), 0);

  fields("no dtype", "tensor 'a' has no 'dtype'", {shape, offsets});
  fields("no shape", "tensor 'a' has no 'shape'", {dtype, offsets});
  fields("no offsets", "tensor 'a' has no 'data_offsets'", {dtype, shape});
  fields("unknown key", "has the unknown key 'stride'", {dtype, shape, offsets, R"("stride":[3,1])"});
  fields("dtype twice", "tensor 'a' has 'dtype' twice", {dtype, dtype, shape, offsets});
  fields("shape twice", "tensor 'a' has 'shape' twice", {dtype, shape, shape, offsets});
  fields("offsets twice", "tensor 'a' has 'data_offsets' twice", {dtype, shape, offsets, offsets});
  fields("dtype of no kind", "unknown dtype 'F31'", {R"("dtype":"F31")", shape, offsets});
  fields("dtype in small letters", "unknown dtype 'f32'", {R"("dtype":"f32")", shape, offsets});
  fields("dtype a number", "'dtype' of tensor 'a' must be a string, it is 32",
         {R"("dtype":32)", shape, offsets});
  fields("dtype a list", "'dtype' of tensor 'a' must be a string, it is an array",
         {R"("dtype":["F32"])", shape, offsets});
  fields("shape a number", "'shape' of tensor 'a' must be an array, it is 6",
         {dtype, R"("shape":6)", offsets});
  fields("offsets an object", "'data_offsets' of tensor 'a' must be an array, it is an object",
         {dtype, shape, R"("data_offsets":{"begin":0,"end":24})"});
  fields("negative dimension", "it holds -2", {dtype, R"("shape":[-2,-3])", offsets});
  fields("negative zero", "it holds 0", {dtype, R"("shape":[-0])", offsets});
  fields("fractional dimension", "it holds '2.0'", {dtype, R"("shape":[2.0,3])", offsets});
  fields("dimension of 2^63", "it holds 9223372036854775808",
         {dtype, R"("shape":[9223372036854775808])", offsets});
  fields("dimension of 2^64", "it holds '18446744073709551616'",
         {dtype, R"("shape":[18446744073709551616])", offsets});
  fields("dimension a string", "it holds a string", {dtype, R"("shape":["6"])", offsets});
  fields("dimension a boolean", "2^63-1, it holds a boolean", {dtype, R"("shape":[true])", offsets});
  fields("dimensions overflow", "with its 2 dimensions overflows",
         {dtype, R"("shape":[4294967296,4294967296])", offsets});
  fields("bytes overflow", "with its 1 dimensions overflows",
         {dtype, R"("shape":[4611686018427387904])", offsets});
  // 24 bytes modulo 2^64: a multiplication that is not checked believes it.
  fields("overflow to the right size", "with its 3 dimensions overflows",
         {dtype, R"("shape":[922337203685477582,5,1])", offsets});
  fields("one offset", "has 1 numbers where begin and end belong", {dtype, shape, R"("data_offsets":[24])"});
  fields("no offset", "has 0 numbers where begin and end belong", {dtype, shape, R"("data_offsets":[])"});
  fields("three offsets", "has more than two numbers", {dtype, shape, R"("data_offsets":[0,12,24])"});
  fields("negative offset", "it holds -24", {dtype, shape, R"("data_offsets":[-24,0])"});
  fields("offset in exponent form", "it holds '24e0'", {dtype, shape, R"("data_offsets":[0,24e0])"});
  fields("offsets nested",
         "'data_offsets' of tensor 'a' must hold whole numbers from 0 to 2^63-1, it holds an array",
         {dtype, shape, R"("data_offsets":[[0,24]])"});
  fields("offsets reversed", "ends at 0, before it begins at 24", {dtype, shape, R"("data_offsets":[24,0])"});
  fields("offsets too wide", "needs 24 bytes for its shape, its offsets span 28",
         {dtype, shape, R"("data_offsets":[0,28])"}, 28);
  fields("offsets too narrow", "needs 24 bytes for its shape, its offsets span 20",
         {dtype, shape, R"("data_offsets":[0,20])"}, 20);
  fields("wider dtype than data", "of F64 needs 48 bytes", {R"("dtype":"F64")", shape, offsets});
  fields("narrower dtype than data", "of BF16 needs 12 bytes", {R"("dtype":"BF16")", shape, offsets});
  fields("scalar of two", "of F32 needs 4 bytes", {dtype, R"("shape":[])", R"("data_offsets":[0,8])"}, 8);
  fields("end far beyond the file", "ends at data byte 9223372036854775804",
         {dtype, R"("shape":[2305843009213693951])", R"("data_offsets":[0,9223372036854775804])"});

  header("hole at the start", "1 data bytes before tensor 'a'",
         object_of({tensor_text("a", "U8", "2", "1,3")}), 3);
  header("hole between", "4 data bytes before tensor 'b'",
         object_of({sound_a, tensor_text("b", "I64", "2", "28,44")}), 44);
  header("overlap", "tensor 'b' begins at data byte 20",
         object_of({sound_a, tensor_text("b", "I64", "2", "20,36")}), 36);
  header("two tensors of the same bytes", "tensor 'c' begins at data byte 0",
         object_of({sound_a, tensor_text("c", "F32", "2,3", "0,24")}), 24);
  header("empty tensor inside another", "tensor 'e' begins at data byte 8",
         object_of({sound_a, tensor_text("e", "F32", "0", "8,8")}), 24);
  header("empty tensor behind the end", "tensor 'e' ends at data byte 1000",
         object_of({sound_a, tensor_text("e", "F32", "0", "1000,1000")}), 24);
  return all;
}

}  // namespace photon::testing
