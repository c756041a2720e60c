// SPDX-License-Identifier: Apache-2.0
// What a longer context costs: the cache of one sample and the bytes moved for one token, from the cost
// model.
#include <fmt/format.h>

#include <cmath>

#include "analysis/draw/format.h"
#include "analysis/figures/figures.h"
#include "analysis/join/measurements.h"
#include "analysis/page/page_template.h"
#include "core/cost/cost.h"

namespace photon::analysis {
namespace {

constexpr int64_t shortest = int64_t{2} << 10;
constexpr int64_t longest = int64_t{1} << 20;
constexpr int64_t answer = 128;  // tokens over which decode traffic is averaged

struct Way {
  Generation generation;
  Schedule schedule;
  std::string name;
};

std::vector<Way> ways_of(const ModelSpec& spec, bool schedules) {
  const std::string architecture(spec.architecture());
  const auto way = [&](Generation generation, Schedule schedule, const char* gen_name,
                       const char* schedule_name) {
    return Way{generation, schedule, method_name(architecture, gen_name, schedule_name)};
  };
  std::vector<Way> ways{way(Generation::hiergen, Schedule::streamed, "hiergen", "")};
  if (spec.depth() < 2) return ways;
  ways.push_back(way(Generation::recgen, Schedule::streamed, "recgen", schedules ? "streamed" : ""));
  if (schedules) ways.push_back(way(Generation::recgen, Schedule::unrolled, "recgen", "unrolled"));
  return ways;
}

Workload workload_at(int64_t context, const Way& way, int64_t batch, int element_bytes) {
  return {.prompt = context - answer,
          .new_tokens = answer,
          .batch = batch,
          .generation = way.generation,
          .schedule = way.schedule,
          .weight_bytes = element_bytes,
          .kv_bytes = element_bytes};
}

template <class Value>
std::vector<Series> curves(const SpecGroup& group, bool schedules, const Looks& looks, Value value) {
  std::vector<Series> all;
  for (const ModelSpec& spec : group.specs) {
    for (const Way& way : ways_of(spec, schedules)) {
      Series series{looks.title(spec.name, way.name),
                    looks.of(spec.name, way.name),
                    Series::Kind::line_points,
                    {},
                    false};
      for (int64_t context = shortest; context <= longest; context *= 2) {
        const double y = value(spec, way, context);
        series.points.push_back(
            {.x = static_cast<double>(context),
             .y = y,
             .tip = fmt::format("{}, {}\ncontext of {} tokens: {}", spec.name, way.name,
                                with_commas(std::to_string(context)), readable_bytes(y))});
      }
      all.push_back(std::move(series));
    }
  }
  return all;
}

PlotAxis context_axis() {
  return {.label = "context (tokens)",
          .scale = PlotAxis::Scale::log,
          .ticks = PlotAxis::Ticks::tokens,
          .low = 0.8 * shortest,
          .high = 1.25 * longest};
}

CaptionedFigure cache_figure(std::span<const SpecGroup> groups, int element_bytes, const Looks& looks) {
  Figure figure;
  figure.name = "context-kv-bytes";
  figure.title = "KV bytes of one sample against context length";
  figure.panel_height = 320;
  for (const SpecGroup& group : groups) {
    PlotPanel panel;
    panel.title = group.title;
    panel.x = context_axis();
    panel.y = {
        .label = "KV bytes a sample, ideal", .scale = PlotAxis::Scale::log, .ticks = PlotAxis::Ticks::bytes};
    panel.series = curves(group, false, looks, [&](const ModelSpec& spec, const Way& way, int64_t context) {
      return kv_bytes_ideal(spec, workload_at(context, way, 1, element_bytes));
    });
    figure.panels.push_back(std::move(panel));
  }
  return {std::move(figure),
          page_template().fill("figure-context-kv-bytes", {{"bytes", fmt::to_string(element_bytes)}})};
}

CaptionedFigure traffic_figure(std::span<const SpecGroup> groups, int element_bytes, const Looks& looks) {
  Figure figure;
  figure.name = "context-decode-traffic";
  figure.title = "Bytes moved for one decoded token against context length";
  figure.panel_height = 320;
  for (const SpecGroup& group : groups) {
    for (const int64_t batch : {1, 64}) {
      PlotPanel panel;
      panel.title = fmt::format("{}, batch {}", group.title, batch);
      panel.x = context_axis();
      panel.y = {.label = "bytes a token, weights and KV",
                 .scale = PlotAxis::Scale::log,
                 .ticks = PlotAxis::Ticks::bytes};
      panel.series = curves(group, true, looks, [&](const ModelSpec& spec, const Way& way, int64_t context) {
        const auto work = total(request_cost(spec, workload_at(context, way, batch, element_bytes)).decode);
        return work.floor_bytes() / static_cast<double>(answer * batch);
      });
      figure.panels.push_back(std::move(panel));
    }
  }
  return {std::move(figure),
          page_template().fill("figure-context-decode-traffic", {{"answer", fmt::to_string(answer)},
                                                                 {"bytes", fmt::to_string(element_bytes)}})};
}

}  // namespace

std::vector<CaptionedFigure> context_figures(std::span<const SpecGroup> groups, int element_bytes,
                                             const Looks& looks) {
  if (groups.empty()) return {};
  return {cache_figure(groups, element_bytes, looks), traffic_figure(groups, element_bytes, looks)};
}

}  // namespace photon::analysis
