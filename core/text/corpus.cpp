// SPDX-License-Identifier: Apache-2.0
#include "core/text/corpus.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <exception>
#include <iterator>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/folder_lock.h"
#include "core/base/interrupt.h"
#include "core/base/progress.h"
#include "core/base/random.h"
#include "core/base/sha256.h"
#include "core/base/stages.h"
#include "core/base/strict_json.h"
#include "core/text/corpus_rebuild.h"
#include "core/text/token_file.h"
#include "core/text/tokenizer.h"

namespace photon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

/// Documents encoded together, by all threads.
constexpr size_t batch_bytes = size_t{4} << 20;

std::string file_of(Split split, std::string_view extension) {
  return fmt::format("{}.{}", to_string(split), extension);
}

/// Several sources as one.
class Sources {
 public:
  explicit Sources(const CorpusConfig& config) : bad_(config.skip_bad) {
    if (config.sources.empty())
      throw UsageError("a corpus of no source; debian, debian-large, markov or paths");
    for (const std::string& name : config.sources) {
      if (name == "debian") {
        all_.push_back(debian_source(config.out / "cache"));
      } else if (name == "debian-large") {
        all_.push_back(debian_source(config.out / "cache", DebianCorpus::large));
      } else if (name == "markov") {
        all_.push_back(markov_source(config.seed, config.markov_bytes));
      } else {
        all_.push_back(file_source(name, &bad_));
      }
    }
  }

  std::string fingerprint() const {
    std::string text;
    for (const auto& source : all_) (text += source->fingerprint()) += '\n';
    return text;
  }
  bool next(Document& document) {
    for (; at_ < all_.size(); ++at_) {
      if (all_[at_]->next(document)) return true;
    }
    return false;
  }
  std::vector<SourceRecord> records() {
    std::vector<SourceRecord> records;
    for (const auto& source : all_) std::ranges::move(source->records(), std::back_inserter(records));
    return records;
  }
  const BadLines& bad_lines() const { return bad_; }
  int64_t bytes_total() const { return sum(&CorpusSource::bytes_total); }
  int64_t bytes_done() const { return sum(&CorpusSource::bytes_done); }
  std::optional<double> entropy_rate() const {
    return all_.size() == 1 ? all_.front()->entropy_rate() : std::nullopt;
  }

 private:
  int64_t sum(int64_t (CorpusSource::*figure)() const) const {
    int64_t total = 0;
    for (const auto& source : all_) total += ((*source).*figure)();
    return total;
  }

  BadLines bad_;  // which the sources count in
  std::vector<std::unique_ptr<CorpusSource>> all_;
  size_t at_ = 0;
};

void stop_if_asked(const InterruptGuard& guard) {
  if (guard.requested()) throw Error("interrupted; the same command resumes where this one stopped");
}

json write_documents(const CorpusConfig& config, Sources& sources, const InterruptGuard& guard) {
  std::vector<std::unique_ptr<DocumentWriter>> writers;
  for (const Split split : splits)
    writers.push_back(std::make_unique<DocumentWriter>(config.out / file_of(split, "documents")));
  AtomicFile test_text(config.out / "test.txt");
  std::unique_ptr<Progress> progress;
  Document document;
  while (sources.next(document)) {
    stop_if_asked(guard);
    const Split split = split_of(document.id, config);
    writers[static_cast<size_t>(split)]->write(document.text);
    if (split == Split::test) test_text.write(std::as_bytes(std::span(document.text)));
    if (!progress) progress = std::make_unique<Progress>("documents", sources.bytes_total(), "B");
    progress->update(std::min(sources.bytes_done(), sources.bytes_total()));
  }
  if (progress) progress->finish();
  if (const BadLines& bad = sources.bad_lines(); bad.count() > 0)
    fmt::print(stderr, "corpus: {} bad line{} left out, the first: {}\n", bad.count(),
               bad.count() > 1 ? "s" : "", bad.first());

  json result;
  for (const Split split : splits) {
    const DocumentWriter& writer = *writers[static_cast<size_t>(split)];
    if (writer.documents() == 0) {
      throw Error(
          fmt::format("no document fell into {} (train has {}): give more documents, a larger fraction or "
                      "another seed",
                      to_string(split), writers[0]->documents()));
    }
    result["splits"][std::string(to_string(split))] = {{"documents", writer.documents()},
                                                       {"bytes", writer.bytes()}};
  }
  for (const SourceRecord& r : sources.records()) {
    json entry = {{"name", r.name}, {"version", r.version}, {"sha256", r.sha256}, {"bytes", r.bytes}};
    if (r.bad_lines > 0) entry["bad_lines"] = r.bad_lines;
    result["sources"].push_back(entry);
  }
  for (const auto& writer : writers) writer->finish();
  test_text.commit();
  return result;
}

/// End of the line that `text` begins with; of a very long one, of a part that ends at a space if it has one,
/// so that a text of few long lines can be spread over, too.
size_t end_of_sample(std::string_view text) {
  constexpr size_t longest = size_t{64} << 10;
  const size_t end = std::min(text.find('\n'), text.size());
  if (end <= longest) return end;
  if (const size_t space = text.rfind(' ', longest); space != std::string_view::npos && space > 0)
    return space;
  size_t cut = longest;
  while ((text[cut] & 0xC0) == 0x80) --cut;  // UTF-8, as all documents are
  return cut;
}

/// Lines of the train documents, spread evenly over them, `budget` bytes at most.
std::vector<std::string> sample_lines(const fs::path& documents, int64_t total, int64_t budget,
                                      const InterruptGuard& guard) {
  std::vector<std::string> lines;
  DocumentReader reader(documents);
  std::string_view text;
  double seen = 0.0;
  double taken = 0.0;
  const double share = std::min(1.0, static_cast<double>(budget) / static_cast<double>(total));
  while (reader.next(text)) {
    stop_if_asked(guard);
    while (!text.empty()) {
      const size_t end = end_of_sample(text);
      const std::string_view line = text.substr(0, end);
      text.remove_prefix(end);
      if (text.starts_with('\n')) text.remove_prefix(1);
      seen += static_cast<double>(line.size());
      if (line.empty() || taken + static_cast<double>(line.size()) > seen * share) continue;
      taken += static_cast<double>(line.size());
      lines.emplace_back(line);
    }
  }
  return lines;
}

json make_tokenizer(const CorpusConfig& config, int64_t train_bytes, const InterruptGuard& guard) {
  const fs::path model = config.out / "tokenizer.model";
  if (config.tokenizer.empty()) {
    const auto lines = sample_lines(config.out / file_of(Split::train, "documents"), train_bytes,
                                    config.tokenizer_bytes, guard);
    fmt::print(stderr, "corpus: training a tokenizer of {} pieces on {} lines\n", config.vocab, lines.size());
    size_t at = 0;
    const TrainingLines trained =
        train_tokenizer([&](std::string& line) { return at < lines.size() && (line = lines[at++], true); },
                        config.vocab, model, "these documents");
    if (const std::string remarks = trained.remarks(); !remarks.empty())
      fmt::print(stderr, "corpus: for the tokenizer, {}\n", remarks);
    stop_if_asked(guard);
  } else {
    const MappedFile file(config.tokenizer);
    AtomicFile copy(model);
    copy.write(file.bytes());
    copy.commit();
  }
  const Tokenizer tokenizer(model);
  if (!tokenizer.spells_text()) {
    fmt::print(stderr,
               "corpus: {}: this tokenizer normalises text or does not know all of it: scores on its token "
               "files have no bits per byte\n",
               config.tokenizer.string());
  }
  return {{"vocab", tokenizer.vocab()}, {"hash", fmt::format("{:016x}", tokenizer.hash())}};
}

std::vector<std::vector<int32_t>> encode_all(const Tokenizer& tokenizer,
                                             const std::vector<std::string_view>& texts) {
  std::vector<std::vector<int32_t>> ids(texts.size());
  std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic)
  for (size_t i = 0; i < texts.size(); ++i) {
    try {
      ids[i] = tokenizer.encode(texts[i]);
      ids[i].push_back(tokenizer.end_of_text());
    } catch (...) {
#pragma omp critical
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
  return ids;
}

json write_tokens(const fs::path& folder, Split split, int64_t total, const Tokenizer& tokenizer,
                  const InterruptGuard& guard) {
  DocumentReader reader(folder / file_of(split, "documents"));
  TokenFileWriter writer(folder / file_of(split, "tokens"), tokenizer.vocab(), tokenizer.hash());
  Progress progress(fmt::format("{} tokens", to_string(split)), total, "B");
  std::vector<std::string_view> batch;
  size_t bytes = 0;
  int64_t done = 0;
  const auto flush = [&] {
    for (const auto& ids : encode_all(tokenizer, batch)) writer.write(ids);
    done += static_cast<int64_t>(bytes);
    progress.update(done);
    batch.clear();
    bytes = 0;
  };
  std::string_view text;
  while (reader.next(text)) {
    stop_if_asked(guard);
    batch.push_back(text);
    bytes += text.size();
    if (bytes >= batch_bytes) flush();
  }
  flush();
  progress.finish();
  writer.finish();
  return {{"tokens", writer.written()}};
}

void check(const CorpusConfig& config) {
  if (config.out.empty()) throw UsageError("a corpus needs a folder to be made in");
  if (!(config.validation > 0.0 && config.test > 0.0 && config.validation + config.test <= 0.5)) {
    throw UsageError(fmt::format("fractions of {} validation and {} test: both above 0, together at most 0.5",
                                 config.validation, config.test));
  }
  if (config.tokenizer_bytes < 1 || config.markov_bytes < 1)
    throw UsageError("bytes of a corpus and of a tokenizer's text are positive");
  if (config.skip_bad < 0) throw UsageError("a number of bad lines is 0 or more");
  // Before the sources are read, which may take hours.
  if (config.tokenizer.empty()) {
    check_vocab(config.vocab);
  } else {
    const Tokenizer refuses_what_is_none(config.tokenizer);
  }
}

std::string documents_key(const CorpusConfig& config, const Sources& sources) {
  return fmt::format("{}seed {} validation {} test {}", sources.fingerprint(), config.seed, config.validation,
                     config.test);
}

std::vector<std::string> document_files() {
  std::vector<std::string> files;
  for (const Split split : splits) files.push_back(file_of(split, "documents"));
  files.emplace_back("test.txt");
  return files;
}

std::string content_of(const json& documents, const std::string& key) {
  return sha256(documents.dump() + key);
}

std::string tokenizer_key(const CorpusConfig& config, const std::string& content) {
  return config.tokenizer.empty()
             ? fmt::format("trained {} {} on {}", config.vocab, config.tokenizer_bytes, content)
             : fmt::format("given {}", sha256_of_file(config.tokenizer));
}

/// Whether documents and tokenizer in config.out, which all else follows from, are those of these inputs.
bool is_current(const CorpusConfig& config, const Sources& sources) {
  const std::string key = documents_key(config, sources);
  const auto documents = finished_stage(config.out, "documents", key, document_files());
  return documents && finished_stage(config.out, "tokenizer",
                                     tokenizer_key(config, content_of(*documents, key)), {"tokenizer.model"});
}

/// In stages, in config.out.
void build(const CorpusConfig& config, Sources& sources, const InterruptGuard& guard) {
  fs::create_directories(config.out / "stages");
  remove_leftovers(config.out);
  remove_leftovers(config.out / "stages");
  const fs::path info = config.out / "corpus.json";
  const auto changed = [&info] { fs::remove(info); };  // what it speaks of is being replaced
  const std::string key = documents_key(config, sources);
  const json documents = run_stage(config.out, "documents", key, document_files(), [&] {
    changed();
    return write_documents(config, sources, guard);
  });

  const int64_t train_bytes = documents["splits"]["train"]["bytes"];
  const std::string content = content_of(documents, key);
  const json tokenizer_info =
      run_stage(config.out, "tokenizer", tokenizer_key(config, content), {"tokenizer.model"}, [&] {
        changed();
        return make_tokenizer(config, train_bytes, guard);
      });

  const Tokenizer tokenizer(config.out / "tokenizer.model");
  ordered_json split_info;
  for (const Split split : splits) {
    json entry = documents["splits"][std::string(to_string(split))];
    const std::string split_key = fmt::format("{} by {:016x}", content, tokenizer.hash());
    const json made =
        run_stage(config.out, std::string(to_string(split)), split_key, {file_of(split, "tokens")}, [&] {
          changed();
          return write_tokens(config.out, split, entry["bytes"], tokenizer, guard);
        });
    split_info[std::string(to_string(split))] = {
        {"documents", entry["documents"]}, {"bytes", entry["bytes"]}, {"tokens", made["tokens"]}};
  }

  ordered_json description = {{"version", 1},
                              {"name", fmt::format("{}", fmt::join(config.sources, "+"))},
                              {"sources", documents["sources"]},
                              {"seed", config.seed},
                              {"validation_fraction", config.validation},
                              {"test_fraction", config.test},
                              {"tokenizer", tokenizer_info},
                              {"tokenizer_trained", config.tokenizer.empty()},
                              {"settings", corpus_settings(config)},
                              {"splits", split_info}};
  if (const auto rate = sources.entropy_rate()) description["entropy_rate_bits_per_byte"] = *rate;
  write_file_atomically(info, description.dump(2) + "\n");
}

}  // namespace

std::string_view to_string(Split split) {
  constexpr std::array<std::string_view, 3> names = {"train", "validation", "test"};
  return names[static_cast<size_t>(split)];
}

Split split_of(std::string_view id, const CorpusConfig& config) {
  const double u = Philox(config.seed).uniform(0, stable_hash(id));
  if (u < config.test) return Split::test;
  // From the other end, so that a larger test split takes nothing from validation.
  return u >= 1.0 - config.validation ? Split::validation : Split::train;
}

CorpusSummary build_corpus(const CorpusConfig& config) {
  check(config);
  const InterruptGuard guard;
  Sources sources(config);  // before there is a folder: a source that does not exist leaves none
  const FolderLock lock(config.out);
  finish_rebuild(config.out);
  if (!fs::exists(config.out / "corpus.json") || is_current(config, sources)) {
    fs::remove_all(rebuild_folder(config.out));
    build(config, sources, guard);
  } else {
    if (!config.replace) refuse_other_settings(config);
    CorpusConfig aside = config;
    aside.out = rebuild_folder(config.out);
    build(aside, sources, guard);
    finish_rebuild(config.out);
  }
  return load_corpus_info(config.out);
}

CorpusSummary load_corpus_info(const fs::path& folder) {
  const fs::path file = folder / "corpus.json";
  if (!fs::exists(file)) {
    throw Error(
        fmt::format("{}: no finished corpus here (corpus.json is missing); photon corpus build makes one",
                    folder.string()));
  }
  const json info = read_strict_json(file);
  CorpusSummary s;
  try {
    if (info.at("version") != 1)
      throw Error(
          fmt::format("{}: version {}, this program reads 1", file.string(), info.at("version").dump()));
    s.name = info.at("name");
    for (const auto& source : info.at("sources"))
      s.sources.push_back({source.at("name"), source.at("version"), source.at("sha256"), source.at("bytes"),
                           source.value("bad_lines", int64_t{0})});
    s.seed = info.at("seed");
    s.validation = info.at("validation_fraction");
    s.test = info.at("test_fraction");
    s.vocab = info.at("tokenizer").at("vocab");
    s.tokenizer_hash = std::stoull(info.at("tokenizer").at("hash").get<std::string>(), nullptr, 16);
    for (const Split split : splits) {
      const auto& entry = info.at("splits").at(std::string(to_string(split)));
      s.split[static_cast<size_t>(split)] = {entry.at("documents"), entry.at("bytes"), entry.at("tokens")};
    }
    if (info.contains("entropy_rate_bits_per_byte"))
      s.entropy_rate = info["entropy_rate_bits_per_byte"].get<double>();
  } catch (const nlohmann::json::exception& e) {
    throw Error(fmt::format("{}: not as photon corpus build writes it: {}", file.string(), e.what()));
  } catch (const std::logic_error&) {
    throw Error(fmt::format("{}: the tokenizer's hash is no hexadecimal number", file.string()));
  }
  for (const Split split : splits) {
    const fs::path path = folder / file_of(split, "tokens");
    const TokenFile tokens(path);
    if (tokens.size() != s.of(split).tokens || tokens.tokenizer_hash() != s.tokenizer_hash) {
      throw Error(fmt::format(
          "{}: {} tokens of tokenizer {:016x}, corpus.json speaks of {} of {:016x}: build the "
          "corpus again",
          path.string(), tokens.size(), tokens.tokenizer_hash(), s.of(split).tokens, s.tokenizer_hash));
    }
  }
  return s;
}

}  // namespace photon
