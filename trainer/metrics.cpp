// SPDX-License-Identifier: Apache-2.0
#include "trainer/metrics.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace photon::trainer {
namespace {

constexpr std::string_view header =
    "step,tokens,flops,token_loss,rec,ctx,gradient_norm,learning_rate,validation_loss,validation_rec,"
    "validation_ctx,"
    "tokens_per_second,mfu,seconds\n";

/// "token,rec,ctx,", empty what a model of this depth has not: 0 would be a perfect loss.
std::string cells_of(const Losses& losses, int depth) {
  return fmt::format("{},{},{},", losses.token, depth < 2 ? "" : fmt::to_string(losses.rec),
                     depth < 1 ? "" : fmt::to_string(losses.context));
}

std::string line_of(const MetricsRow& row, int depth) {
  std::string line = fmt::format("{},{},{},", row.step, row.tokens, row.flops) + cells_of(row.train, depth) +
                     fmt::format("{},{},", row.gradient_norm, row.learning_rate);
  line += row.validation ? cells_of(*row.validation, depth) : ",,,";
  line += fmt::format("{:.6g},{},{:.6g}\n", row.tokens_per_second,
                      row.mfu ? fmt::format("{:.4g}", *row.mfu) : "", row.seconds);
  return line;
}

int64_t step_of(std::string_view line) {
  int64_t step = -1;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), step);
  return error == std::errc() && end != line.data() + line.size() && *end == ',' ? step : -1;
}

bool whole(std::string_view line) {
  return !line.empty() && line.back() == '\n' &&
         std::count(line.begin(), line.end(), ',') == std::count(header.begin(), header.end(), ',');
}

[[noreturn]] void fail(const std::filesystem::path& file, std::string_view what) {
  throw Error(fmt::format("{}: {}: {}", file.string(), what, std::strerror(errno)));
}

}  // namespace

MetricsFile::MetricsFile(const std::filesystem::path& file, int64_t last_step, int depth)
    : path_(file), depth_(depth) {
  std::string keep(header);
  if (last_step > 0 && std::filesystem::exists(file)) {
    std::ifstream in(file, std::ios::binary);
    std::string line;
    bool first = true;
    while (std::getline(in, line)) {
      if (!in.eof()) line += '\n';
      if (first && line != header) {
        throw Error(
            fmt::format("{}: its columns are not those of this version; move it away", file.string()));
      }
      if (!first) {
        const int64_t step = step_of(line);
        if (!whole(line) || step < 1 || step > last_step) break;
        keep += line;
        ++kept_;
      }
      first = false;
    }
  }

  const auto aside = std::filesystem::path(file.string() + ".partial");
  {
    std::ofstream out(aside, std::ios::binary | std::ios::trunc);
    out << keep;
    out.close();
    if (!out) fail(aside, "cannot be written");
  }
  std::filesystem::rename(aside, file);
  descriptor_ = open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor_ < 0) fail(file, "cannot be opened");
}

MetricsFile::~MetricsFile() {
  close(descriptor_);
}

void MetricsFile::append(const MetricsRow& row) {
  const std::string line = line_of(row, depth_);
  if (write(descriptor_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    fail(path_, "a row could not be written");
  }
}

}  // namespace photon::trainer
