// SPDX-License-Identifier: Apache-2.0
// photon convert: Hugging Face LLaMA folders to checkpoints of vanilla models and back.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "app/command.h"
#include "app/output_folder.h"
#include "app/text_input.h"
#include "baselines/llama.h"
#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/text/checkpoint_text.h"

namespace photon::app {
namespace {

namespace fs = std::filesystem;

struct Options {
  fs::path from_llama;
  fs::path to_llama;
  fs::path checkpoint;
  fs::path out;
  bool force = false;
};

/// tokenizer.model of `folder`, if it is there.
fs::path tokenizer_of(const fs::path& folder) {
  const fs::path path = folder / "tokenizer.model";
  if (fs::exists(path)) return path;
  warn(fmt::format("{}: no tokenizer.model, the result has none either", folder.string()));
  return {};
}

void say(const fs::path& folder, const ModelSpec& spec) {
  fmt::print(stderr, "{}: {}, {} tensors, {} parameters{}\n", folder.string(), spec.name,
             parameter_list(spec).size(), parameters_total(spec),
             spec.begin_of_text ? fmt::format(", token {} in front of every text", *spec.begin_of_text) : "");
}

void run(const Options& o) {
  const bool importing = !o.from_llama.empty();
  if (importing == !o.to_llama.empty()) throw UsageError("convert: give one of --from-llama and --to-llama");
  if (importing) {
    if (o.out.empty() || !o.checkpoint.empty())
      throw UsageError("convert: --from-llama DIR goes with --out CHECKPOINT");
    require_free(o.out, o.force);
    const baselines::LlamaFolder llama = baselines::import_llama(o.from_llama);
    for (const std::string& warning : llama.warnings) warn(warning);
    const Checkpoint& model = llama.checkpoint;
    save_checkpoint(o.out, model.spec, model.parameters, {}, [&](const fs::path& aside) {
      if (!llama.tokenizer.empty()) write_file_atomically(aside / "tokenizer.model", llama.tokenizer);
    });
    say(o.out, model.spec);
  } else {
    if (o.checkpoint.empty() || !o.out.empty()) {
      throw UsageError("convert: --to-llama DIR goes with --checkpoint CHECKPOINT");
    }
    require_free(o.to_llama, o.force);
    Checkpoint model = load_checkpoint(o.checkpoint);
    model.spec.trained_context = trained_context(trainer::load_run_state(o.checkpoint), model.spec);
    if (const fs::path tokenizer = o.checkpoint / "tokenizer.model"; fs::exists(tokenizer)) {
      checkpoint_tokenizer(o.checkpoint, model);  // another one is not carried on
    }
    baselines::export_llama(o.to_llama, model.spec, model.parameters, tokenizer_of(o.checkpoint));
    say(o.to_llama, model.spec);
  }
}

void setup(CommandLine& app) {
  const auto options = std::make_shared<Options>();
  CommandLine command =
      app.add_subcommand("convert", "Convert Hugging Face LLaMA weights to a checkpoint and back");
  command
      .add_option("--from-llama", options->from_llama,
                  "Folder with config.json, safetensors, tokenizer.model or .json, to be read")
      .type_name("DIR");
  command.add_option("--out", options->out, "Checkpoint folder to make, with --from-llama")
      .type_name("CHECKPOINT");
  command.add_option("--to-llama", options->to_llama, "Folder with config.json and safetensors, to be made")
      .type_name("DIR");
  command.add_option("--checkpoint", options->checkpoint, "Vanilla checkpoint to read, with --to-llama")
      .type_name("CHECKPOINT");
  command.add_flag("--force", options->force, "Replace an existing folder");
  command.footer(
      "What a LLaMA's own tools put in front of every text, <s> (tokenizer_config.json: add_bos_token), is "
      "kept\n"
      "as begin_of_text in the checkpoint's config.toml: generate and eval --text put it there. A "
      "tokenizer.json\n"
      "is read where it is BPE with byte fallback (not that of Llama 3), and becomes a tokenizer.model.\n"
      "Example:\n"
      "  photon convert --from-llama llama --out llama-checkpoint");
  command.callback([options] { run(*options); });
}

const RegisterCommand registered{25, setup};

}  // namespace
}  // namespace photon::app
