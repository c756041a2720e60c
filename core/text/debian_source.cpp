// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>
#include <unordered_set>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/base/read_file.h"
#include "core/base/sha256.h"
#include "core/base/subprocess.h"
#include "core/base/utf8.h"
#include "core/text/corpus_source.h"
#include "core/text/package_text.h"
#include "core/text/prose.h"
#include "core/text/r_data.h"

namespace photon {
namespace {

namespace fs = std::filesystem;

/// How a package keeps its text.
enum class Kind { essays, novels, text, fortunes, dictionary, verses };

struct Package {
  const char* name;
  const char* version;
  const char* sha256;
  Kind kind;
  const char* folder;         ///< or file, of the text
  const char* source = name;  ///< the source package, by which Debian's archive is ordered

  /// As apt-get download calls it.
  std::string file() const {
    std::string text = fmt::format("{}_{}_all.deb", name, version);
    if (const size_t epoch = text.find(':'); epoch != std::string::npos) text.replace(epoch, 1, "%3a");
    return text;
  }
  /// In Debian's archive, while Debian 12 is supported.
  std::string address() const {
    const std::string_view whole = version;
    return fmt::format("http://deb.debian.org/debian/pool/main/{}/{}/{}_{}_all.deb", source[0], source, name,
                       whole.substr(whole.find(':') + 1));
  }
};

// Frozen for the life of Debian 12.
constexpr std::array packages = {
    Package{"anarchism", "15.3-3", "cf21c10948b00e923c62eb31c39a3390413fa26c5ee0e3b925feb0ec7fe42948",
            Kind::essays, "usr/share/doc/anarchism/html"},
    Package{"r-cran-janeaustenr", "1.0.0-1",
            "df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95", Kind::novels,
            "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"},
    Package{"jargon-text", "4.4.7-4.1", "17d05997e30eb3d5d6713929b8e2f81b63a5f50073858ad2a06701c71f54dcdb",
            Kind::text, "usr/share/doc/jargon-text/jargon.txt.gz"},
    Package{"fortunes", "1:1.99.1-7.3", "41d0551dc0ff52f875a2ecef7c39da2f672ab468c37e170119f7e0245a9d63c5",
            Kind::fortunes, "usr/share/games/fortunes", "fortune-mod"},
    Package{"dict-gcide", "0.48.5+nmu2", "7b0af5cfde3cbdef5e9d6e78f92ec335ced7c2790f37a40f49bebc6f7347ac0f",
            Kind::dictionary, "usr/share/dictd/gcide.dict.dz"},
    Package{"dict-foldoc", "20230119-1", "745cbedb55c2da609cc88ee0284e9d11a67a11ae3709daf7bad0e895ac3294c3",
            Kind::dictionary, "usr/share/dictd/foldoc.dict.dz"},
    Package{"sword-comm-tdavid", "2.1-1", "bcbfad701c5c4a061475b58309cebc42755a59e87478c8355227c5e046412b3f",
            Kind::verses, "usr/share/sword/modules/comments/zcom/tdavid"},
    Package{"sword-comm-mhcc", "2.0-1", "06f748215de78ff48fdfdee93e3ffc5af6318b976485f7aedf22309236967e35",
            Kind::verses, "usr/share/sword/modules/comments/zcom/mhcc"},
    Package{"sword-text-web", "426.0-1", "930b23670b352f0829a306501de4bebb5e654a2df02cde2cbe86b802177868e1",
            Kind::verses, "usr/share/sword/modules/texts/ztext/engWEB2015eb"},
};
constexpr size_t packages_of_the_small_corpus = 2;

/// The user's cache for photon if it can be written, else `fallback`.
fs::path cache_folder(const fs::path& fallback) {
  fs::path folder;
  if (const char* const xdg = std::getenv("XDG_CACHE_HOME"); xdg != nullptr && *xdg == '/') {
    folder = fs::path(xdg) / "photon";
  } else if (const char* const home = std::getenv("HOME"); home != nullptr && *home == '/') {
    folder = fs::path(home) / ".cache/photon";
  }
  std::error_code bad;
  if (!folder.empty()) fs::create_directories(folder, bad);
  if (folder.empty() || bad || ::access(folder.c_str(), W_OK) != 0) {
    folder = fs::absolute(fallback);
    fs::create_directories(folder);
  }
  return folder;
}

void download(const Package& package, const fs::path& folder) {
  const std::string wanted = fmt::format("{}={}", package.name, package.version);
  std::vector<std::string> command = {"apt-get", "download"};
  const bool root = ::geteuid() == 0;
  if (root) command.insert(command.end(), {"-o", "APT::Sandbox::User=root"});
  command.push_back(wanted);
  fmt::print(stderr, "corpus: downloading {} with apt-get into {}\n", wanted, folder.string());
  CommandResult result = run_command(command, folder);
  static bool updated = false;
  if (result.found && result.status != 0 && root && !updated) {
    fmt::print(stderr, "corpus: apt-get does not know it; apt-get update\n");
    run_command({"apt-get", "update"});
    updated = true;
    result = run_command(command, folder);
  }
  // Other releases of Debian have other versions; its archive has this one too.
  if (result.found && result.status != 0) {
    fmt::print(stderr, "corpus: apt-get cannot; downloading {}\n", package.address());
    command = {"/usr/lib/apt/apt-helper", "download-file", package.address(),
               (folder / package.file()).string()};
    if (root) command.insert(command.end(), {"-o", "APT::Sandbox::User=root"});
    if (const CommandResult archive = run_command(command, folder); archive.status == 0) result = archive;
  }
  if (!result.found) {
    throw Error(
        fmt::format("the corpora of Debian packages need apt-get, which is not here: put {} into {}, or take "
                    "another --source (markov, or files of your own)",
                    package.file(), folder.string()));
  }
  if (result.status != 0 || !fs::exists(folder / package.file())) {
    while (!result.messages.empty() && result.messages.back() == '\n') result.messages.pop_back();
    throw Error(
        fmt::format("apt-get download {} failed ({}).{} Or take another --source (markov, or files of "
                    "your own)",
                    wanted, result.messages.empty() ? "it says nothing" : result.messages,
                    root ? "" : " If the package lists are empty or old: sudo apt-get update."));
  }
}

/// The unpacked package, from the cache if it was there.
fs::path fetch(const Package& package, const fs::path& cache) {
  const fs::path unpacked = cache / fmt::format("{}_{}", package.name, package.version);
  if (fs::exists(unpacked)) return unpacked;
  const fs::path aside = cache / fmt::format("{}.tmp-{}", unpacked.filename().string(), ::getpid());
  fs::remove_all(aside);
  fs::create_directories(aside);
  struct Remove {
    ~Remove() {
      std::error_code ignored;
      fs::remove_all(folder, ignored);
    }
    const fs::path& folder;
  } const remove{aside};

  fs::path deb = cache / package.file();
  if (!fs::exists(deb)) {
    download(package, aside);
    deb = aside / package.file();
  }
  if (const std::string found = sha256_of_file(deb); found != package.sha256) {
    throw Error(fmt::format("{}: its SHA-256 is {}, expected {}: delete it and try again", deb.string(),
                            found, package.sha256));
  }
  const CommandResult result = run_command({"dpkg-deb", "-x", deb.string(), (aside / "x").string()});
  if (result.status != 0) {
    throw Error(fmt::format("{}: cannot be unpacked with dpkg-deb: {}", deb.string(),
                            result.found ? result.messages : "it is not installed"));
  }
  std::error_code other_was_first;
  fs::rename(aside / "x", unpacked, other_was_first);
  if (!fs::exists(unpacked)) throw Error(fmt::format("{}: cannot be made", unpacked.string()));
  return unpacked;
}

std::string read_utf8(const fs::path& path) {
  std::string text = read_file(path);
  if (!is_utf8(text)) throw Error(fmt::format("{}: no UTF-8", path.string()));
  return text;
}

/// "CHAPTER IV", "Chapter 12".
bool is_chapter(const std::string& line) {
  constexpr std::string_view word = "CHAPTER ";
  if (line.size() <= word.size() || line.size() > 20) return false;
  for (size_t i = 0; i < word.size(); ++i) {
    if (line[i] != word[i] && line[i] != word[i] - 'A' + 'a') return false;
  }
  return line.find_first_not_of("IVXLC0123456789.", word.size()) == std::string::npos;
}

class DebianSource final : public CorpusSource {
 public:
  DebianSource(fs::path cache_fallback, DebianCorpus corpus)
      : cache_fallback_(std::move(cache_fallback)),
        packages_(corpus == DebianCorpus::small ? std::span(packages).first(packages_of_the_small_corpus)
                                                : std::span(packages)) {}

  std::string fingerprint() const override {
    std::string text = "debian 1";
    for (const Package& package : packages_) (text += ' ') += package.sha256;
    return text;
  }

  bool next(Document& document) override {
    if (!loaded_) load();
    if (at_ == documents_.size()) return false;
    done_ += static_cast<int64_t>(documents_[at_].text.size());
    document = std::move(documents_[at_++]);
    return true;
  }

  std::vector<SourceRecord> records() override { return records_; }
  int64_t bytes_total() const override { return total_; }
  int64_t bytes_done() const override { return done_; }

 private:
  void load() {
    const fs::path cache = cache_folder(cache_fallback_);
    for (const Package& package : packages_) {
      const int64_t before = total_;
      load(package, fetch(package, cache) / package.folder);
      records_.push_back({package.name, package.version, package.sha256, total_ - before});
    }
    loaded_ = true;
  }

  void load(const Package& package, const fs::path& from) {
    switch (package.kind) {
      case Kind::essays:
        return load_essays(from);
      case Kind::novels:
        return load_novels(from);
      case Kind::text:
      case Kind::fortunes:
      case Kind::dictionary:
        for (const PackageText& text :
             package.kind == Kind::fortunes ? fortune_texts(from) : pieces(gunzipped_file(from)))
          add(fmt::format("{}/{}", package.name, text.id), text.paragraphs);
        return;
      case Kind::verses:
        // Bible text and what comments on it quote each other: one side of the split.
        for (const PackageText& text : sword_texts(from)) add("bible", text.paragraphs);
        return;
    }
  }

  void load_essays(const fs::path& folder) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() == ".html") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files)
      add("anarchism/" + file.stem().string(), html_paragraphs(read_utf8(file)));
  }

  void load_novels(const fs::path& file) {
    for (const auto& lines : read_r_texts(file)) {
      const std::string title = lines.empty() ? "" : lines.front();
      size_t begin = 0;
      int chapter = 0;
      for (size_t i = 0; i <= lines.size(); ++i) {
        if (i < lines.size() && !is_chapter(lines[i])) continue;
        add(fmt::format("austen/{}/{}", title, chapter++),
            joined_paragraphs(std::span(lines).subspan(begin, i - begin)));
        begin = i;
      }
    }
  }

  /// Prose that did not appear before; a document without any is none.
  void add(std::string id, const std::vector<std::string>& paragraphs) {
    std::string text;
    for (const std::string& paragraph : paragraphs) {
      if (!is_english_prose(paragraph) || !seen_.insert(stable_hash(paragraph)).second) continue;
      (text += paragraph) += '\n';
    }
    if (text.empty()) return;
    total_ += static_cast<int64_t>(text.size());
    documents_.push_back({std::move(id), std::move(text)});
  }

  fs::path cache_fallback_;
  std::span<const Package> packages_;
  bool loaded_ = false;
  std::vector<Document> documents_;
  std::unordered_set<uint64_t> seen_;
  std::vector<SourceRecord> records_;
  size_t at_ = 0;
  int64_t total_ = 0;
  int64_t done_ = 0;
};

}  // namespace

std::unique_ptr<CorpusSource> debian_source(const fs::path& cache_fallback, DebianCorpus corpus) {
  return std::make_unique<DebianSource>(cache_fallback, corpus);
}

}  // namespace photon
