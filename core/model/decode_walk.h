// SPDX-License-Identifier: Apache-2.0
// The order of decoding (PHOTON, section 2 and appendix A), written once:
//
//     U_g = Conv_l(Xhat^(l))      Xhat^(l-1)_{I_g, j} = G_l(U_g, Xhat^(l-1)_{I_g, <j})
//     X^(l) = E_l(Chunk_l(X^(l-1)))
//
// It drives a machine: the cost model writes down what each step takes, a generator takes it, CUDA's while it
// records a graph. What an operation reads and what it leaves has a name, X^(l) or Xhat^(l) of certain units,
// so nothing passes between two operations but these. How far a row is, what is handed out and when to stop
// is the machine's own.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>

#include "core/model/decode_plan.h"

namespace photon {

/// Where units are counted from, in each of the sequences that the machine works on side by side: the
/// beginning of a prompt, or that of a meta-context; for the rest of an unrolled answer each of its
/// meta-contexts is a sequence.
enum class Stretch { prompt, meta_context, answer };

/// Units first, first + step, ... of level l, `count` of each sequence. A unit of level l >= 1 is a chunk of
/// C_l units of level l-1, a unit of level 0 is a token.
struct Units {
  int level = 0;
  int64_t first = 0;
  int64_t count = 1;
  int64_t step = 1;
  Stretch of = Stretch::meta_context;
};

/// What a machine can do with the chunks g, one beside the other.
template <class M>
concept DecodeMachine = requires(M& m, const Units& g, int64_t j) {
  m.convert(g);    // Conv_l of the latents they are conditioned on begins their windows
  m.decode(g, j);  // G_l, the windows' next part: Xhat^(l-1) of unit j of each
  m.feed(g, j);    // unit j follows into the windows, as the plan's feedback says
  m.sample(g);     // the tokens g (level 0), from Xhat^(0); vanilla's, each from the state of the one before
  m.encode(g);     // E_l(Chunk_l) of the units below them: X^(l); of level 0, vanilla's stack, Xhat^(0)
  m.remember(g);   // what later chunks of level l are conditioned on: X^(L), or Xhat^(l) of a prompt
};

/// Unit j of every chunk g, and all of its units.
inline Units unit_of(const DecodePlan& plan, const Units& g, int64_t j) {
  const int64_t c = plan.level(g.level).chunk;
  return {.level = g.level - 1, .first = g.first * c + j, .count = g.count, .step = c, .of = g.of};
}
inline Units units_of(const DecodePlan& plan, const Units& g) {
  const int64_t c = plan.level(g.level).chunk;
  return {.level = g.level - 1, .first = g.first * c, .count = g.count * c, .of = g.of};
}

/// Decoder l over the chunks g, C_l forwards. Where chunks wait for each other's encoder states, all that is
/// below a unit is made and encoded before the next.
template <DecodeMachine M>
void make_chunks(const DecodePlan& plan, M& m, const Units& g) {
  const int64_t c = plan.level(g.level).chunk;
  m.convert(g);
  for (int64_t j = 0; j < c; ++j) {
    m.decode(g, j);
    const Units made = unit_of(plan, g, j);
    if (g.level == 1 && !plan.tokens_last) m.sample(made);
    if (g.level > 1 && plan.one_after_another && g.of == Stretch::meta_context) {
      make_chunks(plan, m, made);
      m.encode(made);
    }
    if (j + 1 < c) m.feed(g, j);
  }
  if (g.level == 1 && plan.tokens_last) m.sample(units_of(plan, g));
}

/// All units of level l in a meta-context.
inline Units every_unit(const DecodePlan& plan, int l, Stretch of = Stretch::meta_context) {
  return {.level = l, .count = plan.level(l).units, .of = of};
}

/// The next meta-context of every row; vanilla's is a token. Unrolled: its latents below the top.
template <DecodeMachine M>
void decode_meta_context(const DecodePlan& plan, M& m) {
  const Units top = every_unit(plan, plan.depth());
  if (plan.depth() == 0) {
    m.encode(top);
    m.sample({.first = plan.spec.target_shift()});
    return;
  }
  if (plan.one_after_another) {
    make_chunks(plan, m, top);
    m.encode(top);
  } else {
    for (int l = plan.depth(); l >= plan.lowest_decoder; --l) make_chunks(plan, m, every_unit(plan, l));
    for (int l = plan.lowest_encoder; l <= plan.depth(); ++l) m.encode(every_unit(plan, l));
  }
  m.remember(top);
}

/// Unrolled: what lies below those latents, of all meta-contexts of the answer together.
template <DecodeMachine M>
void decode_rest_of_answer(const DecodePlan& plan, M& m) {
  for (int l = plan.lowest_decoder - 1; l >= 1; --l)
    make_chunks(plan, m, every_unit(plan, l, Stretch::answer));
}

/// The first `meta_contexts` of prompts that are at least so long: all encoders, and the decoders whose last
/// latents the first new chunks are conditioned on.
template <DecodeMachine M>
void prefill(const DecodePlan& plan, M& m, int64_t meta_contexts) {
  const auto units = [&](int l) { return meta_contexts * plan.level(l).units; };
  const int lowest = std::min(1, plan.depth());
  for (int l = lowest; l <= plan.depth(); ++l)
    m.encode({.level = l, .count = units(l), .of = Stretch::prompt});
  if (plan.depth() == 0) {
    m.sample({.first = meta_contexts - 1 + plan.spec.target_shift(), .of = Stretch::prompt});
    return;
  }
  m.remember({.level = plan.depth(), .count = meta_contexts, .of = Stretch::prompt});
  for (int l = plan.depth(); l >= 2 && plan.level(l).prefill_chunks > 0; --l) {
    const int64_t n = std::min(units(l), plan.level(l).prefill_chunks);
    const Units last{.level = l, .first = units(l) - n, .count = n, .of = Stretch::prompt};
    make_chunks(plan, m, last);
    m.remember(units_of(plan, last));
  }
}

}  // namespace photon
