// SPDX-License-Identifier: Apache-2.0
// Where the documents of a corpus come from: files of text or JSON lines, English prose from pinned Debian
// packages, or a seeded Markov source (`photon corpus build --source`).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/text/document.h"

namespace photon {

struct SourceRecord {
  std::string name;
  std::string version;  ///< of a package; empty for files
  std::string sha256;
  int64_t bytes = 0;      ///< of the files, compressed or not; of a package, the prose taken from it
  int64_t bad_lines = 0;  ///< left out
};

/// Lines that cannot be used (no JSON, no "text" in it, no UTF-8), left out up to a number of them.
class BadLines {
 public:
  explicit BadLines(int64_t allowed) : allowed_(allowed) {}
  /// One more; throws it, and how to go on, if that is too many.
  void add(const Error& error);
  int64_t count() const { return count_; }
  const std::string& first() const { return first_; }  ///< what was wrong with it, with file and line

 private:
  int64_t allowed_;
  int64_t count_ = 0;
  std::string first_;
};

class CorpusSource {
 public:
  virtual ~CorpusSource() = default;

  /// Changes when the documents may have: packages' hashes, or the files' names, sizes and times. Quick.
  virtual std::string fingerprint() const = 0;
  /// False at the end. The same source gives the same documents in the same order. Throws Error with
  /// file:line on what cannot be read.
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
/// of a folder those named *.txt, *.md, *.jsonl and so on, at any depth. A bad line is refused, or counted in
/// `bad` and left out. Throws Error if there is nothing to read.
std::unique_ptr<CorpusSource> file_source(const std::filesystem::path& path, BadLines* bad = nullptr);

enum class DebianCorpus {
  small,  ///< "debian": essays and novels, 15 MB of prose
  large   ///< "debian-large": with commentaries, dictionaries and the like, 45 MB
};

/// Packages frozen as Debian 12 has them, whatever release this is: downloaded once with apt, without root,
/// into the user's cache, their hashes checked. `cache_fallback` serves where the user has no writable cache.
/// Throws Error, saying what to do, where apt cannot deliver them.
std::unique_ptr<CorpusSource> debian_source(const std::filesystem::path& cache_fallback,
                                            DebianCorpus corpus = DebianCorpus::small);

/// Whether a source of this name is one of photon's own (debian, debian-large, markov) and no path.
bool is_named_source(std::string_view name);

/// About `bytes` of text over a list of common words, each drawn given the one before it.
std::unique_ptr<CorpusSource> markov_source(uint64_t seed, int64_t bytes);

}  // namespace photon
