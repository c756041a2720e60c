// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "baselines/ngram.h"
#include "core/base/error.h"
#include "core/base/subprocess.h"
#include "core/text/token_file.h"
#include "core/text/tokenizer.h"

namespace photon {
namespace {

namespace fs = std::filesystem;

constexpr int64_t most_training_tokens = 20'000'000;

std::vector<int32_t> read_tokens(const TokenFile& file, int64_t most) {
  std::vector<int32_t> tokens(static_cast<size_t>(std::min(file.size(), most)));
  file.read(0, tokens);
  return tokens;
}

/// Bytes that xz makes of a file; throws Error if it fails, negative if it is not installed.
int64_t xz_bytes(const fs::path& file) {
  int64_t bytes = 0;
  const CommandResult result =
      run_command({"xz", "-9", "--threads=1", "--stdout", fs::absolute(file).string()}, {},
                  [&](std::string_view out) { bytes += static_cast<int64_t>(out.size()); });
  if (!result.found) return -1;
  if (result.status != 0) throw Error(fmt::format("xz -9 {} failed: {}", file.string(), result.messages));
  return bytes;
}

}  // namespace

std::vector<ResultRow> text_baselines(const fs::path& folder, const std::string& corpus,
                                      std::span<const std::string> argv) {
  const Tokenizer tokenizer(folder / "tokenizer.model");
  const TokenFile train_file(folder / "train.tokens");
  const TokenFile test_file(folder / "test.tokens");
  for (const TokenFile* const file : {&train_file, &test_file}) {
    if (file->tokenizer_hash() != tokenizer.hash() || file->vocab() != tokenizer.vocab()) {
      throw Error(
          fmt::format("{}: the token files are not of this folder's tokenizer.model: build the corpus again",
                      folder.string()));
    }
  }
  const std::vector<int32_t> train = read_tokens(train_file, most_training_tokens);
  const std::vector<int32_t> test = read_tokens(test_file, test_file.size());
  if (test.size() < 2) throw Error(fmt::format("{}: fewer than two tokens to score", folder.string()));

  const std::vector<int32_t> test_bytes = tokenizer.bytes_of(test);
  std::vector<ResultRow> rows;
  const auto add = [&](const std::string& model) -> ResultRow& {
    ResultRow& row = rows.emplace_back();
    set_identity(row, argv);
    row.set("kind", "baseline");
    row.set("model", model);
    row.set("corpus", corpus);
    return row;
  };
  const auto scored = [&](const std::string& model, const std::function<double(size_t)>& probability) {
    double nll = 0.0;
    int64_t bytes = 0;
    for (size_t i = 1; i < test.size(); ++i) {
      nll -= std::log(probability(i));
      if (!test_bytes.empty()) bytes += test_bytes[i];
    }
    const auto tokens = static_cast<int64_t>(test.size()) - 1;
    ResultRow& row = add(model);
    row.set("training_tokens", static_cast<int64_t>(train.size()));
    row.set("token_nll", nll / static_cast<double>(tokens));
    row.set("perplexity", std::exp(nll / static_cast<double>(tokens)));
    row.set("tokens_scored", tokens);
    if (bytes == 0) return;
    row.set("bits_per_byte", nll / std::log(2.0) / static_cast<double>(bytes));
    row.set("bytes_scored", bytes);
  };

  const Unigram unigram(train, tokenizer.vocab());
  scored("unigram", [&](size_t i) { return unigram.probability(test[i]); });
  const KneserNeyTrigram trigram(train, tokenizer.vocab());
  scored("kneser-ney-trigram", [&](size_t i) {
    return i == 1 ? trigram.probability(test[0], test[1])
                  : trigram.probability(test[i - 2], test[i - 1], test[i]);
  });

  const fs::path text = folder / "test.txt";
  const auto bytes = static_cast<int64_t>(fs::file_size(text));
  if (const int64_t compressed = xz_bytes(text); compressed < 0) {
    fmt::print(stderr, "xz is not installed (package xz-utils): no row of it\n");
  } else {
    ResultRow& row = add("xz -9");
    row.set("bits_per_byte", 8.0 * static_cast<double>(compressed) / static_cast<double>(bytes));
    row.set("bytes_scored", bytes);
  }
  return rows;
}

}  // namespace photon
