// SPDX-License-Identifier: Apache-2.0
// Tables 1 to 3 of the PHOTON paper beside the model: the floor of every row on the paper's card, the ratios
// between architectures when each stands at its floor, and the accounting of memory that its column follows.
// The paper states neither batch sizes nor how memory was measured.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/paper/tables.h"
#include "core/cost/floor.h"
#include "core/cost/hardware.h"

namespace photon::analysis {

struct FloorAtBatch {
  int64_t batch = 0;
  double tokens_per_s = 0.0;         ///< at the floor
  double serial_tokens_per_s = 0.0;  ///< at the serial floor
};

/// A row of the tables in one regime, bf16, reading as in its spec.
struct PaperPoint {
  PaperRow row;
  std::string regime;  ///< "pf" or "de"
  ModelSpec spec;
  Workload workload;  ///< one sample
  // As printed.
  double tokens_per_s = 0.0;
  double memory_bytes = 0.0;  ///< of a sample
  double tpm = 0.0;           ///< ktok/s/GiB
  FloorAtBatch largest;       ///< that fits beside the weights with ideal KV
  FloorAtBatch implied;       ///< that fits with the memory printed
  /// At each of paper_batches; the batch is 0 where it does not fit.
  std::vector<FloorAtBatch> fixed;

  /// Of the serial floor at the largest batch: printed throughput / it.
  double fraction() const { return tokens_per_s / largest.serial_tokens_per_s; }
  double implied_fraction() const { return tokens_per_s / implied.serial_tokens_per_s; }
  /// Of the floor, perfect overlap, at the largest batch.
  double overlap_fraction() const { return tokens_per_s / largest.tokens_per_s; }
  /// ktok/s/GiB at the serial floor and largest batch, ideal KV; and at the floor.
  double floor_tpm() const;
  double overlap_tpm() const;
};

/// Batches at which ratios are told beside the largest one: the paper states none.
inline constexpr std::array<int64_t, 5> paper_batches = {1, 4, 16, 64, 256};

/// All rows, PF and DE each. `models` is the folder of the paper's specs. Throws Error on a file that does
/// not load, and where not even one sample fits.
std::vector<PaperPoint> paper_points(const std::filesystem::path& models, const Hardware& hardware,
                                     const Ceilings& ceilings,
                                     const std::vector<std::string>& overrides = {});

/// One row over another.
struct PaperRatio {
  std::string what;  ///< "PHOTON HierGen / Vanilla"
  std::string size;
  std::string regime;
  double throughput = 0.0;          ///< printed
  double throughput_floor = 0.0;    ///< each at its serial floor and largest batch
  double throughput_overlap = 0.0;  ///< each at its floor, perfect overlap, and largest batch
  double throughput_implied = 0.0;  ///< each at its serial floor and the batch that printed memory implies
  double memory = 0.0;              ///< printed; below 1: the first takes less
  double memory_ideal = 0.0;
  double tpm = 0.0;          ///< printed
  double tpm_floor = 0.0;    ///< at the serial floors
  double tpm_overlap = 0.0;  ///< at the floors
  /// Of throughputs at each of paper_batches, the same for both; empty where either does not fit.
  std::vector<std::optional<double>> serial_at;
  std::vector<std::optional<double>> overlap_at;
};
std::vector<PaperRatio> paper_ratios(const std::vector<PaperPoint>& points);

/// What became of a printed ratio at the floors.
std::string_view verdict(double printed, double at_floor);

/// One way to account for the memory of a sample.
struct MemoryAccounting {
  std::string name;
  std::string terms;                  ///< what is added up
  std::optional<double> fitted = {};  ///< constant fitted to these rows
  std::string fitted_unit = {};       ///< "bytes a sample", "factor"
  std::vector<double> bytes;          ///< of each point, in their order

  /// bytes / printed - 1.
  double error(const PaperPoint& point, size_t index) const {
    return bytes[index] / point.memory_bytes - 1.0;
  }
};
/// Candidates, least median |error| first: some cells cannot be right. Constants are fitted to the least mean
/// of |ln(bytes / printed)|.
std::vector<MemoryAccounting> memory_accountings(const std::vector<PaperPoint>& points);

/// "x 1.27", "14.5 MiB"; empty where nothing was fitted.
std::string fitted_text(const MemoryAccounting& accounting);

/// Median and largest |error|.
struct AccountingError {
  double median = 0.0;
  double worst = 0.0;
  size_t worst_point = 0;
};
AccountingError error_of(const MemoryAccounting& accounting, const std::vector<PaperPoint>& points);

/// What lies beside "peak of prefill or decode", 4 ffn + 2 width: errors on the same cells with other numbers
/// of tensors alive. It was chosen with these cells at hand, which is a fit though no constant was fitted,
/// and it is not even the best: 3 ffn + 4 width and 2 ffn + 7 width come to nearly the same bytes. The cells
/// tell a sum, not which tensors.
struct PeakNeighbour {
  int64_t ffn = 0;    ///< of the feed-forward width
  int64_t width = 0;  ///< of the model's width
  AccountingError error;
};
/// ffn 2 to 5, width 0 to 7, row by row.
std::vector<PeakNeighbour> peak_neighbours(const std::vector<PaperPoint>& points);
/// The one of the least median error.
PeakNeighbour best_of(const std::vector<PeakNeighbour>& neighbours);

/// Rows whose PF and DE memory an accounting explains at least twice as well exchanged: indices of PF points.
std::vector<size_t> exchanged_memory(const MemoryAccounting& accounting,
                                     const std::vector<PaperPoint>& points);

}  // namespace photon::analysis
