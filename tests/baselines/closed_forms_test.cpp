// SPDX-License-Identifier: Apache-2.0
// Two derivations of the same numbers: the baselines' closed forms against the cost model's walk through a
// request, on random sizes and on the paper's.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <iostream>
#include <random>

#include "baselines/block_transformer.h"
#include "baselines/vanilla.h"
#include "core/base/error.h"
#include "core/base/paths.h"
#include "core/cost/cost.h"
#include "core/model/model_config.h"
#include "core/model/parameters.h"
#include "tests/support.h"

namespace photon::baselines {
namespace {

class Dice {
 public:
  Dice() : seed_(testing::test_seed()), engine_(seed_) { std::cout << "PHOTON_TEST_SEED=" << seed_ << '\n'; }
  int64_t operator()(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine_);
  }

 private:
  uint64_t seed_;
  std::mt19937_64 engine_;
};

void expect_close(double a, double b, const char* what) {
  EXPECT_TRUE(std::abs(a - b) <= 1e-12 * std::max(std::abs(a), std::abs(b)))
      << what << ": " << a << ", " << b;
}

template <class Size>
void expect_same(const Size& size, const ModelSpec& spec, const Request& r, int64_t sequence) {
  SCOPED_TRACE(fmt::format("width {}, vocab {}, P {}, N {}, batch {}", size.width, size.vocab, r.prompt,
                           r.new_tokens, r.batch));
  EXPECT_EQ(parameters(size), parameters_total(spec));
  expect_close(forward_flops(size, sequence), photon::forward_flops(spec, sequence), "forward FLOPs");

  const Workload w{.prompt = r.prompt,
                   .new_tokens = r.new_tokens,
                   .batch = r.batch,
                   .weight_bytes = r.element_bytes,
                   .kv_bytes = r.element_bytes};
  EXPECT_EQ(kv_bytes_ideal(size, r), photon::kv_bytes_ideal(spec, w));
  const RequestCost cost = request_cost(spec, w);
  const RequestTotals t = request_totals(size, r);
  const Work prefill = total(cost.prefill);
  const Work decode = total(cost.decode);
  expect_close(t.prefill_flops, prefill.flops, "prefill FLOPs");
  expect_close(t.prefill_weight_bytes, prefill.weight_bytes, "prefill weight bytes");
  expect_close(t.decode_flops, decode.flops, "decode FLOPs");
  expect_close(t.decode_weight_bytes, decode.weight_bytes, "decode weight bytes");
  const size_t top = static_cast<size_t>(spec.depth());
  const CacheRows prefill_rows = cache_rows(spec, {cost.prefill}).at(top);
  const CacheRows decode_rows = cache_rows(spec, cost.decode).at(top);
  EXPECT_EQ(prefill_rows.read, 0);
  EXPECT_EQ(prefill_rows.written, t.prefill_rows_written);
  EXPECT_EQ(decode_rows.read, t.decode_rows_read);
  EXPECT_EQ(decode_rows.written, t.decode_rows_written);
  const auto row = static_cast<double>(2 * r.element_bytes * size.width / size.heads * size.kv_heads);
  expect_close(row * static_cast<double>(t.prefill_rows_written), prefill.kv_bytes(), "prefill KV bytes");
  expect_close(row * static_cast<double>(t.decode_rows_read), decode.kv_read_bytes, "KV bytes read");
  expect_close(row * static_cast<double>(t.decode_rows_written), decode.kv_write_bytes, "KV bytes written");
}

Request random_request(Dice& dice, int64_t least_prompt) {
  return {.prompt = dice(least_prompt, 300),
          .new_tokens = dice(0, 200),
          .batch = dice(1, 9),
          .element_bytes = int64_t{1} << dice(1, 3)};
}

TEST(ClosedForms, VanillaAgreesWithTheCostModel) {
  Dice dice;
  for (int i = 0; i < 100; ++i) {
    const int64_t kv_heads = dice(1, 4);
    const int64_t heads = kv_heads * dice(1, 4);
    const VanillaSize size{.width = heads * 2 * dice(1, 16),
                           .ffn = dice(1, 500),
                           .heads = heads,
                           .kv_heads = kv_heads,
                           .layers = dice(1, 9),
                           .vocab = dice(1, 1000)};
    expect_same(size, vanilla_spec(size, "random"), random_request(dice, 1), dice(1, 500));
  }
}

TEST(ClosedForms, BlockTransformerAgreesWithTheCostModel) {
  Dice dice;
  for (int i = 0; i < 100; ++i) {
    const int64_t kv_heads = dice(1, 4);
    const int64_t heads = kv_heads * dice(1, 4);
    const int64_t chunk = dice(1, 7);
    const BlockTransformerSize size{.width = heads * chunk * 2 * dice(1, 5),
                                    .ffn = dice(1, 500),
                                    .heads = heads,
                                    .kv_heads = kv_heads,
                                    .block_layers = dice(1, 9),
                                    .token_layers = dice(1, 9),
                                    .vocab = dice(1, 1000),
                                    .chunk = chunk,
                                    .prefix = dice(1, 6)};
    Request request = random_request(dice, 0);
    if (i % 10 == 0) request.prompt = dice(0, chunk - 1);
    expect_same(size, block_transformer_spec(size, "random"), request, chunk * dice(1, 100));
  }
}

struct PaperSize {
  const char* name;
  int64_t width, ffn, layers, vanilla, block;
};
constexpr PaperSize paper[] = {{"600m", 1664, 4096, 16, 610'915'968, 629'770'752},
                               {"900m", 1792, 4608, 20, 867'114'752, 887'878'656},
                               {"1.2b", 1920, 5120, 24, 1'184'657'280, 1'207'395'840}};

TEST(ClosedForms, ThePapersSizesAreTheShippedSpecs) {
  const std::filesystem::path models = share_folder() / "configs" / "models";
  for (const PaperSize& p : paper) {
    SCOPED_TRACE(p.name);
    const VanillaSize vanilla{p.width, p.ffn, 32, 32, p.layers, 32000};
    const BlockTransformerSize block{p.width, p.ffn, 32, 32, p.layers / 2, p.layers / 2, 32000, 4, 2};
    EXPECT_EQ(parameters(vanilla), p.vanilla);
    EXPECT_EQ(parameters(block), p.block);
    const std::string vanilla_name = fmt::format("vanilla-{}", p.name);
    const std::string block_name = fmt::format("block-{}", p.name);
    const ModelSpec vanilla_file = load_model_spec(models / (vanilla_name + ".toml"));
    const ModelSpec block_file = load_model_spec(models / (block_name + ".toml"));
    EXPECT_EQ(vanilla_spec(vanilla, vanilla_name), vanilla_file);
    EXPECT_EQ(block_transformer_spec(block, block_name), block_file);
    for (const Request& r :
         {Request{2048, 128, 32, 2}, Request{128, 2048, 512, 2}, Request{131, 517, 3, 4}}) {
      expect_same(vanilla, vanilla_file, r, 2048);
      expect_same(block, block_file, r, 2048);
    }
  }
}

TEST(ClosedForms, TheCacheOfABlockTransformerIsAnEighth) {
  const Request request{128, 2048, 1, 2};
  for (const PaperSize& p : paper) {
    const VanillaSize vanilla{p.width, p.ffn, 32, 32, p.layers, 32000};
    const BlockTransformerSize block{p.width, p.ffn, 32, 32, p.layers / 2, p.layers / 2, 32000, 4, 2};
    EXPECT_EQ(kv_bytes_ideal(vanilla, request), 8.0 * kv_bytes_ideal(block, request));
  }
}

TEST(ClosedForms, SizesThatMakeNoModelAreRefused) {
  EXPECT_THROW(vanilla_spec({10, 4, 3, 3, 1, 7}, "x"), Error) << "10 does not divide into 3 heads";
  EXPECT_THROW(block_transformer_spec({12, 4, 2, 2, 1, 1, 7, 5, 1}, "x"), Error) << "blocks of 5";
}

}  // namespace
}  // namespace photon::baselines
