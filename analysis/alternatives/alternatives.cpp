// SPDX-License-Identifier: Apache-2.0
#include "analysis/alternatives/alternatives.h"

#include <fmt/format.h>

#include "analysis/alternatives/head_cache.h"
#include "analysis/alternatives/heavy_hitters.h"
#include "analysis/alternatives/landmarks.h"
#include "analysis/alternatives/latent_cache.h"
#include "analysis/alternatives/pages.h"
#include "analysis/alternatives/rounded_cache.h"
#include "analysis/alternatives/shared_prefix.h"
#include "analysis/alternatives/shortened.h"
#include "analysis/alternatives/sink_window.h"
#include "core/base/error.h"
#include "core/cost/cost.h"

namespace photon::analysis::alternatives {
namespace {

constexpr int64_t query_group = 4;  // query heads of a KV head, grouped-query
constexpr int64_t recent = 1020;    // StreamingLLM's and landmarks' window: a cache of 1,024 with the sinks
constexpr int64_t sharing_samples = 8;  // of one prompt

template <class Cache>
Cost cost_of(const Cache& cache, int64_t context) {
  Cost cost{.held = cache.held(context)};
  for (int64_t n = context - answer_tokens; n < context; ++n) {
    const Moved moved = cache.step(n);
    cost.read += moved.read / answer_tokens;
    cost.written += moved.written / answer_tokens;
  }
  return cost;
}

template <class Cache>
std::function<Cost(int64_t)> fixed(Cache cache) {
  return [cache](int64_t context) { return cost_of(cache, context); };
}

/// From core/cost. Traffic over whole meta-contexts, so that it depends on the context alone.
Cost cost_of_spec(const ModelSpec& spec, Generation generation, int64_t context, int64_t element_bytes) {
  Workload w{.prompt = context - answer_tokens,
             .new_tokens = answer_tokens,
             .generation = generation,
             .weight_bytes = element_bytes,
             .kv_bytes = element_bytes};
  Cost cost{.held = kv_bytes_ideal(spec, w)};
  w.prompt = w.prompt / spec.meta_context() * spec.meta_context();
  visit_request(
      spec, w, [](const Forwards&) {},
      [&](const Forwards& forwards) {
        const Work work = total(forwards);
        cost.read += work.kv_read_bytes / answer_tokens;
        cost.written += work.kv_write_bytes / answer_tokens;
      });
  return cost;
}

HeadCache cache_of(const ModelSpec& base, int64_t element_bytes) {
  return {.layers = base.layers,
          .kv_heads = base.base.kv_heads,
          .head_size = base.base.head_size(),
          .element_bytes = element_bytes};
}

void check(const ModelSpec& base) {
  const auto refuse = [&](const std::string& why) {
    throw Error(fmt::format("model '{}' is no base to compare alternatives for: {}", base.name, why));
  };
  if (base.depth() != 0) refuse("it has levels; a vanilla model is needed");
  if (base.base.kv_heads != base.base.heads) {
    refuse(fmt::format("kv_heads = {} of {} heads; multi-head attention is needed", base.base.kv_heads,
                       base.base.heads));
  }
  if (base.layers % 4 != 0) {
    refuse(
        fmt::format("layers = {}; a multiple of 4 can be divided among the stacks of PHOTON", base.layers));
  }
}

}  // namespace

std::string_view to_string(Answers answers) {
  switch (answers) {
    case Answers::same:
      return "same";
    case Answers::trained:
      return "other model, trained so";
    case Answers::rounded:
      return "cache rounded";
    case Answers::tokens_dropped:
      return "tokens dropped";
  }
  return "";
}

ModelSpec hierarchy_of(const ModelSpec& base, int levels) {
  ModelSpec spec = base;
  spec.name = levels == 1 ? "block" : "photon";
  spec.layers = 0;
  if (levels < 1 || base.layers % (2 * levels) != 0) {
    throw Error(fmt::format("model '{}': {} layers do not make two stacks for each of {} levels", base.name,
                            base.layers, levels));
  }
  for (int l = 1; l <= levels; ++l) {
    spec.levels.push_back({.chunk = 4,
                           .prefix = 2,
                           .encoder_layers = base.layers / (2 * levels),
                           .decoder_layers = base.layers / (2 * levels),
                           .encoder_window = {},
                           .shape = base.base});
  }
  spec.validate();
  return spec;
}

std::vector<Alternative> alternatives(const ModelSpec& base, int64_t element_bytes) {
  check(base);
  const HeadCache full = cache_of(base, element_bytes);
  std::vector<Alternative> list;
  const auto add = [&](std::string name, std::string setting, std::string source, Answers answers,
                       std::function<Cost(int64_t)> at) -> Alternative& {
    list.push_back({std::move(name), std::move(setting), std::move(source), answers, true, std::move(at)});
    return list.back();
  };
  const auto heads = [&](int64_t kv_heads) {
    HeadCache cache = full;
    cache.kv_heads = kv_heads;
    return fixed(cache);
  };
  const auto of_spec = [&](const ModelSpec& spec, Generation generation) {
    return [spec, generation, element_bytes](int64_t context) {
      return cost_of_spec(spec, generation, context, element_bytes);
    };
  };

  add("multi-head", fmt::format("{} KV heads", full.kv_heads), "arXiv 1706.03762, section 3.2.2",
      Answers::same, of_spec(base, Generation::hiergen));
  if (full.kv_heads % query_group == 0) {
    add("grouped-query", fmt::format("{} KV heads", full.kv_heads / query_group),
        "arXiv 2305.13245, section 2.2", Answers::trained, heads(full.kv_heads / query_group));
  }
  add("multi-query", "1 KV head", "arXiv 1911.02150, section 3", Answers::trained, heads(1));
  const LatentCache latent{.layers = full.layers,
                           .latent = 4 * full.head_size,
                           .rope_key = full.head_size / 2,
                           .element_bytes = element_bytes};
  add("latent attention (MLA)", fmt::format("d_c = {}, rotary key {}", latent.latent, latent.rope_key),
      "arXiv 2405.04434, equations 9 and 15, Table 1", Answers::trained, fixed(latent));
  add("sinks and window", fmt::format("4 sinks, {} latest", recent), "arXiv 2309.17453, section 3.2",
      Answers::tokens_dropped, fixed(SinkWindow{.full = full, .window = recent}));
  add("heavy hitters (H2O)", "a fifth of the context, half of it the latest",
      "arXiv 2306.14048, section 4, Algorithm 1", Answers::tokens_dropped, [full](int64_t context) {
        return cost_of(HeavyHitters{.full = full, .budget = std::max<int64_t>(1, context / 5)}, context);
      });
  add("landmarks", fmt::format("blocks of 50, 4 retrieved, {} latest", recent), "arXiv 2305.16300, section 3",
      Answers::trained, fixed(Landmarks{.full = full, .window = recent}));
  add("Hourglass",
      fmt::format("{} layers full, {} shortened by 4", full.layers / 2, full.layers - full.layers / 2),
      "arXiv 2110.13711, section 2", Answers::trained, fixed(hourglass(full, 4)));
  const Shortened funnelled = funnel(full);
  add("Funnel, made causal",
      fmt::format("{} layers full, {} by 2, {} by 4", funnelled.stages[0].layers, funnelled.stages[1].layers,
                  funnelled.stages[2].layers),
      "arXiv 2006.03236, section 2.2", Answers::trained, fixed(funnelled));
  add("MEGABYTE", fmt::format("patches of 8, {} global layers", full.layers / 2),
      "arXiv 2305.07185, section 2", Answers::trained, fixed(megabyte(full, 8)));
  add("Block Transformer", fmt::format("blocks of 4, {} block layers", full.layers / 2),
      "arXiv 2406.02657, section 2; core/cost", Answers::trained,
      of_spec(hierarchy_of(base, 1), Generation::hiergen));
  const ModelSpec photon = hierarchy_of(base, 2);
  add("PHOTON HierGen", fmt::format("4x4, {} layers a stack", full.layers / 4),
      "arXiv 2512.20687, definition A.2; core/cost", Answers::trained, of_spec(photon, Generation::hiergen));
  add("PHOTON RecGen", fmt::format("4x4, {} layers a stack", full.layers / 4),
      "arXiv 2512.20687, definition A.3; core/cost", Answers::trained, of_spec(photon, Generation::recgen));
  add("int8 cache", "a 2-byte scale for each key and value of a head", "arXiv 2303.06865, section 5",
      Answers::rounded,
      fixed(RoundedCache{.layers = full.layers,
                         .kv_heads = full.kv_heads,
                         .head_size = full.head_size,
                         .group = full.head_size}));
  add("fp8 cache", "E4M3, fixed scales", "arXiv 2209.05433, section 3", Answers::rounded,
      fixed(RoundedCache{
          .layers = full.layers, .kv_heads = full.kv_heads, .head_size = full.head_size, .scale_bytes = 4}))
      .in_figures = false;
  add("shared prefix",
      fmt::format("{} samples share all but the last {} tokens", sharing_samples, answer_tokens),
      "arXiv 2309.06180, section 4.4; 2402.05099, section 3", Answers::same, [full](int64_t context) {
        return cost_of(
            SharedPrefix{.full = full, .prefix = context - answer_tokens, .samples = sharing_samples},
            context);
      });
  const Paged paged{.full = full};
  add("paged",
      fmt::format("pages of {}, {:.1f} tokens wasted on average", paged.page,
                  paged.mean_waste() / full.token_bytes()),
      "arXiv 2309.06180, sections 4.1 to 4.3", Answers::same, fixed(paged))
      .in_figures = false;
  add("contiguous", "reserved for 1 Mi tokens", "arXiv 2309.06180, section 3.1", Answers::same,
      [full](int64_t context) {
        return cost_of(Contiguous{.full = full, .longest = std::max(context, int64_t{1} << 20)}, context);
      })
      .in_figures = false;
  return list;
}

}  // namespace photon::analysis::alternatives
