// SPDX-License-Identifier: Apache-2.0
// photon tokenizer: trains and describes SentencePiece models.
#include "core/text/tokenizer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <memory>

#include "app/command.h"
#include "app/early_checks.h"
#include "app/json.h"
#include "core/base/error.h"
#include "core/base/line_reader.h"
#include "core/base/utf8.h"

namespace photon::app {
namespace {

struct Options {
  std::vector<std::filesystem::path> inputs;
  std::filesystem::path model;
  std::string text;
  int64_t vocab = 4096;
  std::string format = "md";
};

void train(const Options& o) {
  require_writable(o.model);
  std::unique_ptr<LineReader> reader;
  size_t at = 0;
  const LineSource lines = [&](std::string& line) {
    for (; at < o.inputs.size(); ++at, reader.reset()) {
      if (!reader) reader = std::make_unique<LineReader>(o.inputs[at]);
      if (!reader->next(line)) continue;
      if (!is_utf8(line)) throw Error(fmt::format("{}: no UTF-8", reader->where()));
      if (line.ends_with('\n')) line.pop_back();
      return true;
    }
    return false;
  };
  std::vector<std::string> names;
  for (const auto& input : o.inputs) names.push_back(input.string());
  const TrainingLines trained =
      train_tokenizer(lines, o.vocab, o.model, fmt::format("{}", fmt::join(names, ", ")));
  const std::string remarks = trained.remarks();
  fmt::print(stderr, "{}: {} pieces from {} lines{}{}\n", o.model.string(), o.vocab, trained.used,
             remarks.empty() ? "" : "; ", remarks);
}

void print_info(const Options& o, const Tokenizer& tokenizer) {
  auto pieces = nlohmann::ordered_json::array();
  for (const int32_t id : tokenizer.encode(o.text)) {
    pieces.push_back({{"id", id}, {"piece", fmt::format("{:?}", tokenizer.piece_bytes(id))}});
  }
  nlohmann::ordered_json json{{"model", o.model.string()},
                              {"pieces", tokenizer.vocab()},
                              {"end_of_text", tokenizer.end_of_text()},
                              {"hash", fmt::format("{:016x}", tokenizer.hash())}};
  const auto rows = o.text.empty() ? json : pieces;
  if (!o.text.empty()) json["text"] = pieces;
  print_json(json, rows, o.format);
}

void info(const Options& o) {
  const Tokenizer tokenizer(o.model);
  if (o.format != "md") return print_info(o, tokenizer);
  fmt::print("{}: {} pieces, end of text {}, hash {:016x}\n", o.model.string(), tokenizer.vocab(),
             tokenizer.end_of_text(), tokenizer.hash());
  if (o.text.empty()) return;
  const auto ids = tokenizer.encode(o.text);
  for (const int32_t id : ids) fmt::print("{}\t{:?}\n", id, tokenizer.piece_bytes(id));
  fmt::print("{} bytes, {} tokens, {:.3f} bytes/token\n", o.text.size(), ids.size(),
             static_cast<double>(o.text.size()) / static_cast<double>(ids.size()));
}

void setup(CommandLine& app) {
  CommandLine command = app.add_subcommand("tokenizer", "Train or describe a tokenizer");
  command.require_subcommand(1);
  const auto o = std::make_shared<Options>();

  CommandLine make = command.add_subcommand("train", "BPE with byte fallback from text files");
  make.add_option("--input", o->inputs, "Text, plain or .zst").required().type_name("FILE").expected(1, -1);
  make.add_option("--vocab", o->vocab, "Pieces").type_name("N").capture_default_str();
  make.add_option("--out", o->model, "Model to write").required().type_name("FILE.model");
  make.footer("Example:\n  photon tokenizer train --input book.txt --vocab 512 --out book.model");
  make.callback([o] { train(*o); });

  CommandLine show = command.add_subcommand("info", "Size and hash, and how it cuts a text");
  show.add_option("model", o->model, "SentencePiece model").required().type_name("FILE.model");
  show.add_option("--text", o->text, "Text to cut").type_name("TEXT");
  show.add_format(o->format);
  show.footer("Example:\n  photon tokenizer info out/corpus/tokenizer.model --text \"It was\"");
  show.callback([o] { info(*o); });
}

const RegisterCommand registered{32, setup};

}  // namespace
}  // namespace photon::app
