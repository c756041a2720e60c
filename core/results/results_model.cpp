// SPDX-License-Identifier: Apache-2.0
// What a row says about a model, the same words from every command.
#include <fmt/format.h>

#include <string>

#include "core/model/parameters.h"
#include "core/results/results.h"

namespace photon {

void set_model(ResultRow& row, const ModelSpec& spec) {
  std::string width = fmt::to_string(spec.base.width);
  std::string chunks;
  std::string prefix;
  for (int l = 1; l <= spec.depth(); ++l) {
    const std::string_view between = l == 1 ? "" : "x";
    if (spec.shape(l).width != spec.base.width) width += fmt::format("x{}", spec.shape(l).width);
    chunks += fmt::format("{}{}", between, spec.level(l).chunk);
    prefix += fmt::format("{}{}", between, spec.level(l).prefix);
  }
  row.set("model", spec.name);
  row.set("architecture", spec.architecture());
  row.set("reading", spec.reading_name());
  row.set("parameters", parameters_total(spec));
  row.set("width", width);
  row.set("chunks", chunks);
  row.set("prefix", prefix);
}

}  // namespace photon
