// SPDX-License-Identifier: Apache-2.0
// photon simulate: a fleet that serves many requests, from the traffic model alone.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>

#include "analysis/figures/figures.h"
#include "analysis/simulation/study.h"
#include "app/command.h"
#include "app/model_source.h"
#include "app/simulate_engine.h"
#include "app/sweep_checks.h"
#include "bench/sweep.h"
#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/interrupt.h"

namespace photon::app {
namespace {

using namespace analysis::simulation;

struct Options {
  std::vector<std::filesystem::path> models;
  std::filesystem::path hardware;
  std::string generations = "hiergen";
  std::string rates;
  std::string arrivals = "poisson";
  double burst_factor = 4.0;
  double burst_seconds = 10.0;
  std::filesystem::path trace;
  std::string prompt = "2048";
  std::string answer = "128";
  std::string contexts;
  std::string samples = "1";
  int64_t shared_prefix = 0;
  std::optional<int64_t> requests;
  std::string replicas = "1";
  int64_t rows = 0;
  int64_t prefill_tokens = 8192;
  std::optional<double> limit_ttft, limit_burst, limit_token, limit_total;
  std::string prefill_efficiency;
  std::string decode_efficiency;
  std::filesystem::path measured;
  std::string engine;
  std::string dtype = "bfloat16";
  std::string ceilings = "measured";
  uint64_t seed = 1;
  std::string format = "md";
  std::filesystem::path out;
  std::vector<std::string> overrides;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

ArrivalLaw::Kind arrivals_of(const Options& o) {
  for (const auto kind : {ArrivalLaw::Kind::poisson, ArrivalLaw::Kind::bursts}) {
    if (o.arrivals == to_string(kind)) return kind;
  }
  return ArrivalLaw::Kind::trace;
}

/// One law a rate; `max` is all requests at once.
std::vector<ArrivalLaw> arrival_laws(const Options& o) {
  const ArrivalLaw::Kind kind = arrivals_of(o);
  if (o.rates.empty()) {
    if (kind != ArrivalLaw::Kind::trace) throw UsageError("--rate is missing: requests a second, or max");
    return {{.kind = kind}};
  }
  std::vector<ArrivalLaw> laws;
  for (const std::string& word : split(o.rates)) {
    if (word == "max") {
      laws.push_back({.kind = ArrivalLaw::Kind::at_once});
      continue;
    }
    double rate = 0.0;
    const auto [end, status] = std::from_chars(word.data(), word.data() + word.size(), rate);
    if (status != std::errc{} || end != word.data() + word.size() || !(rate > 0.0)) {
      throw UsageError(fmt::format("--rate {}: '{}' is neither a number above 0 nor max", o.rates, word));
    }
    laws.push_back(
        {.kind = kind, .rate = rate, .burst_factor = o.burst_factor, .burst_seconds = o.burst_seconds});
  }
  return laws;
}

struct Lengths {
  std::string prompt, answer;
};

/// Prompts and answers as given, or prompts that fill a context up to the answer.
std::vector<Lengths> lengths_of(const Options& o) {
  if (o.contexts.empty()) return {{o.prompt, o.answer}};
  const LengthLaw answer = parse_length_law(o.answer, "--new");
  if (answer.kind != LengthLaw::Kind::fixed)
    throw UsageError("--context goes with a number of tokens as --new");
  std::vector<Lengths> lengths;
  for (const int64_t context : bench::parse_sweep(o.contexts, "--context")) {
    const int64_t prompt = context - static_cast<int64_t>(answer.first);
    if (prompt < 1)
      throw UsageError(fmt::format("--context {}: --new {} leaves no prompt", context, o.answer));
    lengths.push_back({std::to_string(prompt), o.answer});
  }
  return lengths;
}

/// 0: as few as will do.
std::vector<int64_t> replicas_of(const std::string& text) {
  return text == "auto" ? std::vector<int64_t>{0} : bench::parse_sweep(text, "--replicas");
}

EfficiencyBand efficiency_of(const Options& o, std::span<const ResultRow> measured,
                             const MeasuredAs& wanted) {
  EfficiencyBand band;
  band.source = "the floor: a lower bound for every machine";
  if (!o.measured.empty()) {
    try {
      band = measured_band(measured, wanted);
    } catch (const Error& e) {
      throw Error(fmt::format("{}: {}", o.measured.string(), e.what()));
    }
  }
  const std::string measured_source = band.source;
  const auto set = [&](const std::string& text, const char* option, double Efficiency::*regime) {
    if (text.empty()) return;
    const auto values = parse_band(text, option);
    band.low.*regime = values[0];
    band.mid.*regime = values[1];
    band.high.*regime = values[2];
    band.source = o.measured.empty() ? "given" : fmt::format("{} given, {}", option + 2, measured_source);
  };
  set(o.prefill_efficiency, "--prefill-efficiency", &Efficiency::prefill);
  set(o.decode_efficiency, "--decode-efficiency", &Efficiency::decode);
  return band;
}

Limits limits_of(const Options& o) {
  Limits limits;
  limits.ttft = o.limit_ttft.value_or(limits.ttft);
  limits.burst = o.limit_burst.value_or(limits.burst);
  limits.token = o.limit_token.value_or(limits.token);
  limits.total = o.limit_total.value_or(limits.total);
  return limits;
}

/// All of a trace whose arrivals are served.
int64_t default_requests(const ArrivalLaw& law, const Trace* trace) {
  return law.kind == ArrivalLaw::Kind::trace && trace != nullptr ? std::ssize(trace->requests) : 10'000;
}

/// Everything that was asked for, in the order of the rows.
std::vector<Study> studies_of(const Options& o, const Trace* trace) {
  const auto laws = arrival_laws(o);
  const auto lengths = lengths_of(o);
  const auto samples = bench::parse_sweep(o.samples, "--samples");
  const auto replicas = replicas_of(o.replicas);
  const bool at_once = std::any_of(
      laws.begin(), laws.end(), [](const ArrivalLaw& law) { return law.kind == ArrivalLaw::Kind::at_once; });
  if (at_once && replicas.front() == 0) {
    throw UsageError("--replicas auto: the fewest that keep up with a rate; --rate max has none");
  }
  const DType dtype = parse_dtype(o.dtype);
  const std::vector<ResultRow> measured =
      o.measured.empty() ? std::vector<ResultRow>{} : read_results(o.measured);
  const Hardware hardware = load_hardware(o.hardware);
  const Limits limits = limits_of(o);
  const auto generations = bench::parse_list<Generation>(o.generations, parse_generation);

  std::vector<Study> studies;
  for (const ModelSpec& spec : load_model_specs(o.models, o.overrides)) {
    const size_t before = studies.size();
    for (const Generation generation : generations) {
      if (generation == Generation::recgen && spec.depth() < 2) continue;
      Study study;
      study.service.spec = spec;
      study.service.generation = generation;
      study.service.shared_prefix = o.shared_prefix;
      study.service.prefill_tokens = o.prefill_tokens;
      study.service.weight_bytes = study.service.kv_bytes = element_bytes(dtype);
      study.load.seed = o.seed;
      study.hardware = hardware;
      study.dtype = dtype;
      study.data_sheet_only = o.ceilings == "datasheet";
      study.efficiency = efficiency_of(
          o, measured,
          {.spec = spec, .generation = generation, .device = hardware.name, .dtype = to_string(dtype)});
      study.limits = limits;
      study.most_rows = o.rows;
      for (const Lengths& length : lengths) {
        study.prompt_law = length.prompt;
        study.answer_law = length.answer;
        study.load.prompt = parse_length_law(length.prompt, "--prompt");
        study.load.answer = parse_length_law(length.answer, "--new");
        for (const int64_t count : samples) {
          study.service.samples = count;
          for (const ArrivalLaw& law : laws) {
            study.load.arrivals = law;
            study.load.requests = o.requests.value_or(default_requests(law, trace));
            for (const int64_t n : replicas) {
              study.replicas = n;
              studies.push_back(study);
            }
          }
        }
      }
    }
    if (studies.size() == before) {
      fmt::print(stderr, "{}: no rows: recgen needs a model of two levels or more, this one has {}\n",
                 spec.name, spec.depth());
    }
  }
  if (studies.empty()) throw UsageError("nothing to simulate: recgen needs a model of two levels or more");
  return studies;
}

void write_out(const std::filesystem::path& folder, std::span<const Row> rows) {
  std::filesystem::create_directories(folder);
  write_file_atomically(folder / "simulation.csv", to_csv(rows));
  for (const auto& [figure, caption] : analysis::simulation_figures(rows)) {
    draw_figure(figure, folder);
    fmt::print(stderr, "{}\n", (folder / (figure.name + ".svg")).string());
  }
}

Trace trace_of(const Options& o) {
  Trace trace = read_trace(o.trace);
  if (trace.left_out > 0) {
    fmt::print(stderr, "{}: {} requests without a token in or out are left out\n", o.trace.string(),
               trace.left_out);
  }
  if (o.requests && arrivals_of(o) == ArrivalLaw::Kind::trace && *o.requests != std::ssize(trace.requests)) {
    fmt::print(stderr, "{}: {} of {} requests, --requests {}\n", o.trace.string(),
               std::min(*o.requests, std::ssize(trace.requests)), trace.requests.size(), *o.requests);
  }
  return trace;
}

/// Says what a row's figures do not tell.
void warn(const Row& row) {
  const std::string who = fmt::format("{} {}, {} band, {:.4g} requests/s on {} replicas", row.model,
                                      row.generation, row.band, row.offered_requests_per_s, row.replicas);
  if (row.verdict == "overloaded") {
    fmt::print(
        stderr,
        "{}: overloaded, {:.3g} times what they can do. The queue grows as long as requests arrive: times "
        "to the first token and in all tell the length of this run\n",
        who, row.load);
  } else if (row.verdict == "too short" && row.arrivals == to_string(ArrivalLaw::Kind::at_once)) {
    fmt::print(stderr,
               "{} {}: too short to tell what is done at most: {} requests are fewer than two batches of {}; "
               "--requests N\n",
               row.model, row.generation, row.requests, row.batch_peak);
  } else if (row.verdict == "too short") {
    fmt::print(stderr,
               "{}: too short to tell the steady state: half of the requests stay {:.3g} s or longer, and "
               "they arrive for {:.3g} s; --requests N\n",
               who, row.total_p50_seconds, static_cast<double>(row.requests) / row.offered_requests_per_s);
  }
}

/// Options that others leave nothing to do.
void refuse_unused(const Options& o, const CommandLine& command) {
  const auto given = [&](const char* option) { return command.count(option) > 0; };
  const auto refuse = [](const std::string& what) { throw UsageError(what); };
  const ArrivalLaw::Kind kind = arrivals_of(o);
  const auto laws = arrival_laws(o);
  const bool all_at_once = std::all_of(
      laws.begin(), laws.end(), [](const ArrivalLaw& law) { return law.kind == ArrivalLaw::Kind::at_once; });
  if (all_at_once && given("--arrivals")) {
    refuse(fmt::format("--arrivals {}: --rate max, all at once, leaves nothing to it", o.arrivals));
  }
  for (const char* const option : {"--burst-factor", "--burst-seconds"}) {
    if (given(option) && kind != ArrivalLaw::Kind::bursts)
      refuse(fmt::format("{}: of --arrivals bursts", option));
  }
  if (given("--context") && given("--prompt")) refuse("--prompt beside --context: one or the other");
  const bool recorded =
      kind == ArrivalLaw::Kind::trace || (o.prompt == "trace" && !given("--context")) || o.answer == "trace";
  if (given("--trace") && !recorded) {
    refuse(fmt::format("--trace {}: nothing uses it; --arrivals trace, --prompt trace or --new trace",
                       o.trace.string()));
  }
  if (given("--measured") && given("--prefill-efficiency") && given("--decode-efficiency")) {
    refuse("--measured beside --prefill-efficiency and --decode-efficiency: nothing is left to it");
  }
}

void run(const Options& o) {
  std::optional<Trace> trace;
  if (!o.trace.empty()) trace = trace_of(o);
  const std::vector<Study> studies = studies_of(o, trace ? &*trace : nullptr);
  const InterruptGuard guard;
  std::vector<Row> rows;
  for (size_t i = 0; i < studies.size(); ++i) {
    const Study& study = studies[i];
    try {
      for (Row& row : run_study(study, trace ? &*trace : nullptr, [&] { return guard.requested(); })) {
        warn(row);
        rows.push_back(std::move(row));
      }
      if (!o.engine.empty()) {
        rows.push_back(
            run_engine(study, trace ? &*trace : nullptr, o.engine, [&] { return guard.requested(); }));
      }
    } catch (const UsageError&) {
      throw;
    } catch (const Error& e) {
      if (guard.requested()) throw Error("interrupted: nothing is written");
      fmt::print(stderr, "[{}/{}] {} {}: {}\n", i + 1, studies.size(), study.service.spec.name,
                 to_string(study.service.generation), e.what());
    }
  }
  if (rows.empty()) throw Error("nothing could be simulated");
  fmt::print("{}", o.format == "csv" ? to_csv(rows) : o.format == "json" ? to_json(rows) : to_markdown(rows));
  if (!o.out.empty()) write_out(o.out, rows);
}

Check length_law(const char* option) {
  return parsed_by([=](const std::string& text) { parse_length_law(text, option); });
}

Check band(const char* option) {
  return parsed_by([=](const std::string& text) { parse_band(text, option); });
}

void setup(CommandLine& app) {
  const auto o = std::make_shared<Options>();
  CommandLine command =
      app.add_subcommand("simulate", "Serve many requests on many GPUs, from the traffic model alone");
  command.add_models(o->models).required();
  command.add_hardware(o->hardware).required();
  command.add_option("--generation", o->generations, "hiergen, recgen")
      .check(words(parse_generation))
      .capture_default_str();
  command.add_option("--rate", o->rates, "Requests a second; max: all at once").type_name("LIST");
  command.add_option("--arrivals", o->arrivals, "poisson, bursts or trace")
      .check(one_of({"poisson", "bursts", "trace"}))
      .capture_default_str();
  command.add_option("--burst-factor", o->burst_factor, "Rate of a burst over the mean")
      .check(positive_number())
      .capture_default_str();
  command.add_option("--burst-seconds", o->burst_seconds, "Mean length of a burst")
      .check(positive_number())
      .capture_default_str();
  command.add_option("--trace", o->trace, "Requests as recorded: TIMESTAMP,ContextTokens,GeneratedTokens")
      .type_name("FILE.csv");
  command.add_option("--prompt", o->prompt, "Tokens in: N, uniform:A:B, lognormal:MEDIAN:SIGMA or trace")
      .check(length_law("--prompt"))
      .capture_default_str();
  command.add_option("--new", o->answer, "Tokens out, in the same words")
      .check(length_law("--new"))
      .capture_default_str();
  command.add_option("--context", o->contexts, "Prompt and answer together, instead of --prompt")
      .check(numbers("--context"))
      .type_name("LIST");
  command.add_option("--samples", o->samples, "Answers to each prompt")
      .check(numbers("--samples"))
      .capture_default_str();
  command.add_option("--shared-prefix", o->shared_prefix, "Tokens that all prompts begin with")
      .check(non_negative_number())
      .capture_default_str();
  command.add_option("--requests", o->requests, "How many [10000; with --arrivals trace all of it]")
      .check(positive_number());
  command
      .add_option("--replicas", o->replicas,
                  "GPUs; auto: the fewest that can do the load and keep 99 % within the limits")
      .check(parsed_by(replicas_of))
      .capture_default_str();
  command.add_option("--rows", o->rows, "Rows in a batch at most; 0: as memory allows")
      .check(non_negative_number())
      .capture_default_str();
  command
      .add_option("--prefill-tokens", o->prefill_tokens,
                  "Prompt tokens that a step encodes at most for each token that it adds to a row")
      .check(positive_number())
      .capture_default_str();
  command.add_option("--limit-ttft", o->limit_ttft, "Seconds to the first token, at most")
      .check(positive_number());
  command
      .add_option("--limit-burst", o->limit_burst,
                  "Seconds between two bursts of a request, at most: a burst is a token of a vanilla "
                  "model, 16 of PHOTON 4x4")
      .check(positive_number());
  command
      .add_option("--limit-token", o->limit_token,
                  "Seconds a token after the first burst, mean of a request, at most")
      .check(positive_number());
  command.add_option("--limit-total", o->limit_total, "Seconds to the last token, at most")
      .check(positive_number());
  command
      .add_option("--prefill-efficiency", o->prefill_efficiency,
                  "Serial floor / time of prefill, up to 1, of all models: one number or LOW:MID:HIGH")
      .check(band("--prefill-efficiency"));
  command.add_option("--decode-efficiency", o->decode_efficiency, "The same of decode")
      .check(band("--decode-efficiency"));
  command
      .add_option("--measured", o->measured,
                  "Both from a results file: bench rows of each model and generation on this hardware")
      .type_name("RESULTS.csv");
  command.add_option("--engine", o->engine, "Serve the same requests on this back end, too, one at a time")
      .type_name("DEVICE")
      .check(known_device());
  command.add_dtype(o->dtype);
  command.add_ceilings(o->ceilings);
  command.add_option("--seed", o->seed, "Of arrivals and lengths")
      .check(non_negative_number())
      .capture_default_str();
  command.add_format(o->format);
  command.add_out(o->out, "DIR", "Folder for simulation.csv and figures");
  command.add_overrides(o->overrides, "Override a key of the specs");
  command.footer(
      "What one GPU serves as context grows, and as samples share a prompt:\n"
      "  photon simulate photon-600m --hardware h200 --rate max --context 2048-1048576*2 --out simulated\n"
      "  photon simulate photon-600m --hardware h200 --rate max --samples 1-64*2 --out simulated\n"
      "How many GPUs a load takes:\n"
      "  photon simulate photon-600m --hardware h200 --rate 100 --replicas auto --limit-ttft 1 --limit-token "
      "0.02\n"
      "The rules are in docs/simulator.md, the figures in docs/numbers.md.\n"
      "Example, throughput and latency against load:\n"
      "  photon simulate photon-600m vanilla-600m --hardware h200 --rate 1,4,16 --requests 200 --out "
      "simulated");
  command.callback([o, command] {
    refuse_unused(*o, command);
    run(*o);
  });
}

const RegisterCommand registered{65, setup};

}  // namespace
}  // namespace photon::app
