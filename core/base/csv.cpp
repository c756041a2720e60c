// SPDX-License-Identifier: Apache-2.0
#include "core/base/csv.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#define CSV_IO_NO_THREAD  // files are small; a reading thread would only make errors harder to carry
#include <libfccp/csv.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wstringop-truncation"  // the parser cuts long file names on purpose
#endif

#include "core/base/error.h"

namespace photon {
namespace {

/// Hands a file to fast-cpp-csv-parser and refuses what its line reader would pass over in silence: NUL
/// bytes, which end its lines early, and a last line without a line break.
class CheckedSource : public io::ByteSourceBase {
 public:
  explicit CheckedSource(std::string name)
      : name_(std::move(name)), fd_(::open(name_.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) throw Error(fmt::format("{}: cannot be opened: {}", name_, std::strerror(errno)));
    if (::flock(fd_, LOCK_SH) != 0) {
      ::close(fd_);
      throw Error(fmt::format("{}: cannot be locked for reading: {}", name_, std::strerror(errno)));
    }
  }
  CheckedSource(const CheckedSource&) = delete;
  CheckedSource& operator=(const CheckedSource&) = delete;
  ~CheckedSource() override { ::close(fd_); }

  int read(char* buffer, int size) override {
    int got = 0;
    while (got < size) {
      const ssize_t n = ::read(fd_, buffer + got, static_cast<size_t>(size - got));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw Error(fmt::format("{}: cannot be read: {}", name_, std::strerror(errno)));
      if (n == 0) break;
      check({buffer + got, static_cast<size_t>(n)});
      got += static_cast<int>(n);
    }
    if (got < size && last_ != '\n') {
      throw Error(last_ == '\0'
                      ? fmt::format("{}: empty; a header line was expected", name_)
                      : fmt::format("{}, line {}: cut off: the line has no line break", name_, line_));
    }
    return got;
  }

 private:
  void check(std::string_view bytes) {
    for (const char byte : bytes) {
      if (byte == '\0')
        throw Error(fmt::format("{}, line {}: a NUL byte; this is not a CSV file", name_, line_));
      if (byte == '\n') ++line_;
      last_ = byte;
    }
  }

  std::string name_;
  int fd_;
  int64_t line_ = 1;
  char last_ = '\0';
};

std::string cell_count_error(size_t got, size_t expected, const std::string& where) {
  return fmt::format("{}: {} cells where the header has {}", where, got, expected);
}

}  // namespace

void require_cell(std::string_view text) {
  if (text.find_first_of(std::string_view("\n\r\0", 3)) != std::string_view::npos) {
    throw Error(fmt::format("a CSV cell cannot hold a line break or a NUL: {}", in_quotes(text)));
  }
}

std::string csv_cell(std::string_view text) {
  require_cell(text);
  if (text.find_first_of(",\"") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::vector<std::string> split_csv_line(std::string_view line, const std::string& where) {
  std::vector<std::string> cells(1);
  size_t i = 0;
  while (i < line.size()) {
    const auto fail = [&](std::string_view what) {
      throw Error(fmt::format("{}, cell {}: {}", where, cells.size(), what));
    };
    if (line[i] == ',') {
      cells.emplace_back();
      ++i;
    } else if (line[i] == '"') {
      std::string& cell = cells.back();
      for (++i;; ++i) {
        if (i == line.size()) fail("a quote is not closed (cells cannot hold line breaks)");
        if (line[i] != '"') {
          cell += line[i];
        } else if (i + 1 < line.size() && line[i + 1] == '"') {
          cell += line[++i];
        } else {
          break;
        }
      }
      ++i;
      if (i < line.size() && line[i] != ',') fail("text after the closing quote");
    } else {
      const size_t end = std::min(line.find(',', i), line.size());
      const std::string_view plain = line.substr(i, end - i);
      if (plain.find('"') != std::string_view::npos)
        fail("a quote inside a cell that does not begin with one");
      cells.back() = plain;
      i = end;
    }
  }
  return cells;
}

struct CsvReader::Lines {
  explicit Lines(const std::string& name) : reader(name, std::make_unique<CheckedSource>(name)) {}

  const char* next(const std::filesystem::path& file) {
    try {
      return reader.next_line();
    } catch (const io::error::line_length_limit_exceeded&) {
      throw Error(fmt::format("{}, line {}: longer than 16 MiB; this is not a CSV file", file.string(),
                              reader.get_file_line()));
    }
  }

  io::LineReader reader;
};

CsvReader::CsvReader(const std::filesystem::path& file) : file_(file) {
  lines_ = std::make_unique<Lines>(file.string());
  const char* line = lines_->next(file_);
  if (line == nullptr) throw Error(fmt::format("{}: empty; a header line was expected", file.string()));
  header_ = split_csv_line(line, where());
}

CsvReader::~CsvReader() = default;

bool CsvReader::next(std::vector<std::string>& cells) {
  const char* line = lines_->next(file_);
  if (line == nullptr) return false;
  cells = split_csv_line(line, where());
  if (cells.size() != header_.size()) throw Error(cell_count_error(cells.size(), header_.size(), where()));
  return true;
}

std::string CsvReader::where() const {
  return fmt::format("{}, line {}", file_.string(), lines_->reader.get_file_line());
}

CsvTable parse_csv(std::string_view text, const std::string& source_name) {
  CsvTable table;
  for (int line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string where = fmt::format("{}, line {}", source_name, line);
    auto cells = split_csv_line(text.substr(0, end), where);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line == 1) {
      table.header = std::move(cells);
    } else {
      if (cells.size() != table.header.size()) {
        throw Error(cell_count_error(cells.size(), table.header.size(), where));
      }
      table.rows.push_back(std::move(cells));
    }
  }
  return table;
}

double csv_number(std::string_view cell, const std::string& where) {
  double value = 0.0;
  const auto [end, status] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (status != std::errc{} || end != cell.data() + cell.size()) {
    throw Error(fmt::format("{}: \"{:.60}\" is not a number", where, cell));
  }
  return value;
}

}  // namespace photon
