// SPDX-License-Identifier: Apache-2.0
// Every op on every case, the large ones on a GPU alone: against double by the tolerance of
// docs/emulation.md, the same bits whatever order threads run in, and accounts that add up.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <set>
#include <utility>

#include "cuda_impl/generation/generator.h"
#include "cuda_impl/model/forward_pass.h"
#include "tests/cuda_impl/cases/op_case.h"
#include "tests/reference/support.h"

namespace photon::PHOTON_GPU {

static void PrintTo(const NamedCase& c, std::ostream* out) {
  *out << c.op << ' ' << c.parameters;
}

namespace {

using photon::testing::test_seed;

std::vector<NamedCase> tested_cases() {
  std::vector<NamedCase> cases = op_cases();
#ifndef PHOTON_CUDA
  std::erase_if(cases, [](const NamedCase& c) { return c.large; });
#endif
  return cases;
}

std::string test_name(const NamedCase& c) {
  std::string name = c.op + "_" + c.parameters;
  for (char& ch : name) {
    if (std::isalnum(static_cast<unsigned char>(ch)) == 0) ch = '_';
  }
  return name;
}

/// Half the distance between numbers of the result's type around x.
double half_ulp(Precision precision, double x) {
  if (precision == Precision::copied || x == 0.0) return 0.0;
  const int bits = precision == Precision::bfloat16 ? 8 : precision == Precision::float32 ? 24 : 53;
  return std::ldexp(1.0, std::ilogb(x) - bits);
}

struct Error {
  double largest = 0.0;
  double squares = 0.0;

  void add(double error) {
    largest = std::max(largest, std::abs(error));
    squares += error * error;
  }
};

void expect_accurate(const OpOutput& o) {
  const size_t size = o.exact.size();
  ASSERT_EQ(o.fast.size(), size) << o.name;
  ASSERT_EQ(o.naive.size(), size) << o.name;
  Error fast;
  Error naive;
  Error rounding;  // what the type costs even the best of kernels
  size_t worst = 0;
  double most = o.magnitude;
  for (size_t i = 0; i < size; ++i) {
    ASSERT_TRUE(std::isfinite(o.fast[i])) << o.name << ", element " << i;
    ASSERT_TRUE(std::isfinite(o.naive[i]) && std::isfinite(o.exact[i])) << o.name << ", element " << i;
    const double error = o.fast[i] - o.exact[i];
    if (std::abs(error) > fast.largest) worst = i;
    fast.add(error);
    naive.add(o.naive[i] - o.exact[i]);
    rounding.add(half_ulp(o.precision, o.magnitude > 0.0 ? o.magnitude : o.exact[i]));
    most = std::max(most, std::abs(o.exact[i]));
  }
  if (size == 0) return;
  EXPECT_LE(fast.largest, 2.0 * std::max(naive.largest, half_ulp(o.precision, most)))
      << o.name << ", element " << worst << " of " << size << ": " << o.fast[worst] << " for "
      << o.exact[worst];
  const auto root_mean = [&](const Error& e) { return std::sqrt(e.squares / static_cast<double>(size)); };
  EXPECT_LE(root_mean(fast), 2.0 * std::max(root_mean(naive), root_mean(rounding)))
      << o.name << ", over " << size << " elements";
}

void expect_same_bits(const std::vector<OpOutput>& a, const std::vector<OpOutput>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].fast.size(), b[i].fast.size()) << a[i].name;
    for (size_t e = 0; e < a[i].fast.size(); ++e) {
      ASSERT_EQ(std::bit_cast<uint64_t>(a[i].fast[e]), std::bit_cast<uint64_t>(b[i].fast[e]))
          << a[i].name << ", element " << e;
    }
  }
}

/// The order of threads from here on; a GPU has its own.
void shuffle_threads([[maybe_unused]] uint64_t seed) {
#ifndef PHOTON_CUDA
  set_emulation_seed(seed);
#endif
}

class OpTest : public ::testing::TestWithParam<NamedCase> {};
INSTANTIATE_TEST_SUITE_P(Cases, OpTest, ::testing::ValuesIn(tested_cases()),
                         [](const auto& test) { return test_name(test.param); });

/// What the launches moved is what the case says.
void expect_accounted(const std::vector<LaunchRecord>& records, const Work& work) {
  ASSERT_FALSE(records.empty());
  Work launched;
  for (const LaunchRecord& r : records) launched += r.work;
  EXPECT_EQ(launched.weight_bytes, work.weight_bytes);
  EXPECT_EQ(launched.kv_read_bytes, work.kv_read_bytes);
  EXPECT_EQ(launched.kv_write_bytes, work.kv_write_bytes);
  EXPECT_EQ(launched.other_bytes, work.other_bytes);
  EXPECT_EQ(launched.flops, work.flops);
  for (const double part :
       {work.weight_bytes, work.kv_read_bytes, work.kv_write_bytes, work.other_bytes, work.flops}) {
    EXPECT_GE(part, 0.0);
  }
  EXPECT_GT(work.floor_bytes() + work.other_bytes, 0.0);
}

TEST_P(OpTest, IsAsExactAsItsTypes) {
  Stream stream;
  const std::unique_ptr<OpCase> op = GetParam().make(test_seed());
  std::vector<LaunchRecord> records;
  stream.record(&records);
  shuffle_threads(test_seed());
  op->launch(stream);
  stream.synchronize();
  stream.record(nullptr);
  expect_accounted(records, op->work());
  const std::vector<OpOutput> first = op->outputs();
  size_t elements = 0;
  for (const OpOutput& o : first) {
    expect_accurate(o);
    elements += o.exact.size();
  }
  EXPECT_GT(elements, 0u);
  for (uint64_t again = 1; again <= 2; ++again) {
    shuffle_threads(test_seed() + again);
    op->launch(stream);
    stream.synchronize();
    expect_same_bits(op->outputs(), first);
  }
}

/// What a launch runs: products are named by their place in the model, so the file says which they are.
std::string implementation(const LaunchRecord& r) {
  const bool product = r.file.ends_with("/gemv.cu") || r.file.ends_with("/matmul.cpp");
  return fmt::format("{} in {}", product ? "product" : r.op, r.file);
}

void add_implementations(std::set<std::string>& to, const std::vector<LaunchRecord>& records) {
  for (const LaunchRecord& r : records) to.insert(implementation(r));
}

/// A model that uses everything there is: windows in rings, memories of latents, observed feedback.
ModelSpec manifold_spec() {
  ModelSpec spec = photon::testing::small_spec(3, Reading::parallel);
  for (LevelSpec& level : spec.levels) level.converter_context = 3;
  spec.levels[0].encoder_window = {EncoderWindow::Kind::units, 3};
  spec.validate();
  return spec;
}

/// Of a forward, and a prefill and a decode under each generation and schedule, above and below the crossover
/// of products.
std::set<std::string> implementations_of(const ModelSpec& spec) {
  std::set<std::string> out;
  std::vector<float> parameters;
  for (const double v : photon::testing::random_parameters(spec, test_seed())) {
    parameters.push_back(static_cast<float>(v));
  }
  for (const int64_t gemv_rows : {0, 4}) {
    Stream stream;
    const Weights weights(spec, parameters);
    Linears linear(static_cast<float>(spec.norm_eps), gemv_rows);
    const int64_t length = 40 * spec.meta_context();
    std::vector<LaunchRecord> forward_records;
    stream.record(&forward_records);
    Matmul matmul;
    ForwardPass(spec, weights.view(), stream, matmul)
        .token_log_probs(photon::testing::random_batch(spec, 2, length, test_seed()));
    stream.record(nullptr);
    add_implementations(out, forward_records);
    Generator generator(spec, weights.view(), stream, linear, {.gemv_rows = gemv_rows});
    generator.set_eager(true);
    for (const auto& [generation, schedule] : {std::pair{Generation::hiergen, Schedule::streamed},
                                               std::pair{Generation::recgen, Schedule::streamed},
                                               std::pair{Generation::recgen, Schedule::unrolled}}) {
      if (generation == Generation::recgen && spec.depth() < 2) continue;
      GenerationRequest request;
      request.prompts = {photon::testing::random_batch(spec, 1, length, test_seed()).ids};
      request.new_tokens = spec.meta_context() + 1;
      request.samples = 2;
      request.generation = generation;
      request.schedule = schedule;
      for (const double temperature : {0.0, 0.7}) {
        request.sampling = {.temperature = temperature, .seed = 5};
        std::vector<LaunchRecord> records;
        stream.record(&records);
        generator.run(request);
        stream.record(nullptr);
        add_implementations(out, records);
      }
    }
  }
  return out;
}

TEST(OpCases, CoverWhatModelsLaunch) {
  std::set<std::string> missing = implementations_of(photon::testing::small_spec(0));
  missing.merge(implementations_of(manifold_spec()));
  EXPECT_GE(missing.size(), 14u);
  for (const NamedCase& c : tested_cases()) {
    Stream stream;
    std::vector<LaunchRecord> records;
    stream.record(&records);
    c.make(test_seed())->launch(stream);
    for (const LaunchRecord& r : records) missing.erase(implementation(r));
    if (missing.empty()) break;
  }
  for (const std::string& m : missing) ADD_FAILURE() << "no case launches " << m;
}

TEST(OpCases, HaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const NamedCase& c : op_cases()) {
    EXPECT_TRUE(names.insert(test_name(c)).second) << c.op << ' ' << c.parameters;
  }
}

}  // namespace
}  // namespace photon::PHOTON_GPU
