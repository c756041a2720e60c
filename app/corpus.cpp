// SPDX-License-Identifier: Apache-2.0
// photon corpus: makes and describes the text that models are trained and scored on.
#include "core/text/corpus.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "app/command.h"
#include "app/json.h"

namespace photon::app {
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

nlohmann::ordered_json to_json(const CorpusSummary& s) {
  auto sources = nlohmann::ordered_json::array();
  for (const SourceRecord& r : s.sources) {
    sources.push_back({{"name", r.name},
                       {"version", r.version},
                       {"bytes", r.bytes},
                       {"bad_lines", r.bad_lines},
                       {"sha256", r.sha256}});
  }
  auto parts = nlohmann::ordered_json::array();
  for (const Split split : splits) {
    const SplitSummary& part = s.of(split);
    parts.push_back({{"split", to_string(split)},
                     {"documents", part.documents},
                     {"bytes", part.bytes},
                     {"tokens", part.tokens}});
  }
  return {{"name", s.name},
          {"seed", s.seed},
          {"vocab", s.vocab},
          {"tokenizer", fmt::format("{:016x}", s.tokenizer_hash)},
          {"entropy_rate_bits_per_byte", or_null(s.entropy_rate)},
          {"sources", sources},
          {"splits", parts}};
}

void show(const CorpusSummary& s, const std::string& format) {
  if (format == "md") return print(s);
  const auto json = to_json(s);
  print_json(json, json["splits"], format);
}

void setup(CommandLine& app) {
  CommandLine command = app.add_subcommand("corpus", "Make or describe a corpus");
  command.require_subcommand(1);

  CommandLine build = command.add_subcommand("build", "Documents, tokenizer and token files of a corpus");
  const auto o = std::make_shared<CorpusConfig>();
  const auto format = std::make_shared<std::string>("md");
  build
      .add_option("--source", o->sources,
                  "debian (English prose from two packages), debian-large (from nine), markov, or paths")
      .type_name("SOURCE")
      .expected(1, -1)
      .capture_default_str();
  build
      .add_option("--out", o->out,
                  "Folder to make, or to resume in; a finished corpus stays until the new one is there")
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
  build.add_format(*format);
  build.footer(
      "Example, from folders of text, .jsonl and .jsonl.zst:\n"
      "  photon corpus build --source texts --vocab 512 --out out/corpus");
  build.callback([o, format] { show(build_corpus(*o), *format); });

  CommandLine info = command.add_subcommand("info", "What a corpus holds and what it was made of");
  const auto folder = std::make_shared<std::filesystem::path>();
  info.add_option("corpus", *folder, "Corpus folder").required().type_name("DIR");
  info.add_format(*format);
  info.footer("Example:\n  photon corpus info out/corpus");
  info.callback([folder, format] { show(load_corpus_info(*folder), *format); });
}

const RegisterCommand registered{30, setup};

}  // namespace
}  // namespace photon::app
