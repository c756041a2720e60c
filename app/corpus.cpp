// SPDX-License-Identifier: Apache-2.0
// photon corpus: makes and describes the text that models are trained and scored on.
#include "core/text/corpus.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "app/command.h"

namespace photon {
namespace {

void print(const CorpusSummary& s) {
  fmt::print("{}: seed {}, vocabulary {}, tokenizer {:016x}\n", s.name, s.seed, s.vocab, s.tokenizer_hash);
  for (const SourceRecord& r : s.sources) {
    const std::string bad = r.bad_lines == 0 ? "" : fmt::format(", {} bad lines left out", r.bad_lines);
    fmt::print("source: {}{}{}, {:.2f} MB{}, sha256 {}\n", r.name, r.version.empty() ? "" : " ", r.version,
               static_cast<double>(r.bytes) / 1e6, bad, r.sha256);
  }
  if (s.entropy_rate) fmt::print("entropy rate: {:.4f} bits/byte\n", *s.entropy_rate);
  fmt::print("\n| split | documents | MB | tokens | bytes/token |\n|---|---|---|---|---|\n");
  for (const Split split : splits) {
    const SplitSummary& part = s.of(split);
    fmt::print("| {} | {} | {:.3f} | {} | {:.3f} |\n", to_string(split), part.documents,
               static_cast<double>(part.bytes) / 1e6, part.tokens,
               static_cast<double>(part.bytes) / static_cast<double>(part.tokens));
  }
}

void setup(CommandLine& app) {
  CommandLine command = app.add_subcommand("corpus", "Make or describe a corpus");
  command.require_subcommand(1);

  CommandLine build = command.add_subcommand("build", "Documents, tokenizer and token files of a corpus");
  const auto o = std::make_shared<CorpusConfig>();
  build
      .add_option("--source", o->sources,
                  "debian (English prose from two packages), debian-large (from nine), markov, or paths")
      .type_name("SOURCE")
      .expected(1, -1)
      .capture_default_str();
  build
      .add_option("--out", o->out,
                  "Folder to make, or to go on with; a finished one stays until the new one is")
      .required()
      .type_name("DIR");
  const Argument given =
      build.add_option("--tokenizer", o->tokenizer, "Tokenizer to use; else one is trained")
          .type_name("FILE.model");
  build.add_option("--vocab", o->vocab, "Pieces of the trained tokenizer")
      .type_name("N")
      .capture_default_str()
      .excludes(given);
  build.add_option("--validation", o->validation, "Fraction of the documents")
      .type_name("F")
      .capture_default_str();
  build.add_option("--test", o->test, "Fraction of the documents").type_name("F").capture_default_str();
  build.add_option("--seed", o->seed, "Seed of the split and of the Markov source")
      .type_name("N")
      .capture_default_str();
  build.add_option("--markov-bytes", o->markov_bytes, "Length of the Markov source")
      .type_name("N")
      .capture_default_str();
  build
      .add_option("--skip-bad", o->skip_bad,
                  "Bad lines of files (no JSON, no text in it, no UTF-8) to leave out at most")
      .type_name("N")
      .check(non_negative_number())
      .capture_default_str();
  build.add_flag("--replace", o->replace, "Replace a finished corpus of other settings");
  build.callback([o] { print(build_corpus(*o)); });

  CommandLine info = command.add_subcommand("info", "What a corpus holds and what it was made of");
  const auto folder = std::make_shared<std::filesystem::path>();
  info.add_option("corpus", *folder, "Corpus folder").required().type_name("DIR");
  info.callback([folder] { print(load_corpus_info(*folder)); });
}

const RegisterCommand registered{30, setup};

}  // namespace
}  // namespace photon
