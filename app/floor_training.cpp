// SPDX-License-Identifier: Apache-2.0
#include "app/floor_training.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/floor_ceilings.h"
#include "bench/training.h"
#include "core/base/error.h"
#include "core/cost/floor.h"
#include "core/cost/training_floor.h"

namespace photon {
namespace {

struct Result {
  const FloorTraining& asked;
  FloorCeilings ceilings;
  int64_t rows = 0;
  int64_t fitting = 0;  ///< rows that fit
  TrainingPlan plan;
  TrainingFloor floor;

  double tokens() const { return static_cast<double>(rows * asked.length); }
  double mfu() const { return floor.flops / floor.seconds / ceilings.values().matrix_rate; }
};

double bytes_of(const Work& w) {
  return w.floor_bytes() + w.other_bytes;
}

nlohmann::ordered_json to_json(const Result& r) {
  auto ops = nlohmann::ordered_json::array();
  for (const TrainingOp& op : r.floor.ops) {
    ops.push_back({{"phase", op.phase},
                   {"op", op.op},
                   {"launches", op.launches},
                   {"bytes", bytes_of(op.work)},
                   {"flops", op.work.flops},
                   {"seconds", op.seconds}});
  }
  nlohmann::ordered_json json = {{"model", r.asked.spec.name},
                                 {"architecture", r.asked.spec.architecture()},
                                 {"hardware", r.asked.hardware.name},
                                 {"batch", r.rows},
                                 {"length", r.asked.length},
                                 {"recompute", to_string(r.asked.recompute)},
                                 {"fits", r.plan.fits()},
                                 {"largest_batch", r.fitting},
                                 {"training_flops", r.floor.flops},
                                 {"again_flops", r.floor.flops_again},
                                 {"launches", r.floor.launches},
                                 {"step_seconds", r.floor.seconds},
                                 {"tokens_per_s", nullptr},
                                 {"mfu", r.mfu()},
                                 {"memory_bytes", r.plan.total()},
                                 {"memory_usable_bytes", r.plan.available},
                                 {"ops", ops}};
  if (r.plan.fits()) json["tokens_per_s"] = r.tokens() / r.floor.seconds;
  json.update(to_json(r.ceilings));
  return json;
}

void print_markdown(const Result& r) {
  fmt::print("{} ({}) on {}: a training step of {} rows of {} tokens, recompute {}\n", r.asked.spec.name,
             r.asked.spec.architecture(), r.asked.hardware.name, r.rows, r.asked.length,
             to_string(r.asked.recompute));
  fmt::print(
      "ceilings: {}\nmemory: {}{}\n\n", describe(r.ceilings), describe(r.plan),
      r.plan.fits() ? "" : fmt::format(": {} rows do not fit, {} do (--batch max)", r.rows, r.fitting));
  fmt::print("| phase | op | launches | GB | TFLOP | ms | share |\n|---|---|--:|--:|--:|--:|--:|\n");
  const auto line = [&](const std::string& phase, const std::string& op, int64_t launches, const Work& work,
                        double seconds) {
    fmt::print("| {} | {} | {} | {:.4g} | {:.4g} | {:.4g} | {:.1f} % |\n", phase, op, launches,
               bytes_of(work) / 1e9, work.flops / 1e12, seconds * 1e3, 100.0 * seconds / r.floor.seconds);
  };
  std::vector<TrainingOp> phases;
  Work all;
  for (const TrainingOp& op : r.floor.ops) {
    line(op.phase, op.op, op.launches, op.work, op.seconds);
    auto at = std::find_if(phases.begin(), phases.end(), [&](const auto& p) { return p.phase == op.phase; });
    if (at == phases.end()) at = phases.insert(at, {.phase = op.phase, .op = "all", .work = {}});
    at->launches += op.launches;
    at->work += op.work;
    at->seconds += op.seconds;
    all += op.work;
  }
  for (const TrainingOp& p : phases) line(p.phase, p.op, p.launches, p.work, p.seconds);
  line("step", "all", r.floor.launches, all, r.floor.seconds);
  fmt::print("\n{:.4g} ms a step, {}, {:.1f} % MFU of {:.4g} TFLOP{}\n", r.floor.seconds * 1e3,
             r.plan.fits() ? fmt::format("{:.4g} k tok/s", r.tokens() / r.floor.seconds / 1e3)
                           : std::string("no tok/s: it does not fit"),
             100.0 * r.mfu(), r.floor.flops / 1e12,
             r.floor.flops_again > 0.0 ? fmt::format("; {:.4g} TFLOP computed again count as time alone",
                                                     r.floor.flops_again / 1e12)
                                       : "");
}

}  // namespace

void floor_training(const FloorTraining& request) {
  if (request.length % request.spec.meta_context() != 0) {
    throw Error(fmt::format("--length {}: rows of '{}' divide by its meta-context, {} tokens", request.length,
                            request.spec.name, request.spec.meta_context()));
  }
  if (request.rows > bench::largest_training_rows) {
    throw UsageError(fmt::format("--batch {}: a training step has up to {} rows", request.rows,
                                 bench::largest_training_rows));
  }
  const auto backend = backends().make("emulated");
  const bench::TrainingCase c{
      .spec = request.spec, .length = request.length, .loss = {}, .recompute = request.recompute};
  const auto available =
      static_cast<int64_t>(usable_share * static_cast<double>(request.hardware.memory_bytes));
  const int64_t fitting = bench::most_training_rows(*backend, c, available);
  Result r{.asked = request,
           .ceilings = {request.hardware, backend->own_dtype(), request.data_sheet},
           .rows = request.rows > 0 ? request.rows : fitting,
           .fitting = fitting,
           .plan = {},
           .floor = {}};
  if (r.rows == 0) {
    throw Error(fmt::format("{}: not even one row of {} tokens fits {}", request.spec.name, request.length,
                            request.hardware.name));
  }
  r.plan = backend->training_plan(c.spec, r.rows, c.length, c.loss, c.recompute).value();
  r.plan.available = available;
  const TokenBatch batch = bench::random_tokens(c.spec, r.rows, c.length, 1);
  r.floor =
      training_floor(backend->training_launches(c.spec, batch, c.loss, c.recompute), r.ceilings.values());
  if (request.json) {
    fmt::print("{}\n", to_json(r).dump(2));
  } else {
    print_markdown(r);
  }
}

}  // namespace photon
