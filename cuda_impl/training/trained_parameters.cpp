// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/training/trained_parameters.h"

#include <algorithm>
#include <cmath>

#include "cuda_impl/kernels/adamw.h"
#include "cuda_impl/kernels/squared_norm.h"

namespace photon::PHOTON_GPU {
namespace {

std::vector<ParameterTile> tiles_of(const ParameterPlaces& places) {
  std::vector<ParameterRange> ranges;
  for (size_t i = 0; i < places.list().size(); ++i) {
    const ParameterInfo& p = places.list()[i];
    ranges.push_back({.offset = places.first(i),
                      .size = p.size(),
                      .place = places.first(i),
                      .decay = p.decay,
                      .trained = p.trained});
  }
  return parameter_tiles(ranges);
}

struct Layout {
  float* arrays;
  bf16* rounded;
  ParameterTile* tiles;
  double* norm_partial;
  double* norm;

  Layout(Arena& arena, int64_t elements, size_t tile_count) {
    constexpr auto use = Arena::Use::workspace;
    const auto count = static_cast<int64_t>(tile_count);
    arrays = arena.take<float>(use, 4 * elements);
    rounded = arena.take<bf16>(use, elements);
    tiles = arena.take<ParameterTile>(use, count);
    norm_partial = arena.take<double>(use, count);
    norm = arena.take<double>(use, 1);
  }
};

int64_t measured(int64_t elements, size_t tiles) {
  Arena arena;
  Layout(arena, elements, tiles);
  return arena.bytes();
}

}  // namespace

TrainedParameters::Bytes TrainedParameters::bytes(const ModelSpec& spec) {
  const ParameterPlaces places(spec);
  const int64_t array = places.elements() * static_cast<int64_t>(sizeof(float));
  const int64_t rounded = places.elements() * static_cast<int64_t>(sizeof(bf16));
  return {.weights = array + rounded,
          .gradients = array,
          .moments = 2 * array,
          .workspace = measured(places.elements(), tiles_of(places).size()) - 4 * array - rounded};
}

TrainedParameters::TrainedParameters(const ModelSpec& spec, std::span<const float> parameters, Stream& stream)
    : places_(spec),
      tiles_(tiles_of(places_)),
      memory_(stream.dry() ? 0 : measured(places_.elements(), tiles_.size())) {
  Arena arena = stream.dry() ? Arena() : Arena(memory_.data());
  const Layout at(arena, places_.elements(), tiles_.size());
  arrays_ = at.arrays;
  rounded_ = at.rounded;
  device_tiles_ = at.tiles;
  norm_partial_ = at.norm_partial;
  norm_ = at.norm;
  for (const ParameterTile& tile : tiles_) (tile.trained ? trained_ : frozen_) += tile.count;
  stream.clear(arrays_, 4 * places_.elements() * static_cast<int64_t>(sizeof(float)));
  stream.upload(device_tiles_, tiles_);
  if (!stream.dry()) write(stream, Array::parameters, parameters);
  weights_ = places_.view<const bf16>(rounded_);
  gradients_ = places_.view<float>(array(Array::gradients));
}

double TrainedParameters::gradient_norm(Stream& stream) const {
  const Stream::Scope scope(stream, "optimizer");
  squared_norm(stream, {.values = array(Array::gradients),
                        .tiles = device_tiles_,
                        .tile_count = std::ssize(tiles_),
                        .elements = trained_,
                        .workspace = norm_partial_,
                        .sum = norm_});
  double squares = 0.0;
  stream.download(std::span(&squares, 1), norm_);
  return std::sqrt(squares);
}

void TrainedParameters::clear_gradients(Stream& stream) const {
  stream.clear(array(Array::gradients), places_.elements() * static_cast<int64_t>(sizeof(float)));
}

void TrainedParameters::adamw_step(Stream& stream, const AdamWStep& step) const {
  const Stream::Scope scope(stream, "optimizer");
  adamw(stream, {.parameters = array(Array::parameters),
                 .gradients = array(Array::gradients),
                 .first = array(Array::first),
                 .second = array(Array::second),
                 .weights = rounded_,
                 .tiles = device_tiles_,
                 .tile_count = std::ssize(tiles_),
                 .trained_elements = trained_,
                 .frozen_elements = frozen_,
                 .factors = adamw_factors(step)});
}

void TrainedParameters::read(Stream& stream, Array from, std::span<float> out) const {
  for (size_t i = 0; i < places_.list().size(); ++i) {
    const ParameterInfo& p = places_.list()[i];
    const auto to = out.subspan(p.offset, static_cast<size_t>(p.size()));
    stream.download<float>(to, array(from) + places_.first(i));
  }
}

void TrainedParameters::write(Stream& stream, Array to, std::span<const float> in) {
  std::vector<float> values;
  std::vector<bf16> rounded;
  for (size_t i = 0; i < places_.list().size(); ++i) {
    const ParameterInfo& p = places_.list()[i];
    const auto begin = in.begin() + p.offset;
    values.assign(begin, begin + p.size());
    stream.upload(array(to) + places_.first(i), values);
    if (to != Array::parameters) continue;
    rounded.resize(values.size());
    std::ranges::transform(values, rounded.begin(), [](float v) { return to_bf16(v); });
    stream.upload(rounded_ + places_.first(i), rounded);
  }
}

}  // namespace photon::PHOTON_GPU
