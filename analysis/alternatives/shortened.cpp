// SPDX-License-Identifier: Apache-2.0
#include "analysis/alternatives/shortened.h"

namespace photon::analysis::alternatives {
namespace {

HeadCache one_layer(HeadCache base) {
  base.layers = 1;
  return base;
}

}  // namespace

double Shortened::held(int64_t tokens) const {
  int64_t rows = 0;
  for (const Stage& s : stages) rows += s.layers * (tokens / s.shortening);
  return layer.held(rows);
}

Moved Shortened::step(int64_t tokens) const {
  int64_t read = 0;
  int64_t written = 0;
  for (const Stage& s : stages) {
    if ((tokens + 1) % s.shortening != 0) continue;
    read += s.layers * (tokens / s.shortening);
    written += s.layers;
  }
  return {layer.held(read), layer.held(written)};
}

Shortened block_transformer(HeadCache base, int64_t block) {
  return {one_layer(base), {{base.layers / 2, block}}};
}

Shortened megabyte(HeadCache base, int64_t patch) {
  return {one_layer(base), {{base.layers / 2, patch}}};
}

Shortened hourglass(HeadCache base, int64_t shortening) {
  const int64_t outer = base.layers / 4;
  return {one_layer(base), {{2 * outer, 1}, {base.layers - 2 * outer, shortening}}};
}

Shortened funnel(HeadCache base) {
  const int64_t encoder = base.layers - 2;
  const int64_t third = encoder / 3;
  return {one_layer(base), {{encoder - 2 * third + 2, 1}, {third, 2}, {third, 4}}};
}

}  // namespace photon::analysis::alternatives
