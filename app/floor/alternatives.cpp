// SPDX-License-Identifier: Apache-2.0
#include "app/floor/alternatives.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "analysis/alternatives/alternatives.h"
#include "analysis/draw/format.h"
#include "app/json.h"
#include "app/sweep_checks.h"
#include "bench/sweep.h"
#include "core/base/error.h"
#include "core/model/dtype.h"
#include "core/model/model_config.h"

namespace photon::app {
namespace {

namespace alternatives = analysis::alternatives;
using alternatives::Alternative;
using alternatives::Cost;

struct Options {
  std::filesystem::path model;
  std::string contexts = "2048-1048576*2";
  std::string dtype = "bfloat16";
  std::string format = "md";
  std::vector<std::string> overrides;
};

struct Request {
  ModelSpec base;
  std::vector<int64_t> contexts;  ///< tokens
  int64_t element_bytes = 2;
};

nlohmann::ordered_json to_json(const Request& r, const std::vector<Alternative>& list) {
  auto rows = nlohmann::ordered_json::array();
  for (const Alternative& a : list) {
    for (const int64_t context : r.contexts) {
      const Cost cost = a.at(context);
      rows.push_back({{"method", a.name},
                      {"setting", a.setting},
                      {"source", a.source},
                      {"answers", alternatives::to_string(a.answers)},
                      {"context", context},
                      {"kv_bytes_held_per_sample", cost.held},
                      {"kv_bytes_read_per_token", cost.read},
                      {"kv_bytes_written_per_token", cost.written}});
    }
  }
  return {{"model", r.base.name},
          {"element_bytes", r.element_bytes},
          {"answer_tokens", alternatives::answer_tokens},
          {"rows", rows}};
}

template <class Value>
void print_table(const Request& r, const std::vector<Alternative>& list, const char* what, Value value) {
  fmt::print("\n{}\n\n| method |", what);
  for (const int64_t context : r.contexts)
    fmt::print(" {} |", analysis::with_commas(std::to_string(context)));
  fmt::print(" of multi-head at the last |\n|---|");
  for (size_t i = 0; i <= r.contexts.size(); ++i) fmt::print("--:|");
  fmt::print("\n");
  const double full = value(list.front().at(r.contexts.back()));
  for (const Alternative& a : list) {
    fmt::print("| {} |", a.name);
    for (const int64_t context : r.contexts)
      fmt::print(" {} |", analysis::readable_bytes(value(a.at(context))));
    fmt::print(" {} |\n", analysis::significant(value(a.at(r.contexts.back())) / full));
  }
}

void print_markdown(const Request& r, const std::vector<Alternative>& list) {
  fmt::print(
      "Caches of a model with the layers, width and heads of {}, {}-byte numbers unless a line says "
      "otherwise.\n"
      "No line says anything of quality: only \"same\" gives the answers of multi-head attention.\n\n"
      "| method | setting | answers | source |\n|---|---|---|---|\n",
      r.base.name, r.element_bytes);
  for (const Alternative& a : list) {
    fmt::print("| {} | {} | {} | {} |\n", a.name, a.setting, alternatives::to_string(a.answers), a.source);
  }
  print_table(r, list, "KV bytes held by a sample, at contexts of so many tokens:", [](const Cost& c) {
    return c.held;
  });
  print_table(
      r, list,
      fmt::format("KV bytes read and written for a decoded token, mean over the last {} of the context:",
                  alternatives::answer_tokens)
          .c_str(),
      [](const Cost& c) { return c.moved(); });
}

void run(const Options& o) {
  const Request request{.base = load_model_spec(o.model, o.overrides),
                        .contexts = bench::parse_sweep(o.contexts, "--context"),
                        .element_bytes = element_bytes(parse_dtype(o.dtype))};
  for (const int64_t context : request.contexts) {
    if (context < alternatives::shortest_context || context > alternatives::longest_context) {
      throw UsageError(fmt::format("--context {}: {} to {} tokens", context, alternatives::shortest_context,
                                   alternatives::longest_context));
    }
  }
  const auto list = alternatives::alternatives(request.base, request.element_bytes);
  if (o.format == "md") {
    print_markdown(request, list);
  } else {
    const auto json = to_json(request, list);
    print_json(json, json["rows"], o.format);
  }
}

}  // namespace

void add_floor_alternatives(CommandLine command) {
  const auto o = std::make_shared<Options>();
  command.add_model(o->model, "Vanilla model: a name (photon list models) or a spec file").required();
  command.add_option("--context", o->contexts, "Tokens: a list or range")
      .check(numbers("--context"))
      .capture_default_str();
  command.add_dtype(o->dtype);
  command.add_format(o->format);
  command.add_overrides(o->overrides, "Override a key of the spec");
  command.footer("Example:\n  photon floor alternatives vanilla-600m --context 2048,65536");
  command.callback([o] { run(*o); });
}

}  // namespace photon::app
