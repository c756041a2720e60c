// SPDX-License-Identifier: Apache-2.0
// A corpus folder: documents split into train, validation and test by a hash of their ids, the tokenizer
// trained on the train side, a token file of each split, and corpus.json, which says what it was made of
// (docs/architecture.md, "Names on disk"). Made in stages that are kept when a run is interrupted.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/corpus_source.h"

namespace photon {

enum class Split { train, validation, test };
inline constexpr std::array<Split, 3> splits = {Split::train, Split::validation, Split::test};
std::string_view to_string(Split split);

struct CorpusConfig {
  std::vector<std::string> sources = {"debian"};  ///< debian, markov, or paths of files and folders
  std::filesystem::path out;
  std::filesystem::path tokenizer;             ///< a SentencePiece model; empty: one is trained
  int64_t vocab = 4096;                        ///< of the trained one
  int64_t tokenizer_bytes = int64_t{8} << 20;  ///< of text that it is trained on at most, spread evenly
  double validation = 0.035;                   ///< fraction of the documents
  double test = 0.035;
  uint64_t seed = 0;  ///< of the split and of the Markov source
  int64_t markov_bytes = int64_t{8} << 20;
  int64_t skip_bad = 0;  ///< bad lines of the sources, all together, that are left out
  bool replace = false;  ///< a finished corpus of other settings
};

struct SplitSummary {
  int64_t documents = 0;
  int64_t bytes = 0;   ///< of text
  int64_t tokens = 0;  ///< one end-of-text token a document included
};

struct CorpusSummary {
  std::string name;  ///< the sources, as they were named
  std::vector<SourceRecord> sources;
  std::array<SplitSummary, 3> split;  ///< by Split
  double validation = 0.0;
  double test = 0.0;
  uint64_t seed = 0;
  int64_t vocab = 0;
  uint64_t tokenizer_hash = 0;
  std::optional<double> entropy_rate;  ///< bits per byte, where the source's law is known

  const SplitSummary& of(Split s) const { return split[static_cast<size_t>(s)]; }
};

/// Where a document goes. Depends on its id and the seed alone: other documents do not move it, and a larger
/// fraction keeps what a smaller one took.
Split split_of(std::string_view id, const CorpusConfig& config);

/// Makes config.out: train.tokens, validation.tokens, test.tokens, tokenizer.model, test.txt (the test
/// documents one after another) and corpus.json; *.documents and stages/ serve later runs. What is there and
/// was made of the same inputs is kept, and the same inputs give the same bytes, interrupted or not. A
/// finished corpus of other settings is refused unless config.replace; where its texts have changed, it stays
/// in place until the new one is whole. Throws Error on bad input, an empty split, while another process
/// builds in the same folder, and when the user interrupts: the next run goes on.
CorpusSummary build_corpus(const CorpusConfig& config);

/// Reads corpus.json of a finished corpus. Throws Error if there is none or a token file is missing or is not
/// the one that it speaks of.
CorpusSummary load_corpus_info(const std::filesystem::path& folder);

}  // namespace photon
