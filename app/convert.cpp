// photon convert: Hugging Face LLaMA folders to checkpoints of vanilla models and back.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "app/command.h"
#include "app/output_folder.h"
#include "baselines/llama.h"
#include "core/checkpoint.h"
#include "core/error.h"
#include "core/parameters.h"

namespace photon {
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
  fmt::print(stderr, "{}: no tokenizer.model, the result has none either\n", folder.string());
  return {};
}

void say(const fs::path& folder, const ModelSpec& spec) {
  fmt::print(stderr, "{}: {}, {} tensors, {} parameters\n", folder.string(), spec.name,
             parameter_list(spec).size(), parameters_total(spec));
}

void run(const Options& o) {
  const bool importing = !o.from_llama.empty();
  if (importing == !o.to_llama.empty()) throw UsageError("convert: give one of --from-llama and --to-llama");
  if (importing) {
    if (o.out.empty() || !o.checkpoint.empty())
      throw UsageError("convert: --from-llama DIR goes with --out CHECKPOINT");
    require_free(o.out, o.force);
    const Checkpoint model = baselines::import_llama(o.from_llama);
    save_checkpoint(o.out, model.spec, model.parameters, tokenizer_of(o.from_llama));
    say(o.out, model.spec);
  } else {
    if (o.checkpoint.empty() || !o.out.empty()) {
      throw UsageError("convert: --to-llama DIR goes with --checkpoint CHECKPOINT");
    }
    require_free(o.to_llama, o.force);
    const Checkpoint model = load_checkpoint(o.checkpoint);
    baselines::export_llama(o.to_llama, model.spec, model.parameters, tokenizer_of(o.checkpoint));
    say(o.to_llama, model.spec);
  }
}

void setup(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command =
      app.add_subcommand("convert", "Convert Hugging Face LLaMA weights to a checkpoint and back");
  command
      ->add_option("--from-llama", options->from_llama, "Folder with config.json and safetensors, to be read")
      ->type_name("DIR");
  command->add_option("--out", options->out, "Checkpoint folder to make, with --from-llama")
      ->type_name("CHECKPOINT");
  command->add_option("--to-llama", options->to_llama, "Folder with config.json and safetensors, to be made")
      ->type_name("DIR");
  command->add_option("--checkpoint", options->checkpoint, "Vanilla checkpoint to read, with --to-llama")
      ->type_name("CHECKPOINT");
  command->add_flag("--force", options->force, "Replace an existing folder");
  command->callback([options] { run(*options); });
}

const RegisterCommand registered{25, setup};

}  // namespace
}  // namespace photon
