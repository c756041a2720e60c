// SPDX-License-Identifier: Apache-2.0
#include "app/floor/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/floor/batch.h"
#include "app/floor/ceilings.h"
#include "app/floor/prediction.h"
#include "app/json.h"
#include "core/base/error.h"
#include "core/cost/floor.h"
#include "core/cost/hardware.h"
#include "core/model/model_config.h"

namespace photon::app {
namespace {

struct Options {
  std::filesystem::path model;
  std::filesystem::path hardware;
  int64_t prompt = 0;
  int64_t new_tokens = 0;
  int64_t samples = 1;
  std::string batch = "max";
  std::string generation = "hiergen";
  std::string schedule = "streamed";
  std::string dtype = "bfloat16";
  std::string ceilings = "measured";
  std::filesystem::path rates;
  int memory_levels = 1;
  std::string format = "md";
  std::vector<std::string> overrides;
};

struct Result {
  ModelSpec spec;
  FloorCeilings ceilings;
  Workload workload;
  int64_t fitting = 0;  ///< prompts that fit the machine
  RequestFloor floor;
  double kv_per_sample = 0.0;
  std::optional<FloorPrediction> prediction = {};

  /// A batch that the machine cannot hold has floors, but no throughput on it.
  bool fits() const { return workload.batch <= fitting; }
  double tokens() const { return static_cast<double>(workload.sequences() * workload.new_tokens); }
  std::optional<double> throughput() const { return rate(floor.seconds()); }
  std::optional<double> serial_throughput() const {
    return rate(floor.prefill.serial_seconds + floor.decode.serial_seconds);
  }
  std::optional<double> predicted_throughput() const {
    return rate(prediction->time->prefill + prediction->time->decode);
  }
  /// Empty where the caches hold nothing at the end.
  std::optional<double> tpm() const {
    if (!fits() || !(kv_per_sample > 0.0)) return std::nullopt;
    return throughput().value_or(0.0) / 1e3 / (kv_per_sample / 0x1p30);
  }
  /// Of all launches one after another; empty where nobody knows what one costs.
  std::optional<double> launch_seconds(const PhaseFloor& phase) const {
    const double one = ceilings.values().launch_seconds;
    return one > 0.0 ? std::optional(one * phase.launches) : std::nullopt;
  }

 private:
  std::optional<double> rate(double seconds) const {
    if (!fits()) return std::nullopt;
    return seconds > 0.0 ? tokens() / seconds : 0.0;
  }
};

nlohmann::ordered_json to_json(const Result& r) {
  const auto& f = r.floor;
  nlohmann::ordered_json json{{"model", r.spec.name},
                              {"architecture", r.spec.architecture()},
                              {"reading", r.spec.reading_name()},
                              {"hardware", r.ceilings.hardware.name},
                              {"generation", to_string(r.workload.generation)},
                              {"schedule", to_string(r.workload.schedule)},
                              {"prompt", r.workload.prompt},
                              {"new_tokens", r.workload.new_tokens},
                              {"batch", r.workload.batch},
                              {"samples_per_prompt", r.workload.samples},
                              {"fits", r.fits()},
                              {"largest_batch", r.fitting},
                              {"kv_bytes_ideal_per_sample", r.kv_per_sample},
                              {"local_bytes_per_sample", local_bytes(r.spec, r.workload)},
                              {"weights_bytes", weights_bytes(r.spec, r.workload.weight_bytes)},
                              {"prefill_flops", f.prefill.work.flops},
                              {"prefill_bytes", f.prefill.work.floor_bytes()},
                              {"prefill_other_bytes", f.prefill.work.other_bytes},
                              {"decode_flops", f.decode.work.flops},
                              {"decode_weight_bytes", f.decode.work.weight_bytes},
                              {"decode_kv_bytes", f.decode.work.kv_bytes()},
                              {"decode_other_bytes", f.decode.work.other_bytes},
                              {"prefill_seconds", f.prefill.seconds},
                              {"decode_seconds", f.decode.seconds},
                              {"prefill_serial_seconds", f.prefill.serial_seconds},
                              {"decode_serial_seconds", f.decode.serial_seconds},
                              {"throughput_tokens_per_s", or_null(r.throughput())},
                              {"serial_throughput_tokens_per_s", or_null(r.serial_throughput())},
                              {"tpm_ktok_per_s_per_gib", or_null(r.tpm())},
                              {"prefill_launches", f.prefill.launches},
                              {"decode_launches", f.decode.launches},
                              {"prefill_launches_seconds", or_null(r.launch_seconds(f.prefill))},
                              {"decode_launches_seconds", or_null(r.launch_seconds(f.decode))},
                              {"prefill_bound", to_string(f.prefill.bound)},
                              {"decode_bound", to_string(f.decode.bound)}};
  json.update(to_json(r.ceilings));
  if (!r.prediction) return json;
  json["rates"] = r.prediction->machine;
  if (r.prediction->time) {
    json["prefill_predicted_seconds"] = r.prediction->time->prefill;
    json["decode_predicted_seconds"] = r.prediction->time->decode;
    json["predicted_throughput_tokens_per_s"] = or_null(r.predicted_throughput());
  } else {
    json["prefill_predicted_seconds"] = nullptr;
    json["decode_predicted_seconds"] = nullptr;
    json["not_predicted"] = r.prediction->missing;
  }
  return json;
}

const char* name_of(Operation::Kind kind) {
  switch (kind) {
    case Operation::Kind::embedding:
      return "embedding";
    case Operation::Kind::chunker:
      return "chunker";
    case Operation::Kind::converter:
      return "converter";
    case Operation::Kind::stack:
      return "stack";
    case Operation::Kind::attention:
      return "attention";
    case Operation::Kind::local_attention:
      return "local attention";
    case Operation::Kind::head:
      return "head";
  }
  return "";
}

std::string place_of(const Operation& op, const ModelSpec& spec) {
  if (op.kind == Operation::Kind::head) return "head";
  if (spec.depth() == 0) return name_of(op.kind);
  return fmt::format("{} {}, {}", op.decoder ? "decoder" : "encoder", op.level, name_of(op.kind));
}

/// Where decoding's bytes, FLOPs and serial time go.
void print_operations(const Result& r) {
  struct Row {
    Work work;
    double seconds = 0.0;
    int64_t count = 0;
  };
  std::map<std::string, Row> rows;
  const Ceilings ceilings = r.ceilings.values();
  const auto add = [&](const Operation& op) {
    Row& row = rows[place_of(op, r.spec)];
    row.work += op.work;
    row.seconds += std::max(op.work.floor_bytes() / ceilings.bandwidth, op.work.flops / ceilings.matrix_rate);
    ++row.count;
  };
  visit_request(
      r.spec, r.workload, [](const Forwards&) {},
      [&](const Forwards& forwards) {
        for (const Forward& forward : forwards) std::for_each(forward.begin(), forward.end(), add);
      });
  fmt::print("\nDecode by operation (whole batch, whole request; other bytes are in no floor):\n\n");
  fmt::print(
      "| operation | forwards | weights GB | KV read GB | KV written GB | other GB | TFLOP | serial s | "
      "share |\n");
  fmt::print("|---|---|---|---|---|---|---|---|---|\n");
  for (const auto& [place, row] : rows) {
    fmt::print(
        "| {} | {} | {:.4g} | {:.4g} | {:.4g} | {:.4g} | {:.4g} | {:.4g} | {:.1f} % |\n", place, row.count,
        row.work.weight_bytes / 1e9, row.work.kv_read_bytes / 1e9, row.work.kv_write_bytes / 1e9,
        row.work.other_bytes / 1e9, row.work.flops / 1e12, row.seconds,
        r.floor.decode.serial_seconds > 0.0 ? 100.0 * row.seconds / r.floor.decode.serial_seconds : 0.0);
  }
}

void print_prediction(const Result& r) {
  const FloorPrediction& p = *r.prediction;
  if (!p.time) {
    fmt::print("\nnot predicted: {}\n", p.missing);
    return;
  }
  const auto phase = [](const char* name, double seconds, double serial) {
    return fmt::format(
        "{} {:.4g} s{}", name, seconds,
        seconds > 0.0 ? fmt::format(" (serial floor {:.2g} % of it)", 100.0 * serial / seconds) : "");
  };
  const auto throughput = r.predicted_throughput();
  fmt::print("\npredicted from rates of kernels on {}:\n{}, {}{}\n", p.machine,
             phase("prefill", p.time->prefill, r.floor.prefill.serial_seconds),
             phase("decode", p.time->decode, r.floor.decode.serial_seconds),
             throughput ? fmt::format(", throughput {:.4g} k tok/s", *throughput / 1e3) : "");
}

/// What the machine makes of the times; or why it makes nothing.
void print_throughput(const Result& r) {
  if (r.fits()) {
    fmt::print("\nthroughput at the floor {:.4g} k tok/s{}, at the serial floor {:.4g} k tok/s\n",
               *r.throughput() / 1e3,
               r.tpm() ? fmt::format(" (TPM {:.5g} k tok/s/GiB, ideal KV)", *r.tpm()) : "",
               *r.serial_throughput() / 1e3);
    return;
  }
  const double caches = r.kv_per_sample * static_cast<double>(r.workload.sequences());
  fmt::print(
      "\nno throughput: {} do not fit {:.2g} of {}'s {:.4g} GiB: weights {:.4g} GiB, caches at the end "
      "{:.4g} GiB, ideal; "
      "{}\n",
      r.workload.batch == 1 ? "weights and one prompt" : fmt::format("{} prompts", r.workload.batch),
      usable_share, r.ceilings.hardware.name, static_cast<double>(r.ceilings.hardware.memory_bytes) / 0x1p30,
      weights_bytes(r.spec, r.workload.weight_bytes) / 0x1p30, caches / 0x1p30,
      r.fitting == 0 ? std::string("not even one fits") : fmt::format("{} fit (--batch max)", r.fitting));
}

/// Launches are in neither floor: a fast machine at a small batch may spend as long on them.
void print_launches(const Result& r) {
  const auto& f = r.floor;
  const double launches = f.prefill.launches + f.decode.launches;
  const auto prefill = r.launch_seconds(f.prefill);
  const auto decode = r.launch_seconds(f.decode);
  if (decode) {
    fmt::print(
        "launches are in neither floor: prefill {:.6g}, {:.4g} s by themselves; decode {:.6g}, {:.4g} s\n",
        f.prefill.launches, *prefill, f.decode.launches, *decode);
  } else {
    fmt::print(
        "launches are in neither floor: prefill {:.6g}, decode {:.6g}; what one costs on {} is not known (at "
        "1 us each, "
        "{:.4g} s)\n",
        f.prefill.launches, f.decode.launches, r.ceilings.hardware.name, 1e-6 * launches);
  }
}

void print_markdown(const Result& r) {
  const auto& f = r.floor;
  fmt::print(
      "{} ({}{}) on {}, {}{}: {} tokens in, {} out, batch {}", r.spec.name, r.spec.architecture(),
      r.spec.depth() == 0 ? "" : fmt::format(", {}", to_string(r.spec.reading)), r.ceilings.hardware.name,
      to_string(r.workload.generation),
      r.workload.generation == Generation::recgen ? fmt::format(" {}", to_string(r.workload.schedule)) : "",
      r.workload.prompt, r.workload.new_tokens, r.workload.batch);
  if (r.workload.samples > 1) fmt::print(", {} samples a prompt", r.workload.samples);
  fmt::print("\nceilings: {}\n", describe(r.ceilings));
  fmt::print("memory: weights {:.4g} GiB; KV ideal {:.4g} MiB a sample, local caches {:.4g} MiB a sample\n\n",
             weights_bytes(r.spec, r.workload.weight_bytes) / 0x1p30, r.kv_per_sample / 0x1p20,
             local_bytes(r.spec, r.workload) / 0x1p20);
  fmt::print("| | bytes GB | TFLOP | floor s | serial floor s | bound |\n|---|---|---|---|---|---|\n");
  for (const auto& [name, phase] : {std::pair{"prefill", f.prefill}, {"decode", f.decode}}) {
    fmt::print("| {} | {:.4g} | {:.4g} | {:.4g} | {:.4g} | {} |\n", name, phase.work.floor_bytes() / 1e9,
               phase.work.flops / 1e12, phase.seconds, phase.serial_seconds, to_string(phase.bound));
  }
  print_throughput(r);
  print_launches(r);
  if (r.prediction) print_prediction(r);
  print_operations(r);
}

void run(const Options& options) {
  Result r;
  r.spec = load_model_spec(options.model, options.overrides);
  const DType dtype = parse_dtype(options.dtype);
  r.ceilings = {load_hardware(options.hardware), dtype, options.ceilings == "datasheet"};
  r.workload = {.prompt = options.prompt,
                .new_tokens = options.new_tokens,
                .samples = options.samples,
                .generation = parse_generation(options.generation),
                .schedule = parse_schedule(options.schedule),
                .weight_bytes = element_bytes(dtype),
                .kv_bytes = element_bytes(dtype)};
  r.workload.batch = parse_batch(options.batch);
  const int64_t memory = r.ceilings.hardware.memory_bytes;
  if (r.workload.batch == 0) r.workload.batch = largest_batch(r.spec, r.workload, memory);
  r.fitting = fitting_batch(r.spec, r.workload, memory);
  r.floor = request_floor(r.spec, r.workload, r.ceilings.values(),
                          options.memory_levels == 2 ? MemoryLevels::two : MemoryLevels::one);
  r.kv_per_sample = kv_bytes_ideal(r.spec, r.workload);
  if (!options.rates.empty()) {
    r.prediction = floor_prediction(r.spec, r.workload, dtype, options.rates);
  }
  if (options.format == "md") {
    print_markdown(r);
  } else {
    print_json(to_json(r), options.format);
  }
}

}  // namespace

void add_floor_request(CommandLine command) {
  const auto o = std::make_shared<Options>();
  command.add_model(o->model);
  command.add_hardware(o->hardware);
  command.add_option("--prompt", o->prompt, "Tokens in").type_name("P");
  command.add_option("--new", o->new_tokens, "Tokens out").type_name("N");
  command.add_option("--batch", o->batch, "Prompts; max: as many as fit")
      .check(parsed_by(parse_batch))
      .capture_default_str();
  command.add_option("--samples", o->samples, "Rows of each prompt").capture_default_str();
  command.add_generation(o->generation, o->schedule);
  command.add_dtype(o->dtype);
  command.add_ceilings(o->ceilings);
  command
      .add_option("--rates", o->rates,
                  "Beside the floors, the time that a machine's rates of kernels predict "
                  "(photon bench --rates, bench_kernels)")
      .type_name("RATES.csv");
  command
      .add_option("--memory-levels", o->memory_levels,
                  "2: weights that fit the last-level cache are read from it")
      .check(in_range(1, 2))
      .capture_default_str();
  command.add_format(o->format);
  command.add_overrides(o->overrides, "Override a key of the spec");
  command.footer(
      "Example, the paper's 600M PHOTON in its decode-heavy regime:\n"
      "  photon floor photon-600m --hardware h200 --prompt 128 --new 2048");
  command.callback([o, command] {
    if (command.subcommand_given()) return;  // which has run
    if (o->model.empty() || o->hardware.empty() || command.count("--prompt") == 0 ||
        command.count("--new") == 0) {
      throw UsageError(
          "floor needs a model, --hardware, --prompt and --new, or one of its subcommands; --help says more");
    }
    run(*o);
  });
}

}  // namespace photon::app
