// Results rows in CSV files: reading with the place of every fault, appending whole rows under a lock.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <set>

#include "core/csv.h"
#include "core/error.h"
#include "core/results.h"

namespace photon {
namespace {

std::string header_line() {
  std::string line;
  for (const ResultColumn& column : result_columns()) {
    if (!line.empty()) line += ',';
    line += column.name;
  }
  return line + '\n';
}

std::string row_lines(std::span<const ResultRow> rows) {
  std::string lines;
  for (const ResultRow& row : rows) {
    bool first = true;
    for (const ResultColumn& column : result_columns()) {
      if (!first) lines += ',';
      first = false;
      try {
        lines += csv_cell(row.text(column.name));
      } catch (const Error& e) {
        throw Error(fmt::format("results column {}: {}", column.name, e.what()));
      }
    }
    lines += '\n';
  }
  return lines;
}

void check_version(const std::string& version, const std::string& where) {
  if (version == std::to_string(results_schema_version)) return;
  throw Error(
      fmt::format("{}, column schema_version: this is schema {}, this program reads schema {}; measure again "
                  "or use the program that wrote the file",
                  where, version.empty() ? "(empty)" : version, results_schema_version));
}

/// Another schema has other columns: its version is the better message, so a first row that tells it comes
/// first.
void check_header(const std::vector<std::string>& header, CsvReader& reader) {
  std::string fault;
  std::set<std::string_view> known;
  std::set<std::string> seen;
  for (const ResultColumn& column : result_columns()) known.insert(column.name);
  const std::string where = reader.where();
  for (const std::string& name : header) {
    if (fault.empty() && !seen.insert(name).second) fault = fmt::format("{}: column {} twice", where, name);
    if (fault.empty() && !known.contains(name))
      fault = fmt::format("{}: unknown column \"{:.60}\"", where, name);
  }
  for (const std::string_view name : known) {
    if (fault.empty() && !seen.contains(std::string(name)))
      fault = fmt::format("{}: column {} is missing", where, name);
  }
  if (fault.empty()) return;
  const auto version = std::find(header.begin(), header.end(), "schema_version");
  std::vector<std::string> cells;
  if (version != header.end() && reader.next(cells))
    check_version(cells[version - header.begin()], reader.where());
  throw Error(fault + fmt::format("; the columns of schema {} were expected", results_schema_version));
}

void check_cell(const ResultColumn& column, const std::string& cell, const std::string& where) {
  const std::string place = fmt::format("{}, column {}", where, column.name);
  if (column.name == "schema_version") check_version(cell, where);
  if (column.name == "kind" && cell != "bench" && cell != "training" && cell != "eval" &&
      cell != "baseline") {
    throw Error(fmt::format("{}: \"{:.60}\" is not bench, training, eval or baseline", place, cell));
  }
  if (column.is_text || cell.empty()) return;
  if (!std::isfinite(csv_number(cell, place)))
    throw Error(fmt::format("{}: {} is not a finite number", place, cell));
}

/// An open, exclusively locked results file.
class LockedFile {
 public:
  explicit LockedFile(const std::filesystem::path& file) : name_(file.string()) {
    fd_ = ::open(name_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd_ < 0) fail("cannot be opened for appending");
    while (::flock(fd_, LOCK_EX) != 0) {
      if (errno != EINTR) fail("cannot be locked");
    }
  }
  LockedFile(const LockedFile&) = delete;
  LockedFile& operator=(const LockedFile&) = delete;
  ~LockedFile() {
    if (fd_ >= 0) ::close(fd_);
  }

  off_t size() const {
    struct stat status {};
    if (::fstat(fd_, &status) != 0) fail("cannot be examined");
    return status.st_size;
  }
  std::string read(off_t offset, size_t count) const {
    std::string bytes(count, '\0');
    const ssize_t got = ::pread(fd_, bytes.data(), count, offset);
    if (got < 0) fail("cannot be read");
    bytes.resize(static_cast<size_t>(got));
    return bytes;
  }
  /// All of it or nothing: what a full disk cut short is taken back.
  void append(const std::string& bytes) {
    const off_t before = size();
    size_t written = 0;
    while (written < bytes.size()) {
      const ssize_t n = ::write(fd_, bytes.data() + written, bytes.size() - written);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        const int reason = errno;
        const bool restored = ::ftruncate(fd_, before) == 0;
        errno = reason;
        fail(restored ? "cannot be appended to" : "cannot be appended to, and its last line is now cut off");
      }
      written += static_cast<size_t>(n);
    }
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw Error(fmt::format("{}: {}: {}", name_, what, std::strerror(errno)));
  }

  std::string name_;
  int fd_ = -1;
};

}  // namespace

std::vector<ResultRow> read_results(const std::filesystem::path& file) {
  CsvReader reader(file);
  const std::vector<std::string> header = reader.header();
  check_header(header, reader);
  std::vector<const ResultColumn*> columns;
  for (const std::string& name : header) {
    columns.push_back(&*std::find_if(result_columns().begin(), result_columns().end(),
                                     [&](const ResultColumn& column) { return column.name == name; }));
  }
  std::vector<ResultRow> rows;
  std::vector<std::string> cells;
  while (reader.next(cells)) {
    ResultRow row;
    for (size_t i = 0; i < cells.size(); ++i) {
      check_cell(*columns[i], cells[i], reader.where());
      row.set(columns[i]->name, cells[i]);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

void append_results(const std::filesystem::path& file, std::span<const ResultRow> rows) {
  const std::string lines = row_lines(rows);
  const std::string header = header_line();
  LockedFile target(file);
  const off_t size = target.size();
  if (size == 0) {
    target.append(header + lines);
    return;
  }
  if (target.read(0, header.size()) != header) {
    throw Error(
        fmt::format("{}, line 1: not the columns of results schema {}; nothing was appended: choose another "
                    "file",
                    file.string(), results_schema_version));
  }
  if (target.read(size - 1, 1) != "\n") {
    throw Error(fmt::format("{}: the last line is cut off; nothing was appended: delete that line first",
                            file.string()));
  }
  target.append(lines);
}

std::string to_csv(std::span<const ResultRow> rows) {
  return header_line() + row_lines(rows);
}

}  // namespace photon
