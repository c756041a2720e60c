// SPDX-License-Identifier: Apache-2.0
#include "core/cost/inspect.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/cost/cost.h"
#include "core/model/parameters.h"

namespace photon {
namespace {

std::string stack_words(const StackShape& s, int64_t layers) {
  const std::string heads =
      s.kv_heads == s.heads ? fmt::format("{}", s.heads) : fmt::format("{}/{}", s.heads, s.kv_heads);
  return fmt::format("{} layer{}, width {}, ffn {}, heads {} of {}", layers, layers == 1 ? "" : "s", s.width,
                     s.ffn, heads, s.head_size());
}

/// The module that a parameter belongs to: its name up to the part that tells modules of one level apart.
ModuleCount module_of(const ModelSpec& spec, const std::string& parameter) {
  if (parameter == "head.weight") {
    return {"head", 0, fmt::format("{} x {}, untied", spec.base.width, spec.vocab)};
  }
  const bool encoder = parameter.starts_with("encoder.");
  if (parameter.find(".embedding.") != std::string::npos) {
    return {encoder ? "encoder.embedding" : "decoder.1.embedding", 0,
            fmt::format("{} x {}", spec.vocab, encoder ? spec.embedding_width() : spec.base.width)};
  }
  const std::string level_name = parameter.substr(0, parameter.find('.', parameter.find('.') + 1));
  const int l = std::stoi(level_name.substr(level_name.find('.') + 1));
  if (parameter.find(".chunker.") != std::string::npos) {
    const int64_t in = spec.level(l).chunk * spec.shape(l - 1).width;
    return {level_name + ".chunker", 0,
            fmt::format("norm and linear {} -> {}, bias", in, spec.shape(l).width)};
  }
  if (parameter.find(".converter.") != std::string::npos) {
    const LevelSpec& s = spec.level(l);
    return {level_name + ".converter", 0,
            fmt::format("linear {} -> {} x {}, bias",
                        s.converter_context == 1 ? fmt::format("{}", s.shape.width)
                                                 : fmt::format("{} x {}", s.converter_context, s.shape.width),
                        s.prefix, spec.shape(l - 1).width)};
  }
  return {level_name + ".stack", 0,
          encoder ? stack_words(spec.shape(l), spec.level(l).encoder_layers)
                  : stack_words(spec.shape(l - 1), spec.decoder_layers(l))};
}

/// 646399104 -> "646,399,104".
std::string grouped(int64_t value) {
  std::string text = fmt::format("{}", value);
  for (int64_t at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<size_t>(at), 1, ',');
  return text;
}

}  // namespace

Inspection inspect(const ModelSpec& spec, int64_t context) {
  spec.validate();
  if (context <= 0 || context % spec.meta_context() != 0) {
    throw UsageError(
        fmt::format("a context of {} tokens: a positive multiple of the meta-context, {}, is wanted", context,
                    spec.meta_context()));
  }
  Inspection out;
  out.spec = spec;
  out.context = context;
  for (const ParameterInfo& p : parameter_list(spec)) {
    if (!p.counted) {
      out.start_latents += p.size();
      continue;
    }
    ModuleCount module = module_of(spec, p.name);
    auto it = std::find_if(out.modules.begin(), out.modules.end(),
                           [&](const auto& m) { return m.name == module.name; });
    if (it == out.modules.end()) it = out.modules.insert(out.modules.end(), std::move(module));
    it->parameters += p.size();
    out.parameters_total += p.size();
  }

  const auto tokens = static_cast<double>(context);
  Workload workload;  // bfloat16, nothing but a past of `context` tokens
  workload.prompt = context;
  out.flops_per_token = forward_flops(spec, context) / tokens;
  out.kv_bytes_per_token_hiergen = kv_bytes_ideal(spec, workload) / tokens;
  const int top = spec.depth();
  for (int l = spec.first_encoder(); l <= top; ++l) {
    const int64_t units = context / spec.cumulative_chunk(l);
    out.kv_units.hiergen += spec.visibility(l).held(units);
    out.kv_units.first_version += units;
    if (l > 0) out.kv_units.first_version += context / spec.cumulative_chunk(l - 1) * spec.level(l).prefix;
  }
  if (top >= 2) {
    workload.generation = Generation::recgen;
    out.kv_bytes_per_token_recgen = kv_bytes_ideal(spec, workload) / tokens;
    out.kv_units.recgen = spec.visibility(top).held(context / spec.cumulative_chunk(top));
  }
  return out;
}

std::string to_json(const Inspection& x) {
  nlohmann::ordered_json json;
  json["name"] = x.spec.name;
  json["architecture"] = x.spec.architecture();
  json["parameters_total"] = x.parameters_total;
  json["modules"] = nlohmann::ordered_json::array();
  for (const ModuleCount& m : x.modules)
    json["modules"].push_back({{"name", m.name}, {"parameters", m.parameters}});
  json["start_latents"] = x.start_latents;
  json["context"] = x.context;
  json["flops_per_token"] = x.flops_per_token;
  json["kv_units_hiergen"] = x.kv_units.hiergen;
  json["kv_units_recgen"] = nullptr;
  json["kv_units_first_version"] = x.kv_units.first_version;
  json["kv_bytes_per_token_hiergen"] = x.kv_bytes_per_token_hiergen;
  json["kv_bytes_per_token_recgen"] = nullptr;
  if (x.kv_units.recgen) json["kv_units_recgen"] = *x.kv_units.recgen;
  if (x.kv_bytes_per_token_recgen) json["kv_bytes_per_token_recgen"] = *x.kv_bytes_per_token_recgen;
  return json.dump(2) + "\n";
}

std::string to_markdown(const Inspection& x) {
  const ModelSpec& spec = x.spec;
  std::string out = fmt::format("# {}: {}", spec.name, spec.architecture());
  if (spec.depth() > 0) {
    std::vector<std::string> chunks;
    for (const LevelSpec& l : spec.levels) chunks.push_back(fmt::format("{}", l.chunk));
    out += fmt::format(", chunks {}, reading {}", fmt::join(chunks, " x "), to_string(spec.reading));
  }
  size_t name = 6;
  size_t what = 5;
  for (const ModuleCount& m : x.modules) {
    name = std::max(name, m.name.size());
    what = std::max(what, m.what.size());
  }
  const auto row = [&](std::string_view a, int64_t n, std::string_view b) {
    out += fmt::format("| {:<{}} | {:>14} | {:<{}} |\n", a, name, grouped(n), b, what);
  };
  out += fmt::format("\n\n| {:<{}} | {:>14} | {:<{}} |\n", "module", name, "parameters", "shape", what);
  out += fmt::format("|-{:-<{}}-|-{:->14}:|-{:-<{}}-|\n", "", name, "", "", what);
  for (const ModuleCount& m : x.modules) row(m.name, m.parameters, m.what);
  row("total", x.parameters_total, "");
  if (x.start_latents > 0) {
    out += fmt::format("\n{} more in the file: start latents, which the paper's totals leave out.\n",
                       grouped(x.start_latents));
  }

  out += fmt::format("\nForward FLOPs a token, over {} tokens: {}.\n", grouped(x.context),
                     grouped(std::llround(x.flops_per_token)));

  const auto optional = [](const auto& value, const char* format) {
    return value ? fmt::format(fmt::runtime(format), *value) : std::string("-");
  };
  out += fmt::format("\n| {:<45} |    hiergen |     recgen |\n",
                     fmt::format("after {} tokens", grouped(x.context)));
  out += "|-----------------------------------------------|-----------:|-----------:|\n";
  out += fmt::format("| KV bytes a token (ideal, bfloat16)            | {:>10.1f} | {:>10} |\n",
                     x.kv_bytes_per_token_hiergen, optional(x.kv_bytes_per_token_recgen, "{:.1f}"));
  out += fmt::format("| KV units: sum of M_l; M_L                     | {:>10} | {:>10} |\n",
                     x.kv_units.hiergen, optional(x.kv_units.recgen, "{}"));
  out += fmt::format("| KV units, first version: M_l + M_(l-1) R_l    | {:>10} | {:>10} |\n",
                     x.kv_units.first_version, "-");
  return out;
}

}  // namespace photon
