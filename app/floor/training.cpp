// SPDX-License-Identifier: Apache-2.0
#include "app/floor/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "app/command.h"
#include "app/floor/batch.h"
#include "app/floor/ceilings.h"
#include "app/json.h"
#include "bench/training.h"
#include "core/base/error.h"
#include "core/cost/floor.h"
#include "core/cost/hardware.h"
#include "core/cost/training_floor.h"
#include "core/model/model_config.h"

namespace photon::app {
namespace {

struct Options {
  std::filesystem::path model;
  std::filesystem::path hardware;
  std::string batch = "max";
  int64_t length = 2048;
  std::string recompute = "none";
  std::string ceilings = "measured";
  std::string format = "md";
  std::vector<std::string> overrides;
};

struct Request {
  ModelSpec spec;
  Hardware hardware;
  int64_t length = 0;
  Recompute recompute = Recompute::none;
};

struct Result {
  const Request& asked;
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

/// One for each op, with what the step is.
nlohmann::ordered_json rows_of(const nlohmann::ordered_json& step) {
  auto rows = nlohmann::ordered_json::array();
  for (const auto& op : step["ops"]) {
    nlohmann::ordered_json row;
    for (const char* key : {"model", "hardware", "batch", "length", "recompute"}) row[key] = step[key];
    row.update(op);
    rows.push_back(std::move(row));
  }
  return rows;
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

void run(const Options& o) {
  const Request request{.spec = load_model_spec(o.model, o.overrides),
                        .hardware = load_hardware(o.hardware),
                        .length = o.length,
                        .recompute = parse_recompute(o.recompute)};
  const int64_t rows = parse_batch(o.batch);
  if (request.length % request.spec.meta_context() != 0) {
    throw Error(fmt::format("--length {}: rows of '{}' divide by its meta-context, {} tokens", request.length,
                            request.spec.name, request.spec.meta_context()));
  }
  if (rows > bench::largest_training_rows) {
    throw UsageError(
        fmt::format("--batch {}: a training step has up to {} rows", rows, bench::largest_training_rows));
  }
  const auto backend = backends().make("emulated");
  const bench::TrainingCase c{
      .spec = request.spec, .length = request.length, .loss = {}, .recompute = request.recompute};
  const auto available =
      static_cast<int64_t>(usable_share * static_cast<double>(request.hardware.memory_bytes));
  const int64_t fitting = bench::most_training_rows(*backend, c, available);
  Result r{.asked = request,
           .ceilings = {request.hardware, backend->own_dtype(), o.ceilings == "datasheet"},
           .rows = rows > 0 ? rows : fitting,
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
  if (o.format == "md") {
    print_markdown(r);
  } else {
    const auto json = to_json(r);
    print_json(json, rows_of(json), o.format);
  }
}

}  // namespace

void add_floor_training(CommandLine command) {
  const auto o = std::make_shared<Options>();
  command.add_model(o->model).required();
  command.add_hardware(o->hardware).required();
  command.add_option("--batch", o->batch, "Rows of the step; max: as many as fit")
      .check(parsed_by(parse_batch))
      .capture_default_str();
  command.add_option("--length", o->length, "Tokens in a row").check(positive_number()).capture_default_str();
  command.add_recompute(o->recompute);
  command.add_ceilings(o->ceilings);
  command.add_format(o->format);
  command.add_overrides(o->overrides, "Override a key of the spec");
  command.footer("Example:\n  photon floor training photon-600m --hardware h200 --batch 32");
  command.callback([o] { run(*o); });
}

}  // namespace photon::app
