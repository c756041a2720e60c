// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/line_reader.h"
#include "core/base/random.h"
#include "core/base/strict_json.h"
#include "core/base/utf8.h"
#include "core/text/corpus_source.h"

namespace photon {
namespace {

namespace fs = std::filesystem;

/// A text file is cut at the first empty line after so many bytes, or at the end of any line after four times
/// as many.
constexpr size_t piece_bytes = size_t{16} << 10;
/// A file of a folder up to this size is one document.
constexpr int64_t whole_file_bytes = int64_t{4} << 20;

struct Input {
  fs::path path;
  std::string name;  ///< relative to the folder
  int64_t bytes = 0;
  int64_t time = 0;
};

std::string kind_of(const fs::path& path) {
  fs::path name = path.filename();
  if (name.extension() == ".zst") name = name.stem();
  const std::string extension = name.extension().string();
  return extension == ".jsonl" || extension == ".json" || extension == ".ndjson" ? "json" : extension;
}

Input describe(const fs::path& path, const std::string& name) {
  const auto time = fs::last_write_time(path).time_since_epoch().count();
  return {path, name, static_cast<int64_t>(fs::file_size(path)), static_cast<int64_t>(time)};
}

std::vector<Input> list_folder(const fs::path& folder) {
  constexpr std::array<std::string_view, 4> kinds = {".txt", ".text", ".md", "json"};
  std::vector<Input> inputs;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    if (std::find(kinds.begin(), kinds.end(), kind_of(entry.path())) == kinds.end()) continue;
    inputs.push_back(describe(entry.path(), entry.path().lexically_relative(folder).generic_string()));
  }
  if (inputs.empty()) {
    throw Error(
        fmt::format("{}: no text in this folder; *.txt, *.text, *.md and *.jsonl are read, plain or .zst",
                    folder.string()));
  }
  std::sort(inputs.begin(), inputs.end(), [](const Input& a, const Input& b) { return a.name < b.name; });
  return inputs;
}

class FileSource final : public CorpusSource {
 public:
  FileSource(const fs::path& path, BadLines* bad) : root_(path), folder_(fs::is_directory(path)), bad_(bad) {
    inputs_ = folder_ ? list_folder(path) : std::vector{describe(path, path.filename().string())};
    for (const Input& input : inputs_) bytes_total_ += input.bytes;
  }

  std::string fingerprint() const override {
    Sha256 hash;
    for (const Input& input : inputs_) {
      const std::string line = fmt::format("{}\t{}\t{}\n", input.name, input.bytes, input.time);
      hash.update(std::as_bytes(std::span(line)));
    }
    return fmt::format("files 1 {} {}", fs::absolute(root_).string(), hash.hex());
  }

  bool next(Document& document) override {
    for (; at_ < inputs_.size(); close()) {
      if (!reader_) reader_ = std::make_unique<LineReader>(inputs_[at_].path);
      const bool found = kind_of(inputs_[at_].path) == "json" ? next_json(document) : next_text(document);
      if (found) return true;
    }
    return false;
  }

  std::vector<SourceRecord> records() override {
    return {{fs::absolute(root_).lexically_normal().string(), "", folder_ ? all_.hex() : only_, closed_bytes_,
             bad_lines_}};
  }
  int64_t bytes_total() const override { return bytes_total_; }
  int64_t bytes_done() const override { return closed_bytes_ + (reader_ ? reader_->bytes_read() : 0); }

 private:
  void close() {
    only_ = reader_->sha256();
    const std::string line = fmt::format("{}  {}\n", only_, inputs_[at_].name);
    all_.update(std::as_bytes(std::span(line)));
    closed_bytes_ += reader_->bytes_read();
    reader_.reset();
    ++at_;
  }

  bool next_json(Document& document) {
    while (reader_->next(line_)) {
      if (line_.find_first_not_of(" \t\r\n") == std::string::npos) continue;
      try {
        document.text = text_of(line_, reader_->where());
      } catch (const Error& e) {
        leave_out(e);
        continue;
      }
      if (document.text.empty()) continue;
      document.id = content_id(document.text);
      return true;
    }
    return false;
  }

  static std::string text_of(const std::string& line, const std::string& where) {
    const auto value = parse_strict_json(line, where);
    const auto text = value.is_object() ? value.find("text") : value.end();
    if (!value.is_object() || text == value.end() || !text->is_string()) {
      throw Error(fmt::format("{}: no object with a \"text\" that is a string", where));
    }
    return text->get<std::string>();
  }

  bool next_text(Document& document) {
    const Input& input = inputs_[at_];
    const bool whole = folder_ && input.bytes <= whole_file_bytes && input.path.extension() != ".zst";
    document.text.clear();
    while (reader_->next(line_)) {
      if (const size_t bad = find_invalid_utf8(line_); bad != std::string_view::npos) {
        leave_out(Error(fmt::format("{}: byte {} of the line is no UTF-8", reader_->where(), bad + 1)));
        continue;
      }
      document.text += line_;
      const bool empty = line_.find_first_not_of(" \t\r\n") == std::string::npos;
      if (!whole &&
          (document.text.size() >= 4 * piece_bytes || (empty && document.text.size() >= piece_bytes)))
        break;
    }
    document.id = whole ? input.name : content_id(document.text);
    return !document.text.empty();
  }

  void leave_out(const Error& line) {
    if (bad_ == nullptr) throw line;
    bad_->add(line);
    ++bad_lines_;
  }

  static std::string content_id(const std::string& text) { return fmt::format("{:016x}", stable_hash(text)); }

  fs::path root_;
  bool folder_;
  BadLines* bad_;
  int64_t bad_lines_ = 0;
  std::vector<Input> inputs_;
  size_t at_ = 0;
  std::unique_ptr<LineReader> reader_;
  std::string line_;
  std::string only_;
  Sha256 all_;
  int64_t bytes_total_ = 0;
  int64_t closed_bytes_ = 0;
};

}  // namespace

bool is_named_source(std::string_view name) {
  return name == "debian" || name == "debian-large" || name == "markov";
}

void BadLines::add(const Error& error) {
  if (count_ == 0) first_ = error.what();
  if (++count_ <= allowed_) return;
  throw Error(allowed_ == 0 ? fmt::format("{} (--skip-bad N leaves out up to N such lines)", error.what())
                            : fmt::format("{}: bad line number {}, --skip-bad allows {}; the first was {}",
                                          error.what(), count_, allowed_, first_));
}

std::unique_ptr<CorpusSource> file_source(const fs::path& path, BadLines* bad) {
  try {
    if (!fs::exists(path)) {
      throw Error(
          fmt::format("{}: no such file or folder; a source is a path, debian or markov", path.string()));
    }
    return std::make_unique<FileSource>(path, bad);
  } catch (const fs::filesystem_error& e) {
    throw Error(fmt::format("{}: cannot be read: {}", e.path1().string(), e.code().message()));
  }
}

}  // namespace photon
