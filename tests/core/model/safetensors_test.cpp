// SPDX-License-Identifier: Apache-2.0
#include "core/model/safetensors.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <csignal>
#include <limits>
#include <map>
#include <set>

#include "core/base/error.h"
#include "tests/core/base/temp_folder.h"
#include "tests/core/model/safetensors_corruptions.h"
#include "tests/support.h"

namespace photon {
namespace {

using testing::message_of;
using testing::Rng;
using testing::TempFolder;
using testing::test_seed;

SafetensorsHeader parse(const std::string& file) {
  return parse_safetensors(std::as_bytes(std::span(file)), "here.safetensors");
}

TEST(Safetensors, SoundFileIsTheOneThatIsCorrupted) {
  const auto header = parse(testing::file_of(testing::sound_header, testing::sound_data));
  ASSERT_EQ(header.tensors.size(), 2u);
  EXPECT_EQ(header.tensors[0], (StoredTensor{"a", StoredType::f32, {2, 3}, 0, 24}));
  EXPECT_EQ(header.tensors[1], (StoredTensor{"b", StoredType::i64, {2}, 24, 40}));
  EXPECT_EQ(header.metadata, (TensorMetadata{{"made", "by hand"}}));
  EXPECT_EQ(header.data_offset, 8 + static_cast<int64_t>(testing::sound_header.size()));
}

TEST(Safetensors, WhatTheFormatAllowsIsRead) {
  for (const char* const header : {"{}", "{}      ", "{ \n\t\"__metadata__\" : {} }"}) {
    EXPECT_NO_THROW(parse(testing::file_of(header, 0))) << header;
  }
  // Order in the header is free, the data's order counts; empty tensors sit between others.
  const auto h = parse(testing::file_of("{" + testing::tensor_text("late", "U8", "2", "4,6") + ",\n" +
                                            testing::tensor_text("none", "F64", "3,0,5", "4,4") + "," +
                                            testing::tensor_text("scalar", "F32", "", "0,4") + "}",
                                        6));
  ASSERT_EQ(h.tensors.size(), 3u);
  EXPECT_EQ(h.tensors[0].name, "scalar");
  EXPECT_EQ(h.tensors[0].elements(), 1);
  EXPECT_EQ(h.tensors[1].name, "none");
  EXPECT_EQ(h.tensors[1].elements(), 0);
  EXPECT_EQ(h.tensors[2].name, "late");
}

TEST(Safetensors, EveryCorruptionIsRefusedWithItsOwnMessage) {
  const uint64_t seed = test_seed();
  const auto corruptions = testing::safetensors_corruptions();
  EXPECT_GE(corruptions.size(), 35u);
  std::map<std::string, std::string> seen;
  std::set<std::string> pieces;
  for (const auto& c : corruptions) {
    SCOPED_TRACE(c.name + ", seed " + std::to_string(seed));
    EXPECT_TRUE(pieces.insert(c.message).second) << "shares its piece of message";
    Rng rng(seed);
    const std::string file = c.make(rng);
    const std::string message = message_of<Error>([&] { parse(file); });
    EXPECT_NE(message.find(c.message), std::string::npos) << message;
    EXPECT_TRUE(message.starts_with("here.safetensors: ")) << message;
    EXPECT_LT(message.size(), 500u);
    const auto [other, fresh] = seen.emplace(message, c.name);
    EXPECT_TRUE(fresh) << "has the message of '" << other->second << "': " << message;
  }
}

TEST(Safetensors, CorruptionsAreRefusedFromDiskToo) {
  const TempFolder folder;
  Rng rng(test_seed());
  const auto corruptions = testing::safetensors_corruptions();
  for (const auto& c : {corruptions[0], corruptions[7], corruptions[11], corruptions[14]}) {
    testing::write_text(folder / "bad.safetensors", c.make(rng));
    EXPECT_THROW(SafetensorsFile(folder / "bad.safetensors"), Error) << c.name;
  }
  EXPECT_NE(message_of<Error>([&] { SafetensorsFile(folder / "none"); }).find("No such file"),
            std::string::npos);
  EXPECT_NE(message_of<Error>([&] { SafetensorsFile(folder.path()); }).find("not a regular file"),
            std::string::npos);
}

TEST(Safetensors, ManyTensors) {
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i) {
    if (i > 0) header += ',';
    header += testing::tensor_text(std::to_string(i), "U8", "1", fmt::format("{},{}", i, i + 1));
  }
  EXPECT_EQ(parse(testing::file_of(header + "}", 100'000)).tensors.size(), 100'000u);
}

struct RandomTensor {
  TensorPlan plan;
  std::string bytes;
};

std::vector<RandomTensor> random_tensors(Rng& rng) {
  constexpr StoredType types[] = {StoredType::f64, StoredType::f32, StoredType::i64, StoredType::i32,
                                  StoredType::i16, StoredType::i8,  StoredType::u8,  StoredType::u64};
  const auto below = [&](uint64_t n) { return static_cast<int64_t>(rng() % n); };
  std::vector<RandomTensor> tensors(static_cast<size_t>(below(8)));
  for (size_t i = 0; i < tensors.size(); ++i) {
    TensorPlan& plan = tensors[i].plan;
    plan.name = fmt::format(
        "{}{}", i, std::vector<std::string>{"", ".weight", "\"q\\\n", "ä€😀"}[static_cast<size_t>(below(4))]);
    plan.type = types[below(8)];
    plan.shape.resize(static_cast<size_t>(below(5)));
    int64_t bytes = element_bytes(plan.type);
    for (auto& extent : plan.shape) bytes *= extent = below(7) * (below(6) > 0);
    for (int64_t b = 0; b < bytes; ++b) tensors[i].bytes += static_cast<char>(rng());
  }
  return tensors;
}

/// Feeds `bytes`, as values of the tensor's type, in pieces of random length.
template <class T>
void write_pieces(SafetensorsWriter& writer, const RandomTensor& t, Rng& rng) {
  std::vector<T> values(t.bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), t.bytes.data(), t.bytes.size());
  for (size_t at = 0; at < values.size();) {
    const size_t n = std::min<size_t>(1 + rng() % 5, values.size() - at);
    writer.write<T>(t.plan.name, std::span<const T>(values).subspan(at, n));
    at += n;
  }
}

void write_tensor(SafetensorsWriter& writer, const RandomTensor& t, Rng& rng) {
  switch (t.plan.type) {
    case StoredType::f64:
      return write_pieces<double>(writer, t, rng);
    case StoredType::f32:
      return write_pieces<float>(writer, t, rng);
    case StoredType::i64:
      return write_pieces<int64_t>(writer, t, rng);
    case StoredType::i32:
      return write_pieces<int32_t>(writer, t, rng);
    case StoredType::i16:
      return write_pieces<int16_t>(writer, t, rng);
    case StoredType::i8:
      return write_pieces<int8_t>(writer, t, rng);
    case StoredType::u64:
      return write_pieces<uint64_t>(writer, t, rng);
    default:
      return write_pieces<uint8_t>(writer, t, rng);
  }
}

TEST(Safetensors, RoundTripOfRandomTensors) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  const TempFolder folder;
  Rng rng(seed);
  for (int round = 0; round < 200; ++round) {
    const auto tensors = random_tensors(rng);
    TensorMetadata metadata;
    if (rng() % 2 == 0) metadata = {{"format", "pt"}, {"\"ä\n", std::string(3, '\0')}};
    std::vector<TensorPlan> plan;
    for (const auto& t : tensors) plan.push_back(t.plan);
    {
      SafetensorsWriter writer(folder / "t.safetensors", plan, metadata);
      for (const auto& t : tensors) write_tensor(writer, t, rng);
      writer.finish();
    }
    const SafetensorsFile file(folder / "t.safetensors");
    EXPECT_EQ(file.metadata(), metadata);
    EXPECT_EQ(file.tensors().size(), tensors.size());
    for (const auto& t : tensors) {
      const StoredTensor& found = file.tensor(t.plan.name, t.plan.shape);
      EXPECT_EQ(found.type, t.plan.type);
      const auto bytes = file.bytes(found);
      EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), std::as_bytes(std::span(t.bytes)).begin(),
                             std::as_bytes(std::span(t.bytes)).end()));
    }
  }
  EXPECT_EQ(folder.entries(), 1u) << "a temporary was left";
}

TEST(Safetensors, TypedAccessIsVerified) {
  const TempFolder folder;
  SafetensorsWriter writer(folder / "t", {{"x", StoredType::f32, {2, 2}}});
  writer.write<float>("x", std::vector<float>{1, 2, 3, 4});
  writer.finish();
  const SafetensorsFile file(folder / "t");
  EXPECT_EQ(file.read<float>("x", std::vector<int64_t>{2, 2}), (std::vector<float>{1, 2, 3, 4}));
  const auto refusal = [&](auto&& action) { return message_of<Error>(action); };
  EXPECT_NE(refusal([&] {
              file.read<double>("x", std::vector<int64_t>{2, 2});
            }).find("'x' is F32 where F64 is needed"),
            std::string::npos);
  EXPECT_NE(refusal([&] {
              file.read<float>("x", std::vector<int64_t>{4});
            }).find("shape (2, 2) where (4) is needed"),
            std::string::npos);
  EXPECT_NE(refusal([&] {
              file.read<float>("y", std::vector<int64_t>{2, 2});
            }).find("tensor 'y' is missing"),
            std::string::npos);
  std::vector<float> three(3);
  EXPECT_NE(refusal([&] { file.read_floats(*file.find("x"), three); }).find("4 elements where 3 are needed"),
            std::string::npos);
}

TEST(Safetensors, DataNeedNotBeAligned) {
  // A header of odd length puts the floats at an odd address.
  std::string file = testing::file_of(testing::object_of({testing::sound_a}), 24);
  if (file.size() % 4 == 0) file = testing::file_of("{" + testing::sound_a + "} ", 24);
  const TempFolder folder;
  testing::write_text(folder / "t", file);
  const SafetensorsFile mapped(folder / "t");
  const float expected = std::bit_cast<float>(0x5A5A5A5Au);
  EXPECT_EQ(mapped.read<float>("a", std::vector<int64_t>{2, 3}), std::vector<float>(6, expected));
  std::vector<float> floats(6);
  mapped.read_floats(mapped.tensors()[0], floats);
  EXPECT_EQ(floats, std::vector<float>(6, expected));
}

template <class Reference>
void check_half_precision(const std::string& dtype, Reference value_of) {
  const TempFolder folder;
  std::string data(2 * 65536, '\0');
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    std::memcpy(data.data() + 2 * bits, &half, 2);
  }
  const std::string header = "{" + testing::tensor_text("h", dtype, "65536", "0,131072") + "}";
  testing::write_text(folder / "h", testing::with_length(header.size(), header + data));
  const SafetensorsFile file(folder / "h");
  std::vector<float> got(65536);
  file.read_floats(file.tensors()[0], got);
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const double want = value_of(static_cast<int>(bits));
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(got[bits])) << bits;
    } else {
      EXPECT_EQ(got[bits], want) << bits;
      EXPECT_EQ(std::signbit(got[bits]), std::signbit(want)) << bits;
    }
  }
}

double from_fields(int bits, int exponent_bits, int fraction_bits) {
  const int fraction = bits & ((1 << fraction_bits) - 1);
  const int exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1);
  const double sign = bits >> (exponent_bits + fraction_bits) & 1 ? -1.0 : 1.0;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  if (exponent == (1 << exponent_bits) - 1) return fraction != 0 ? std::nan("") : sign * INFINITY;
  const double significand = fraction + (exponent > 0 ? 1 << fraction_bits : 0);
  return sign * std::ldexp(significand, std::max(exponent, 1) - bias - fraction_bits);
}

TEST(Safetensors, EveryF16AndBf16BecomesItsFloat) {
  check_half_precision("F16", [](int bits) { return from_fields(bits, 5, 10); });
  check_half_precision("BF16", [](int bits) { return from_fields(bits, 8, 7); });
}

TEST(Safetensors, F64IsRoundedAndIntegersAreNotWeights) {
  const TempFolder folder;
  SafetensorsWriter writer(folder / "t", {{"d", StoredType::f64, {3}}, {"i", StoredType::i32, {1}}});
  writer.write<double>("d", std::vector<double>{0.1, -1e-50, 1e300});
  writer.write<int32_t>("i", std::vector<int32_t>{7});
  writer.finish();
  const SafetensorsFile file(folder / "t");
  std::vector<float> d(3);
  file.read_floats(*file.find("d"), d);
  EXPECT_EQ(d[0], 0.1f);
  EXPECT_EQ(d[1], -0.0f);
  EXPECT_EQ(d[2], std::numeric_limits<float>::infinity());
  std::vector<float> i(1);
  EXPECT_NE(message_of<Error>([&] { file.read_floats(*file.find("i"), i); }).find("is I32 where F32, BF16"),
            std::string::npos);
}

TEST(SafetensorsWriter, RefusesWhatTheReaderWould) {
  const TempFolder folder;
  const auto refusal = [&](std::vector<TensorPlan> plan, TensorMetadata metadata = {}) {
    return message_of<Error>([&] { SafetensorsWriter(folder / "t", plan, metadata); });
  };
  const int64_t huge = int64_t{1} << 40;
  EXPECT_NE(refusal({{"a", StoredType::f32, {1}}, {"a", StoredType::f32, {2}}}).find("'a' appears twice"),
            std::string::npos);
  EXPECT_NE(refusal({{"\xFF", StoredType::f32, {1}}}).find("not valid UTF-8"), std::string::npos);
  EXPECT_NE(refusal({}, {{"k", "\xC0\xAF"}}).find("not valid UTF-8"), std::string::npos);
  EXPECT_NE(refusal({{"__metadata__", StoredType::f32, {1}}}).find("cannot be named"), std::string::npos);
  EXPECT_NE(refusal({{"a", StoredType::f32, {-1}}}).find("negative dimension"), std::string::npos);
  EXPECT_NE(refusal({{"a", StoredType::f32, {huge, huge}}}).find("overflows"), std::string::npos);
  EXPECT_NE(refusal({{"a", StoredType::u8, {INT64_MAX}}, {"b", StoredType::u8, {1}}})
                .find("'b' with its 1 dimensions overflows"),
            std::string::npos);
  EXPECT_NE(refusal({}, {{"k", std::string(100'000'000, 'x')}}).find("above the format's cap"),
            std::string::npos);
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(SafetensorsWriter, KeepsToItsPlanOrWritesNothing) {
  const TempFolder folder;
  testing::write_text(folder / "t", "what was there");
  const std::vector<TensorPlan> plan{
      {"e", StoredType::f32, {0}}, {"x", StoredType::f32, {2}}, {"y", StoredType::f32, {1}}};
  const std::vector<float> one{1}, two{1, 2}, three{1, 2, 3};
  const auto refusal = [&](auto&& use) {
    return message_of<Error>([&] {
      SafetensorsWriter writer(folder / "t", plan);
      use(writer);
    });
  };
  EXPECT_NE(
      refusal([&](auto& w) { w.template write<float>("y", one); }).find("'x' is to be written next, not 'y'"),
      std::string::npos);
  EXPECT_NE(refusal([&](auto& w) {
              w.template write<float>("x", three);
            }).find("12 bytes for tensor 'x' where 8 are left"),
            std::string::npos);
  EXPECT_NE(refusal([&](auto& w) {
              w.template write<double>("x", std::vector<double>{1});
            }).find("'x' is F32 in the plan, not F64"),
            std::string::npos);
  EXPECT_NE(refusal([&](auto& w) {
              w.template write<float>("x", one), w.finish();
            }).find("'x' lacks 4 of its bytes"),
            std::string::npos);
  EXPECT_NE(refusal([&](auto& w) {
              w.template write<float>("x", two);
              w.template write<float>("y", one);
              w.template write<float>("y", one);
            }).find("all tensors are written"),
            std::string::npos);
  { const SafetensorsWriter abandoned(folder / "t", plan); }
  EXPECT_EQ(testing::read_text(folder / "t"), "what was there");
  EXPECT_EQ(folder.entries(), 1u);
}

/// Writes fail beyond `bytes` while it lives, as they do on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit now = before_;
    now.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST(SafetensorsWriter, AFailedWriteIsReportedAndLeavesTheOldFile) {
  const TempFolder folder;
  testing::write_text(folder / "t", "what was there");
  const std::vector<float> values(100'000);
  for (const rlim_t limit : {rlim_t{0}, rlim_t{50}, rlim_t{4096}, rlim_t{300'000}}) {
    std::string message;
    {
      const FileSizeLimit full(limit);
      message = message_of<Error>([&] {
        SafetensorsWriter writer(folder / "t", {{"x", StoredType::f32, {100'000}}});
        writer.write<float>("x", values);
        writer.finish();
      });
    }
    EXPECT_NE(message.find("cannot write: File too large"), std::string::npos) << message;
    EXPECT_EQ(testing::read_text(folder / "t"), "what was there");
    EXPECT_EQ(folder.entries(), 1u);
  }
  EXPECT_NE(
      message_of<Error>([&] { SafetensorsWriter(folder / "no folder" / "t", {}); }).find("cannot create"),
      std::string::npos);
}

TEST(Safetensors, RandomMutationsAreReadInFullOrRefused) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Rng rng(seed);
  const std::string sound = testing::file_of(testing::sound_header, testing::sound_data);
  int refused = 0;
  constexpr int rounds = 20'000;
  for (int round = 0; round < rounds; ++round) {
    std::string file = sound;
    for (uint64_t edits = 1 + rng() % 4; edits > 0 && !file.empty(); --edits) {
      const size_t at = rng() % file.size();
      switch (rng() % 4) {
        case 0:
          file[at] = static_cast<char>(rng());
          break;
        case 1:
          file[at] = static_cast<char>(file[at] ^ (1 << rng() % 8));
          break;
        case 2:
          file.erase(at, 1 + rng() % 16);
          break;
        default:
          file.insert(at, file.substr(rng() % file.size(), rng() % 16));
          break;
      }
    }
    try {
      const auto header = parse(file);
      int64_t at = header.data_offset;
      for (const auto& t : header.tensors) {
        ASSERT_EQ(header.data_offset + t.begin, at);
        ASSERT_EQ(t.elements() * element_bytes(t.type), t.end - t.begin);
        at += t.end - t.begin;
      }
      ASSERT_EQ(at, static_cast<int64_t>(file.size()));
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, rounds / 2);
  EXPECT_LT(refused, rounds) << "mutations of the data alone must be read";
}

}  // namespace
}  // namespace photon
