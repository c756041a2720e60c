#include "app/floor_training.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "bench/training.h"
#include "core/error.h"
#include "core/training_floor.h"

namespace photon {
namespace {

constexpr double usable = 0.95;  // of a device's memory, as its plans take it

struct Result {
  const FloorTraining& asked;
  Ceilings ceilings;
  int64_t rows = 0;
  TrainingPlan plan;
  TrainingFloor floor;

  double tokens() const { return static_cast<double>(rows * asked.length); }
  double mfu() const { return floor.flops / floor.seconds / ceilings.matrix_rate; }
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
  return {{"model", r.asked.spec.name},
          {"architecture", r.asked.spec.architecture()},
          {"hardware", r.asked.hardware.name},
          {"batch", r.rows},
          {"length", r.asked.length},
          {"recompute", to_string(r.asked.recompute)},
          {"bandwidth_bytes_per_s", r.ceilings.bandwidth},
          {"matrix_flops_per_s", r.ceilings.matrix_rate},
          {"launch_seconds", r.ceilings.launch_seconds},
          {"training_flops", r.floor.flops},
          {"again_flops", r.floor.flops_again},
          {"launches", r.floor.launches},
          {"step_seconds", r.floor.seconds},
          {"tokens_per_s", r.tokens() / r.floor.seconds},
          {"mfu", r.mfu()},
          {"memory_bytes", r.plan.total()},
          {"memory_usable_bytes", r.plan.available},
          {"ops", ops}};
}

void print_markdown(const Result& r) {
  fmt::print("{} ({}) on {}: a training step of {} rows of {} tokens, recompute {}\n", r.asked.spec.name,
             r.asked.spec.architecture(), r.asked.hardware.name, r.rows, r.asked.length,
             to_string(r.asked.recompute));
  fmt::print("ceilings: {:.4g} GB/s, {:.4g} TFLOP/s, {:.3g} us a launch\nmemory: {}{}\n\n",
             r.ceilings.bandwidth / 1e9, r.ceilings.matrix_rate / 1e12, r.ceilings.launch_seconds * 1e6,
             describe(r.plan), r.plan.fits() ? "" : ": does not fit");
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
  fmt::print("\n{:.4g} ms a step, {:.4g} k tok/s, {:.1f} % MFU of {:.4g} TFLOP{}\n", r.floor.seconds * 1e3,
             r.tokens() / r.floor.seconds / 1e3, 100.0 * r.mfu(), r.floor.flops / 1e12,
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
  const auto available = static_cast<int64_t>(usable * static_cast<double>(request.hardware.memory_bytes));
  Result r{.asked = request,
           .ceilings = request.hardware.ceilings(backend->own_dtype(), request.data_sheet),
           .rows = request.rows > 0 ? request.rows : bench::most_training_rows(*backend, c, available),
           .plan = {},
           .floor = {}};
  if (r.rows == 0) {
    throw Error(fmt::format("{}: not even one row of {} tokens fits {}", request.spec.name, request.length,
                            request.hardware.name));
  }
  r.plan = backend->training_plan(c.spec, r.rows, c.length, c.loss, c.recompute).value();
  r.plan.available = available;
  const TokenBatch batch = bench::random_tokens(c.spec, r.rows, c.length, 1);
  r.floor = training_floor(backend->training_launches(c.spec, batch, c.loss, c.recompute), r.ceilings);
  if (request.json) {
    fmt::print("{}\n", to_json(r).dump(2));
  } else {
    print_markdown(r);
  }
}

}  // namespace photon
