// SPDX-License-Identifier: Apache-2.0
#include "reference/ceilings.h"

#include <omp.h>
#include <sys/mman.h>

#include <Eigen/Core>
#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "reference/memory.h"

namespace photon::reference {
namespace {

constexpr int most_rounds = 5;
constexpr double most_seconds = 3.0;
constexpr int64_t mebibyte = int64_t{1} << 20;
constexpr int64_t huge_page = 2 * mebibyte;

using Clock = std::chrono::steady_clock;

template <class F>
double seconds_of(F&& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string first_word(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string word;
  in >> word;
  return word;
}

int64_t parse_size(const std::string& text) {  // "266240K", as in sysfs
  try {
    size_t end = 0;
    const int64_t value = std::stoll(text, &end);
    const char unit = end < text.size() ? text[end] : ' ';
    return unit == 'K' ? value << 10 : unit == 'M' ? value << 20 : value;
  } catch (const std::exception&) {
    return 0;
  }
}

/// A large array of random words. Huge pages where the system gives them: a model's weights get the same.
class Arena {
 public:
  explicit Arena(int64_t bytes) : bytes_(bytes / huge_page * huge_page) {
    void* p = mmap(nullptr, static_cast<size_t>(bytes_), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);
    if (p == MAP_FAILED) throw Error("ceilings: no memory for an array to measure its bandwidth with");
    words_ = static_cast<uint64_t*>(p);
    madvise(p, static_cast<size_t>(bytes_), MADV_HUGEPAGE);
    const int64_t count = bytes_ / 8;
#pragma omp parallel
    {
      uint64_t state = 0x9E3779B97F4A7C15u * static_cast<uint64_t>(omp_get_thread_num() + 1);
#pragma omp for schedule(static)
      for (int64_t i = 0; i < count; ++i) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        words_[i] = state;
      }
    }
  }
  ~Arena() {
    munmap(words_, static_cast<size_t>(bytes_));
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  int64_t bytes() const {
    return bytes_;
  }

  /// Bytes per second of all threads reading the whole array once.
  double read_memory() {
    return static_cast<double>(bytes_) / seconds_of([&] { read(bytes_, 1); });
  }

  /// Bytes per second of all threads reading the first `bytes` again and again.
  double read_again(int64_t bytes) {
    const int64_t repeats = std::max<int64_t>(2, 128 * mebibyte / bytes);
    read(bytes, 1);
    return static_cast<double>(bytes * repeats) / seconds_of([&] { read(bytes, repeats); });
  }

  /// Bytes per second, read and written together, of copying the first half onto the second.
  double copy() {
    const double seconds = seconds_of([&] {
#pragma omp parallel
      {
        const int64_t share = bytes_ / 16 / omp_get_num_threads();
        const uint64_t* from = words_ + share * omp_get_thread_num();
        std::memcpy(words_ + bytes_ / 16 + share * omp_get_thread_num(), from,
                    static_cast<size_t>(share) * 8);
      }
    });
    return static_cast<double>(bytes_) / seconds;
  }

 private:
  void read(int64_t bytes, int64_t repeats) {
    uint64_t sum = 0;
#pragma omp parallel reduction(+ : sum)
    {
      const int64_t share = bytes / 8 / omp_get_num_threads();
      const uint64_t* begin = words_ + share * omp_get_thread_num();
      for (int64_t r = 0; r < repeats; ++r) {
        uint64_t part = 0;
        for (int64_t i = 0; i < share; ++i) part += begin[i];
        sum += part;
        asm volatile("" ::: "memory");  // every repeat reads again
      }
    }
    sink_ = sink_ + sum;
  }

  int64_t bytes_;
  uint64_t* words_ = nullptr;
  volatile uint64_t sink_ = 0;
};

template <class S>
class Product {
 public:
  Product() {
    std::srand(1);
    a_ = Matrix::Random(size, size);
    b_ = Matrix::Random(size, size);
    c_ = Matrix::Zero(size, size);
  }
  /// FLOP per second of one product.
  double run() {
    const double seconds = seconds_of([&] { c_.noalias() = a_ * b_.transpose(); });
    return 2.0 * size * size * size / seconds;
  }

 private:
  using Matrix = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  static constexpr int size = 1536;
  Matrix a_, b_, c_;
};

class Samples {
 public:
  void add(double value) { values_.push_back(value); }
  double best() const { return *std::max_element(values_.begin(), values_.end()); }
  double shortfall() const {  // of the median
    auto sorted = values_;
    std::sort(sorted.begin(), sorted.end());
    return 1.0 - sorted[sorted.size() / 2] / best();
  }

 private:
  std::vector<double> values_;
};

template <class S>
Ceilings measure() {
  const CacheSizes caches = cache_sizes();
  const int64_t last = caches.last_level > 0 ? caches.last_level : 32 * mebibyte;
  const int64_t second = std::max<int64_t>(caches.second_level, mebibyte / 4) * omp_get_max_threads();
  Arena arena(std::max(64 * mebibyte, std::min(4 * last, usable_memory_bytes() / 8)));
  Product<S> product;
  // From past the second-level caches up to the last level's size: a slice of it may belong to other
  // machines.
  std::vector<int64_t> sizes;
  for (int64_t bytes = 4 * second; bytes <= std::min(last, arena.bytes() / 2); bytes *= 2)
    sizes.push_back(bytes);

  product.run();  // starts the BLAS's threads
  Samples read, copy, matrix;
  std::vector<Samples> cached(sizes.size());
  const auto start = Clock::now();
  for (int round = 0; round < most_rounds; ++round) {
    if (round >= 2 && std::chrono::duration<double>(Clock::now() - start).count() > most_seconds) break;
    read.add(arena.read_memory());
    copy.add(arena.copy());
    for (size_t i = 0; i < sizes.size(); ++i) cached[i].add(arena.read_again(sizes[i]));
    matrix.add(product.run());
    matrix.add(product.run());
  }

  Ceilings out;
  out.read_bandwidth = read.best();
  out.copy_bandwidth = copy.best();
  out.bandwidth = std::max(out.read_bandwidth, out.copy_bandwidth);
  out.matrix_rate = matrix.best();
  out.spread = std::max({read.shortfall(), copy.shortfall(), matrix.shortfall()});
  double fastest = 0.0;
  for (const auto& c : cached) fastest = std::max(fastest, c.best());
  if (fastest < 1.2 * out.read_bandwidth) return out;  // like with like: a copy may be faster than a read
  out.cache_bandwidth = fastest;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (2.0 * cached[i].best() > fastest + out.read_bandwidth) out.cache_bytes = sizes[i];
  }
  return out;
}

}  // namespace

CacheSizes cache_sizes() {
  CacheSizes out;
  int highest = 0;
  const std::filesystem::path base = "/sys/devices/system/cpu/cpu0/cache";
  for (int i = 0; std::filesystem::exists(base / ("index" + std::to_string(i))); ++i) {
    const auto folder = base / ("index" + std::to_string(i));
    if (first_word(folder / "type") == "Instruction") continue;
    const auto level = static_cast<int>(parse_size(first_word(folder / "level")));
    const int64_t size = parse_size(first_word(folder / "size"));
    if (level == 2) out.second_level = size;
    if (level > highest) {
      highest = level;
      out.last_level = size;
    }
  }
  return out;
}

Ceilings measure_ceilings(DType dtype) {
  return dtype == DType::float64 ? measure<double>() : measure<float>();
}

}  // namespace photon::reference
