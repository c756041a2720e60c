// Where the documents of a corpus come from: files of text or JSON lines, English prose from pinned Debian
// packages, or a seeded Markov source (design, section 6; `photon corpus build --source`).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/document.h"

namespace photon {

struct SourceRecord {
  std::string name;
  std::string version;  ///< of a package; empty for files
  std::string sha256;
  int64_t bytes = 0;  ///< of the files, compressed or not; of a package, the prose taken from it
};

class CorpusSource {
 public:
  virtual ~CorpusSource() = default;

  /// Changes when the documents may have: packages' hashes, or the files' names, sizes and times. Quick.
  virtual std::string fingerprint() const = 0;
  /// False at the end. The same source gives the same documents in the same order. Throws Error with
  /// file:line on text that is no UTF-8 and JSON that is none.
  virtual bool next(Document& document) = 0;
  /// What was read, after the last document.
  virtual std::vector<SourceRecord> records() = 0;

  virtual int64_t bytes_total() const = 0;
  virtual int64_t bytes_done() const = 0;
  /// Bits per byte of text, where the law of the source is known.
  virtual std::optional<double> entropy_rate() const { return {}; }
};

/// Files of text (one named by itself is cut into documents at empty lines, one in a folder is a document),
/// of JSON lines (`*.jsonl`, `*.json`: objects with a `text`), either of them compressed with zstd (`*.zst`);
/// of a folder those named *.txt, *.md, *.jsonl and so on, at any depth. Throws Error if there is nothing to
/// read.
std::unique_ptr<CorpusSource> file_source(const std::filesystem::path& path);

enum class DebianCorpus {
  small,  ///< "debian": essays and novels, 15 MB of prose
  large   ///< "debian-large": with commentaries, dictionaries and the like, 45 MB
};

/// Packages frozen for the life of the release: downloaded once with apt, without root, into the user's
/// cache, their hashes checked. `cache_fallback` serves where the user has no writable cache. Throws Error,
/// saying what to do, where apt cannot deliver them.
std::unique_ptr<CorpusSource> debian_source(const std::filesystem::path& cache_fallback,
                                            DebianCorpus corpus = DebianCorpus::small);

/// About `bytes` of text over a list of common words, each drawn given the one before it.
std::unique_ptr<CorpusSource> markov_source(uint64_t seed, int64_t bytes);

}  // namespace photon
