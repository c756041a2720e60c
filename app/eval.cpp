// SPDX-License-Identifier: Apache-2.0
// photon eval: how well a checkpoint predicts a text.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <optional>

#include "app/command.h"
#include "app/command_line.h"
#include "app/device_report.h"
#include "app/text_input.h"
#include "bench/output.h"
#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/progress.h"
#include "core/results/results.h"
#include "core/text/checkpoint_text.h"
#include "core/text/token_file.h"
#include "trainer/quality_row.h"

namespace photon::app {
namespace {

using namespace trainer;

constexpr int64_t usual_context = 2048;

struct Options {
  std::filesystem::path checkpoint;
  std::filesystem::path text;
  std::filesystem::path tokens;
  std::filesystem::path out;
  ScoreOptions score;
  std::string generation = "hiergen";
  std::string schedule = "streamed";
  int64_t prompt = 0;
  std::string device = "cpu";
  std::string dtype;
  std::string format = "md";
};

struct Text {
  std::vector<int32_t> tokens;
  TokenBytes bytes;
};

/// Of a tokenizer whose tokens are not the text byte for byte.
void warn_of_other_spelling(const Options& options, const Text& text) {
  const auto unknown = std::count(text.bytes.begin(), text.bytes.end(), unknown_bytes);
  std::string consequence = "bits per byte divide by the text's own bytes";
  if (text.bytes.empty()) {
    consequence = "its tokens alone do not tell the text's bytes: no bits per byte (--text gives them)";
  } else if (unknown > 0) {
    consequence = fmt::format(
        "{} tokens are of characters that it does not know: no bits per byte where such "
        "a token is scored",
        unknown);
  }
  fmt::print(stderr, "photon: {}: this tokenizer normalises text or does not know all of it; {}\n",
             (options.checkpoint / "tokenizer.model").string(), consequence);
}

/// `written`: what --text holds, read before the checkpoint is.
Text read_text(const Options& options, const std::string& written, const Checkpoint& checkpoint) {
  std::shared_ptr<const Tokenizer> tokenizer;
  if (!options.text.empty() || std::filesystem::exists(options.checkpoint / "tokenizer.model")) {
    tokenizer = std::make_shared<Tokenizer>(checkpoint_tokenizer(options.checkpoint, checkpoint));
  }
  Text text;
  if (!options.text.empty()) {
    auto encoded = encode_text(checkpoint.spec, *tokenizer, written);
    text.tokens = std::move(encoded.ids);
    text.bytes = std::move(encoded.bytes);
  } else {
    const TokenFile file(options.tokens);
    text.tokens.resize(file.size());
    file.read(0, text.tokens);
    const uint64_t own = tokenizer ? tokenizer->hash() : checkpoint.tokenizer_hash;
    if (own != 0 && file.tokenizer_hash() != own) {
      throw Error(fmt::format("{}: made by another tokenizer than that of {}", options.tokens.string(),
                              options.checkpoint.string()));
    }
  }
  const ModelSpec& spec = checkpoint.spec;
  for (const int32_t id : text.tokens) {
    if (id < 0 || id >= spec.vocab) {
      throw Error(
          fmt::format("token {} is not in the vocabulary of {}, 0 to {}", id, spec.name, spec.vocab - 1));
    }
  }
  if (tokenizer && options.text.empty()) text.bytes = tokenizer->bytes_of(text.tokens);
  if (tokenizer && !tokenizer->spells_text()) warn_of_other_spelling(options, text);
  return text;
}

/// That of training here, so that figures compare with the validation loss; else of weights from elsewhere a
/// length that every machine has memory for.
int64_t default_context(const std::optional<RunState>& training, const ModelSpec& spec) {
  const int64_t meta = spec.meta_context();
  const int64_t trained = trained_context(training, spec);
  const bool elsewhere = !training;
  const int64_t context = trained == 0 || (elsewhere && trained > usual_context) ? usual_context : trained;
  return std::max(meta, context / meta * meta);
}

void warn_of_figures(const Options& options, int64_t trained, int64_t scored) {
  if (trained > 0 && options.score.context > trained) {
    warn(fmt::format("windows of {} tokens are longer than the {} that the model was trained on",
                     options.score.context, trained));
  }
  constexpr int64_t few = 100;
  if (scored < few) warn(fmt::format("{} scored tokens say little about a model", scored));
}

std::string with_error(double value, const std::optional<double>& error) {
  return error ? fmt::format("{:.5g} ± {:.2g}", value, *error) : fmt::format("{:.5g}", value);
}

void print_errors(const ResultRow& row, const Score& s) {
  const std::string generation = row.empty("generation") ? row.text("model") : row.text("generation");
  if (!s.token_nll_error) {
    fmt::print("{}: one window alone, so no standard error.\n", generation);
    return;
  }
  const auto bits = s.bits_per_byte();
  fmt::print("{}: {} nats a token, perplexity {}{} (± one standard error, over {} windows)\n", generation,
             with_error(s.token_nll(), s.token_nll_error), with_error(s.perplexity(), s.perplexity_error()),
             bits ? fmt::format(", {} bits a byte", with_error(*bits, s.bits_per_byte_error)) : "",
             s.windows);
}

void run(Options options) {
  const Generation generation = parse_generation(options.generation);
  const Schedule schedule = parse_schedule(options.schedule);
  if ((generation == Generation::recgen) != (options.prompt > 0)) {
    throw UsageError(
        "--generation recgen and --prompt go together: the tokens of each window that recgen reads first");
  }
  if (generation == Generation::recgen && options.score.stride != 0) {
    throw UsageError("--stride does not apply to --generation recgen, whose windows do not overlap");
  }

  const auto& source = options.text.empty() ? options.tokens : options.text;
  if (!options.out.empty() || options.format == "csv") {
    require_cell(options.checkpoint.string());
    require_cell(source.string());
  }

  if (!options.out.empty()) bench::open_results(options.out);
  const std::string written = options.text.empty() ? std::string() : read_text_input(options.text);
  const Checkpoint checkpoint = load_checkpoint(options.checkpoint);
  const ModelSpec& spec = checkpoint.spec;
  const auto training = load_run_state(options.checkpoint);
  const int64_t trained = trained_context(training, spec);
  if (options.score.context == 0) options.score.context = default_context(training, spec);
  const Text text = read_text(options, written, checkpoint);
  const auto backend = backends().make(options.device);
  const DType dtype = dtype_for(*backend, options.dtype);
  const auto model = backend->inference(spec, checkpoint.parameters, dtype);

  Progress progress("eval", std::ssize(text.tokens), "tokens");
  const auto show = [&](int64_t done, int64_t total) {
    progress.update(std::ssize(text.tokens) * done / total);
  };
  ScoredCheckpoint quality;
  quality.checkpoint = options.checkpoint;
  quality.training = training;
  quality.corpus = source.string();
  quality.dtype = dtype;
  quality.context = options.score.context;
  std::vector<ResultRow> rows;
  std::vector<Score> scores;
  const auto add_row = [&](const Score& score) {
    quality.score = scores.emplace_back(score);
    ResultRow& row = rows.emplace_back(quality_row(spec, quality));
    set_identity(row, command_line());
    row.set("backend", options.device);
    row.set("device", backend->device_name());
    row.set("threads", backend->threads());
  };
  std::optional<double> difference_error;
  if (generation == Generation::recgen) {
    const auto both =
        score_recgen(*model, text.tokens, options.score, options.prompt, schedule, text.bytes, show);
    difference_error = both.difference_error;
    quality.prompt = options.prompt;
    add_row(both.hiergen);
    quality.generation = Generation::recgen;
    quality.schedule = schedule;
    add_row(both.recgen);
  } else {
    add_row(score(*model, text.tokens, options.score, text.bytes, show));
  }
  progress.finish();
  warn_of_figures(options, trained, scores.front().tokens);

  if (!options.out.empty()) append_results(options.out, rows);
  static constexpr auto columns = std::to_array<std::string_view>(
      {"model", "checkpoint", "corpus", "generation", "schedule", "prompt", "tokens_scored", "bytes_scored",
       "token_nll", "perplexity", "bits_per_byte", "match", "training_tokens", "training_flops"});
  fmt::print("{}", options.format == "csv"  ? to_csv(rows)
                   : options.format == "md" ? to_markdown(rows, columns)
                                            : to_jsonl(rows));
  if (options.format != "md") return;
  fmt::print("\n");
  for (size_t i = 0; i < rows.size(); ++i) print_errors(rows[i], scores[i]);
  if (difference_error) {
    fmt::print("recgen above hiergen: {} nats a token\n",
               with_error(scores[1].token_nll() - scores[0].token_nll(), difference_error));
  }
}

void setup(CommandLine& app) {
  const auto o = std::make_shared<Options>();
  CommandLine command =
      app.add_subcommand("eval", "Negative log-likelihood, perplexity and bits per byte of a text");
  command.add_option("--checkpoint", o->checkpoint, "Checkpoint folder").required().type_name("DIR");
  CommandLine text = command.add_option_group("text", "What is scored, one of");
  text.add_option("--text", o->text, "Text file").type_name("FILE");
  text.add_option("--tokens", o->tokens, "Token file").type_name("FILE");
  text.require_option(1);
  command.add_option("--context", o->score.context, "Tokens in a window; by default those of training")
      .type_name("T")
      .check(positive_number());
  command
      .add_option("--stride", o->score.stride, "Tokens between windows; by default the context: no overlap")
      .type_name("N")
      .check(positive_number());
  command.add_option("--batch", o->score.batch, "Windows at a time")
      .capture_default_str()
      .type_name("N")
      .check(positive_number());
  command.add_option("--generation", o->generation, "hiergen (teacher forcing), or recgen beside it")
      .check(parsed_by(parse_generation))
      .capture_default_str()
      .type_name("NAME");
  command.add_option("--prompt", o->prompt, "With recgen: tokens of each window that are given")
      .type_name("P")
      .check(positive_number());
  command.add_option("--schedule", o->schedule, "Of recgen: streamed or unrolled")
      .check(parsed_by(parse_schedule))
      .capture_default_str()
      .type_name("NAME");
  command.add_device(o->device);
  command.add_dtype(o->dtype);
  command.add_format(o->format);
  command.add_out(o->out, "RESULTS.csv", "File that the rows are added to");
  command.footer("Example:\n  photon eval --checkpoint out/train/photon-tiny/checkpoint --text book.txt");
  command.callback([o] { run(*o); });
}

const RegisterCommand registered{60, setup};

}  // namespace
}  // namespace photon::app
