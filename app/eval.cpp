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
#include "app/option_checks.h"
#include "core/checkpoint.h"
#include "core/error.h"
#include "core/progress.h"
#include "core/read_file.h"
#include "core/results.h"
#include "core/token_file.h"
#include "core/tokenizer.h"
#include "trainer/quality_row.h"

namespace photon {
namespace {

constexpr int64_t default_context = 2048;

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

Text read_text(const Options& options, const ModelSpec& spec) {
  const auto model = options.checkpoint / "tokenizer.model";
  std::shared_ptr<const Tokenizer> tokenizer;
  if (std::filesystem::exists(model)) tokenizer = std::make_shared<Tokenizer>(model);
  Text text;
  if (!options.text.empty()) {
    if (!tokenizer) {
      throw Error(fmt::format("{}: no tokenizer.model in it, which --text needs; give --tokens",
                              options.checkpoint.string()));
    }
    auto encoded = tokenizer->encode_with_bytes(read_file(options.text));
    text.tokens = std::move(encoded.ids);
    text.bytes = std::move(encoded.bytes);
  } else {
    const TokenFile file(options.tokens);
    text.tokens.resize(static_cast<size_t>(file.size()));
    file.read(0, text.tokens);
    if (tokenizer && file.tokenizer_hash() != tokenizer->hash()) {
      throw Error(fmt::format("{}: made by another tokenizer than that of {}", options.tokens.string(),
                              options.checkpoint.string()));
    }
  }
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

/// The context of training where it is known, so that figures compare with the validation loss.
int64_t context_of(const std::optional<RunState>& training, const ModelSpec& spec) {
  if (training) {
    const auto found = training->identity.find("context");
    if (found != training->identity.end()) return std::stoll(found->second);
  }
  return std::max(spec.meta_context(), default_context / spec.meta_context() * spec.meta_context());
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

  const Checkpoint checkpoint = load_checkpoint(options.checkpoint);
  const ModelSpec& spec = checkpoint.spec;
  const auto training = load_run_state(options.checkpoint);
  if (options.score.context == 0) options.score.context = context_of(training, spec);
  const Text text = read_text(options, spec);
  const auto backend = backends().make(options.device);
  const DType dtype = dtype_for(*backend, options.dtype);
  const auto model = backend->inference(spec, checkpoint.parameters, dtype);

  Progress progress("eval", std::ssize(text.tokens), "tokens");
  const auto show = [&](int64_t done, int64_t total) {
    progress.update(std::ssize(text.tokens) * done / total);
  };
  const auto& source = options.text.empty() ? options.tokens : options.text;
  ScoredCheckpoint quality;
  quality.checkpoint = options.checkpoint;
  quality.training = training;
  quality.corpus = source.string();
  quality.dtype = dtype;
  quality.context = options.score.context;
  std::vector<ResultRow> rows;
  const auto add_row = [&](const Score& score) {
    quality.score = score;
    ResultRow& row = rows.emplace_back(quality_row(spec, quality));
    set_identity(row, command_line());
    row.set("backend", options.device);
    row.set("device", backend->device_name());
    row.set("threads", backend->threads());
  };
  if (generation == Generation::recgen) {
    const auto scores =
        score_recgen(*model, text.tokens, options.score, options.prompt, schedule, text.bytes, show);
    quality.prompt = options.prompt;
    add_row(scores.hiergen);
    quality.generation = Generation::recgen;
    quality.schedule = schedule;
    add_row(scores.recgen);
  } else {
    add_row(score(*model, text.tokens, options.score, text.bytes, show));
  }
  progress.finish();

  if (!options.out.empty()) append_results(options.out, rows);
  static constexpr auto columns = std::to_array<std::string_view>(
      {"model", "checkpoint", "corpus", "generation", "schedule", "prompt", "tokens_scored", "bytes_scored",
       "token_nll", "perplexity", "bits_per_byte", "match", "training_tokens", "training_flops"});
  fmt::print("{}", options.format == "csv"    ? to_csv(rows)
                   : options.format == "json" ? to_jsonl(rows)
                                              : to_markdown(rows, columns));
}

void setup(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  CLI::App* const command =
      app.add_subcommand("eval", "Negative log-likelihood, perplexity and bits per byte of a text");
  command->add_option("--checkpoint", o->checkpoint, "Checkpoint folder")->required()->type_name("DIR");
  CLI::Option_group* const text = command->add_option_group("text", "What is scored, one of");
  text->add_option("--text", o->text, "Text file")->type_name("FILE");
  text->add_option("--tokens", o->tokens, "Token file")->type_name("FILE");
  text->require_option(1);
  command->add_option("--context", o->score.context, "Tokens in a window; by default those of training")
      ->type_name("T")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--stride", o->score.stride, "Tokens between windows; by default the context: no overlap")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  command->add_option("--batch", o->score.batch, "Windows at a time")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  command->add_option("--generation", o->generation, "hiergen (teacher forcing), or recgen beside it")
      ->check(parsed_by(parse_generation))
      ->capture_default_str()
      ->type_name("NAME");
  command->add_option("--prompt", o->prompt, "With recgen: tokens of each window that are given")
      ->type_name("P")
      ->check(CLI::PositiveNumber);
  command->add_option("--schedule", o->schedule, "Of recgen: streamed or unrolled")
      ->check(parsed_by(parse_schedule))
      ->capture_default_str()
      ->type_name("NAME");
  command->add_option("--device", o->device, "Back end")
      ->check(known_device())
      ->capture_default_str()
      ->type_name("NAME");
  command->add_option("--dtype", o->dtype, "float32, float64 or bfloat16")
      ->check(parsed_by(parse_dtype))
      ->capture_default_str()
      ->type_name("NAME");
  command->add_option("--format", o->format, "md, json (lines) or csv")
      ->capture_default_str()
      ->check(CLI::IsMember({"md", "json", "csv"}))
      ->type_name("F");
  command->add_option("--out", o->out, "Append the rows to a results file")->type_name("FILE.csv");
  command->callback([o] { run(*o); });
}

const RegisterCommand registered{60, setup};

}  // namespace
}  // namespace photon
