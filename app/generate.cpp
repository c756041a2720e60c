// SPDX-License-Identifier: Apache-2.0
// photon generate: a prompt in, text out as it is made; N samples of it, and one answer from them.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>

#include "app/command.h"
#include "app/device_report.h"
#include "app/standard_streams.h"
#include "app/text_input.h"
#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "core/model/selection.h"
#include "core/text/checkpoint_text.h"

namespace photon::app {
namespace {

struct Options {
  std::filesystem::path checkpoint;
  std::string prompt;
  std::filesystem::path prompt_file;
  int64_t new_tokens = 200;
  int64_t samples = 1;
  std::string choose = "none";
  Sampling sampling{.temperature = 0.8, .seed = 0};
  std::string generation = "hiergen";
  std::string schedule = "streamed";
  bool ignore_end_of_text = false;
  std::string dtype;
  std::string device = "cpu";
};

std::string read_prompt(const Options& options) {
  return options.prompt_file.empty() ? options.prompt : read_text_input(options.prompt_file);
}

void warn_beyond_training(const Options& options, const ModelSpec& spec, int64_t prompt) {
  const int64_t trained = trained_context(trainer::load_run_state(options.checkpoint), spec);
  if (trained == 0 || prompt + options.new_tokens <= trained) return;
  warn(
      fmt::format("{} tokens in and up to {} out are more than the {} that the model was trained on together",
                  prompt, options.new_tokens, trained));
}

void print_samples(const Options& options, const Tokenizer& tokenizer, const GenerationResult& result) {
  std::vector<std::string> answers;
  for (const auto& tokens : result.tokens) {
    StreamDecoder decoder(tokenizer);  // an answer continues the prompt: a space at its beginning is its own
    std::string& answer = answers.emplace_back(decoder.append(tokens));
    answer.append(decoder.finish());
  }
  if (options.choose == "none") {
    for (size_t i = 0; i < answers.size(); ++i) fmt::print("--- sample {}\n{}\n", i + 1, answers[i]);
    return;
  }
  const size_t chosen =
      options.choose == "majority" ? majority_vote(answers) : best_by_likelihood(result.log_probs);
  fmt::print(stderr, "sample {} of {} by {}\n", chosen + 1, answers.size(), options.choose);
  fmt::print("{}\n", answers[chosen]);
}

void run(const Options& options) {
  GenerationRequest request;
  request.generation = parse_generation(options.generation);
  request.schedule = parse_schedule(options.schedule);
  request.new_tokens = options.new_tokens;
  request.samples = options.samples;
  request.sampling = options.sampling;
  const auto backend = backends().make(options.device);
  const DType dtype = dtype_for(*backend, options.dtype);
  Checkpoint checkpoint = load_checkpoint(options.checkpoint);
  const Tokenizer tokenizer = checkpoint_tokenizer(options.checkpoint, checkpoint);
  // Rows that pad the vocabulary stand for no text: none of them may come out.
  if (tokenizer.vocab() < checkpoint.spec.vocab)
    checkpoint = without_padding(std::move(checkpoint), tokenizer.vocab());
  const std::string prompt = read_prompt(options);
  request.prompts = {encode_text(checkpoint.spec, tokenizer, prompt).ids};
  warn_beyond_training(options, checkpoint.spec, std::ssize(request.prompts[0]));
  if (!options.ignore_end_of_text) request.end_of_text = tokenizer.end_of_text();
  const auto model = backend->inference(checkpoint.spec, checkpoint.parameters, dtype);

  const InterruptGuard interrupt;
  const bool streaming = options.samples == 1;
  StreamDecoder decoder(tokenizer);
  if (streaming) fmt::print("{}", prompt);
  request.on_burst = [&](const Burst& burst) {
    if (streaming) {
      fmt::print("{}", decoder.append(burst.tokens));
      finish_standard_output();
    }
    return !interrupt.requested();
  };
  print_plan(model->memory_plan(request));
  const GenerationResult result = model->generate(request);
  if (streaming) {
    fmt::print("{}\n", decoder.finish());
  } else {
    print_samples(options, tokenizer, result);
  }
  size_t made = 0;
  for (const auto& tokens : result.tokens) made += tokens.size();
  fmt::print(
      stderr,
      "{} tokens in{}, {} out, seed {}; prefill {:.3f} s, first token after {:.3f} s, decode {:.3f} s{}\n",
      request.prompts[0].size(), checkpoint.spec.begin_of_text ? ", begin of text included" : "", made,
      options.sampling.seed, result.prefill_seconds, result.ttft_seconds, result.decode_seconds,
      result.decode_seconds > 0.0
          ? fmt::format(" ({:.1f} tokens/s)", static_cast<double>(made) / result.decode_seconds)
          : "");
  print_kernels(*backend);
}

void setup(CommandLine& app) {
  const auto o = std::make_shared<Options>();
  CommandLine command = app.add_subcommand("generate", "Continue a text");
  command.add_option("--checkpoint", o->checkpoint, "Checkpoint folder with its tokenizer")
      .required()
      .type_name("DIR");
  const Argument text = command.add_option("--prompt", o->prompt, "Text to continue");
  command.add_option("--prompt-file", o->prompt_file, "The same from a file; - is standard input")
      .excludes(text);
  command.add_option("--new", o->new_tokens, "Tokens out, at most")
      .check(non_negative_number())
      .capture_default_str();
  command.add_option("--samples", o->samples, "Continuations, sharing one prefill")
      .check(positive_number())
      .capture_default_str();
  command.add_option("--choose", o->choose, "Of several samples: none (print all), majority, likelihood")
      .check(one_of({"none", "majority", "likelihood"}))
      .capture_default_str();
  command.add_option("--temperature", o->sampling.temperature, "0 is greedy")
      .check(non_negative_number())
      .capture_default_str();
  command.add_option("--top-k", o->sampling.top_k, "0 is no limit")
      .check(non_negative_number())
      .capture_default_str();
  command.add_option("--top-p", o->sampling.top_p, "Nucleus").capture_default_str();
  command.add_option("--seed", o->sampling.seed, "Of sampling")
      .check(non_negative_number())
      .capture_default_str();
  command.add_generation(o->generation, o->schedule);
  command.add_flag("--ignore-end-of-text", o->ignore_end_of_text, "Go on behind the end of a document");
  command.add_dtype(o->dtype);
  command.add_device(o->device);
  command.footer(
      "A model that was trained with a token in front of every text (begin_of_text in its config.toml; "
      "imported\n"
      "LLaMAs: <s>) gets it in front of the prompt, and an empty prompt is that token alone.\n"
      "Example:\n"
      "  photon generate --checkpoint out/train/photon-tiny/checkpoint --prompt \"It was\"");
  command.callback([o] { run(*o); });
}

const RegisterCommand registered{45, setup};

}  // namespace
}  // namespace photon::app
