// SPDX-License-Identifier: Apache-2.0
#include "app/floor/crossings.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <memory>
#include <sstream>

#include "analysis/crossings.h"
#include "analysis/draw/format.h"
#include "app/floor/ceilings.h"
#include "app/json.h"
#include "app/model_source.h"
#include "app/sweep_checks.h"
#include "bench/sweep.h"
#include "core/base/error.h"
#include "core/base/table.h"
#include "core/cost/floor.h"
#include "core/cost/hardware.h"

namespace photon::app {
namespace {

using namespace analysis;
using Kind = Comparison::Kind;

struct Options {
  std::vector<std::filesystem::path> models;
  std::filesystem::path hardware;
  std::string generations = "hiergen";
  std::string contexts = "2048-1048576*2";
  std::string batches = "1-4096*8";
  std::string dtype = "bfloat16";
  std::string ceilings = "measured";
  std::string format = "md";
  std::vector<std::string> overrides;
};

struct Request {
  std::vector<DecodeCase> cases;
  FloorCeilings from;
  Ceilings ceilings;
  std::vector<int64_t> contexts, batches;
};

constexpr Comparison kv{Kind::kv_over_weights};
constexpr Comparison compute{Kind::arithmetic_over_bytes};

std::string commas(int64_t n) {
  return with_commas(std::to_string(n));
}

int64_t fitting(const Request& r, const DecodeCase& c, int64_t context) {
  return fitting_batch(c.spec,
                       {.prompt = c.whole(context),
                        .new_tokens = c.spec.meta_context(),
                        .generation = c.generation,
                        .weight_bytes = c.element_bytes,
                        .kv_bytes = c.element_bytes},
                       r.from.hardware.memory_bytes);
}

std::string title(const DecodeCase& c) {
  return c.spec.depth() == 0 ? c.spec.name : fmt::format("{}, {}", c.spec.name, to_string(c.generation));
}

/// Marked where no such batch fits the machine.
std::string batch_text(const Crossing& crossing, int64_t fits) {
  const bool beyond = !crossing.changes.empty() && crossing.changes.front() > fits;
  return to_string(crossing) + (beyond ? " (does not fit)" : "");
}

/// A row a context: the batches from which it is so.
std::string over_batches(const Request& r, const DecodeCase& c) {
  std::array<TableColumn, 4> t{{{"context", {}},
                                {"largest batch that fits", {}},
                                {"KV traffic over weights, batches", {}, true},
                                {"compute-bound, batches", {}, true}}};
  for (const int64_t context : r.contexts) {
    const int64_t fits = fitting(r, c, context);
    t[0].cells.push_back(commas(c.whole(context)));
    t[1].cells.push_back(fits == 0 ? "none" : commas(fits));
    t[2].cells.push_back(batch_text(over_batch(c, kv, r.ceilings, context), fits));
    t[3].cells.push_back(batch_text(over_batch(c, compute, r.ceilings, context), fits));
  }
  return markdown_table(t, 1);
}

/// A row a batch: the contexts from which it is so; of each cached stack by itself, too, where there are
/// more.
std::string over_contexts(const Request& r, const DecodeCase& c) {
  std::vector<TableColumn> t{{"batch", {}}};
  for (const int64_t batch : r.batches) t[0].cells.push_back(commas(batch));
  const auto add = [&](std::string title, const Comparison& comparison) {
    TableColumn& column = t.emplace_back(TableColumn{std::move(title), {}, true});
    for (const int64_t batch : r.batches)
      column.cells.push_back(to_string(over_context(c, comparison, r.ceilings, batch)));
  };
  add("KV traffic over weights, contexts", kv);
  add("compute-bound, contexts", compute);
  const auto caches = cached_parts(c);
  if (caches.size() > 1) {
    for (const NamedPart& p : caches)
      add(fmt::format("KV of {} over its own weights, contexts", p.name), {Kind::kv_over_weights, p.part});
  }
  return markdown_table(t, 1);
}

std::string products(const Request& r, const DecodeCase& c) {
  std::array<TableColumn, 2> t{{{"matrix products of", {}, true}, {"compute-bound, batches", {}, true}}};
  for (const NamedPart& p : product_parts(c)) {
    t[0].cells.push_back(p.name);
    t[1].cells.push_back(
        to_string(over_batch(c, {Kind::arithmetic_over_bytes, p.part}, r.ceilings, c.spec.meta_context())));
  }
  return markdown_table(t, 1);
}

std::string markdown(const Request& r, const DecodeCase& c) {
  const std::string out = fmt::format(
      "\n## {} ({})\n\nDecoding {} at a time.\n\n", title(c), c.spec.architecture(),
      c.spec.meta_context() == 1 ? "a token"
                                 : fmt::format("a meta-context of {} tokens", c.spec.meta_context()));
  return out + over_batches(r, c) + "\n" + over_contexts(r, c) + "\n" + products(r, c);
}

nlohmann::ordered_json to_json(const Crossing& c) {
  return {{"low", c.low}, {"high", c.high}, {"holds_at_low", c.at_low}, {"changes", c.changes}};
}

nlohmann::ordered_json to_json(const Request& r, const DecodeCase& c) {
  auto batches = nlohmann::ordered_json::array();
  for (const int64_t context : r.contexts) {
    batches.push_back({{"context", c.whole(context)},
                       {"largest_batch", fitting(r, c, context)},
                       {"kv_over_weights", to_json(over_batch(c, kv, r.ceilings, context))},
                       {"compute_bound", to_json(over_batch(c, compute, r.ceilings, context))}});
  }
  auto contexts = nlohmann::ordered_json::array();
  for (const int64_t batch : r.batches) {
    auto parts = nlohmann::ordered_json::array();
    for (const NamedPart& p : cached_parts(c)) {
      parts.push_back({{"part", p.name},
                       {"kv_over_own_weights",
                        to_json(over_context(c, {Kind::kv_over_weights, p.part}, r.ceilings, batch))}});
    }
    contexts.push_back({{"batch", batch},
                        {"kv_over_weights", to_json(over_context(c, kv, r.ceilings, batch))},
                        {"compute_bound", to_json(over_context(c, compute, r.ceilings, batch))},
                        {"caches", parts}});
  }
  auto products = nlohmann::ordered_json::array();
  for (const NamedPart& p : product_parts(c)) {
    products.push_back({{"part", p.name},
                        {"compute_bound", to_json(over_batch(c, {Kind::arithmetic_over_bytes, p.part},
                                                             r.ceilings, c.spec.meta_context()))}});
  }
  return {{"model", c.spec.name},
          {"architecture", c.spec.architecture()},
          {"generation", to_string(c.generation)},
          {"meta_context", c.spec.meta_context()},
          {"over_batch", batches},
          {"over_context", contexts},
          {"products", products}};
}

std::vector<int64_t> numbers_of(const std::string& text, const char* option, int64_t most) {
  auto numbers = bench::parse_sweep(text, option);
  for (const int64_t n : numbers) {
    if (n > most) throw UsageError(fmt::format("{} {}: up to {} here", option, n, most));
  }
  return numbers;
}

Request read(const Options& asked) {
  const DType dtype = parse_dtype(asked.dtype);
  Request r{.cases = {},
            .from = {load_hardware(asked.hardware), dtype, asked.ceilings == "datasheet"},
            .ceilings = {},
            .contexts = numbers_of(asked.contexts, "--context", int64_t{1} << 26),
            .batches = numbers_of(asked.batches, "--batch", int64_t{1} << 20)};
  r.ceilings = r.from.values();
  for (const ModelSpec& spec : load_model_specs(asked.models, asked.overrides)) {
    std::istringstream names(asked.generations);
    for (std::string name; std::getline(names, name, ',');) {
      const Generation generation = parse_generation(name);
      if (generation == Generation::recgen && spec.depth() < 2) continue;
      r.cases.push_back({spec, generation, element_bytes(dtype)});
    }
  }
  if (r.cases.empty()) {
    throw UsageError(fmt::format(
        "--generation {}: these models have no such generation; recgen needs two levels", asked.generations));
  }
  return r;
}

/// One for each number: batches at a context, contexts at a batch, of the whole or of a part.
nlohmann::ordered_json rows_of(const nlohmann::ordered_json& cases) {
  auto rows = nlohmann::ordered_json::array();
  for (const auto& c : cases) {
    const auto add = [&](const char* over, nlohmann::ordered_json values) {
      nlohmann::ordered_json row{{"model", c["model"]}, {"generation", c["generation"]}, {"over", over}};
      row.update(values);
      rows.push_back(std::move(row));
    };
    for (const auto& at : c["over_batch"]) add("batch", at);
    for (auto at : c["over_context"]) {
      const auto caches = at["caches"];
      at.erase("caches");
      add("context", at);
      for (auto cache : caches) {
        cache["batch"] = at["batch"];
        add("context", cache);
      }
    }
    for (const auto& product : c["products"]) add("batch", product);
  }
  return rows;
}

void run(const Options& asked) {
  const Request request = read(asked);
  if (asked.format != "md") {
    auto cases = nlohmann::ordered_json::array();
    for (const DecodeCase& c : request.cases) cases.push_back(to_json(request, c));
    nlohmann::ordered_json all = {{"hardware", request.from.hardware.name}};
    all.update(to_json(request.from));
    all["cases"] = cases;
    return print_json(all, rows_of(cases), asked.format);
  }
  // All of it first: a case that cannot be counted leaves no half of a page behind.
  std::string cases;
  for (const DecodeCase& c : request.cases) cases += markdown(request, c);
  fmt::print(
      "Crossing points of decoding on {}: {}\nSolved for on the cost model, batches up to {}, contexts up to "
      "{}. A "
      "number is the first at\nwhich it is so (\"from\") or no longer so (\"below\").\n",
      request.from.hardware.name, describe(request.from), commas(largest_crossing_batch),
      commas(longest_crossing_context));
  fmt::print("{}", cases);
}

}  // namespace

void add_floor_crossings(CommandLine command) {
  const auto o = std::make_shared<Options>();
  command.add_models(o->models).required();
  command.add_hardware(o->hardware).required();
  command
      .add_option("--generation", o->generations,
                  "hiergen, recgen or both; a model that lacks one is left out of it")
      .check(words(parse_generation))
      .capture_default_str();
  command.add_option("--context", o->contexts, "Tokens at which batches are solved for: a list or range")
      .check(numbers("--context"))
      .capture_default_str();
  command.add_option("--batch", o->batches, "Batches at which contexts are solved for: a list or range")
      .check(numbers("--batch"))
      .capture_default_str();
  command.add_dtype(o->dtype);
  command.add_ceilings(o->ceilings);
  command.add_format(o->format);
  command.add_overrides(o->overrides, "Override a key of every spec");
  command.footer(
      "Example:\n  photon floor crossings photon-600m vanilla-600m --hardware h200 --context 2048,65536 "
      "--batch 1,64");
  command.callback([o] { run(*o); });
}

}  // namespace photon::app
