// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/latents.h"

#include <fmt/format.h>

#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

enum class Operation { gather, push, keep, reset };

struct Parameters {
  Operation operation = Operation::gather;
  int64_t rows = 1;
  int32_t count = 1;  ///< new latents a row
  int32_t context = 1;
  int32_t width = 2;
  int64_t gap = 0;         ///< between the rows of new latents
  bool remembered = true;  ///< gather: there is a history; else the start latent comes before the first one
  bool previous = false;
  int32_t first_chunk = 0;
  int32_t chunks = 1;
  int32_t samples = 1;
  bool mapped = false;  ///< push: rows are those of other prompts than their own number
  bool large = false;
};

const char* op_of(const Parameters& p) {
  switch (p.operation) {
    case Operation::gather:
      return "gather_conditioning";
    case Operation::push:
      return "push_latents";
    case Operation::keep:
      return "keep_latents";
    case Operation::reset:
      return "reset_latents";
  }
  return "";
}

std::string name_of(const Parameters& p) {
  std::string name = fmt::format("rows={} count={} context={} width={}", p.rows, p.count, p.context, p.width);
  if (p.gap > 0) name += fmt::format(" gap={}", p.gap);
  if (p.operation == Operation::gather) {
    name += fmt::format(" first={} chunks={}{}{}", p.first_chunk, p.chunks, p.previous ? " previous" : "",
                        p.remembered ? "" : " start");
  }
  if (p.samples > 1) name += fmt::format(" samples={}", p.samples);
  if (p.mapped) name += " mapped";
  return name;
}

class LatentsCase : public OpCase {
 public:
  LatentsCase(const Parameters& p, uint64_t seed)
      : p_(p),
        prompts_(p.rows + (p.mapped ? 2 : 0)),
        history_(vectors(prompts_ * p.samples * p.context), seed),
        start_(static_cast<size_t>(p.width), seed + 1),
        latest_(static_cast<size_t>(p.rows * stride()), seed + 2),
        out_(vectors(out_latents()), seed + 3) {
    const Philox random(seed + 4);
    for (int64_t row = 0; row < p.rows; ++row) {
      row_of_.push_back(static_cast<int32_t>(p.mapped ? prompts_ - 1 - row : row));
      const auto step = static_cast<int32_t>(random.uniform(1, static_cast<uint64_t>(row)) * kept_steps);
      begin_.push_back(static_cast<int32_t>(7 * row));
      at_.push_back(row % 3 == 1 ? -1 : step);
      now_.push_back(row % 3 == 1 ? -1 : begin_.back() + step * meta_context);
    }
    device_row_of_ = DeviceArray<int32_t>(row_of_);
    device_begin_ = DeviceArray<int32_t>(begin_);
    device_now_ = DeviceArray<int32_t>(now_);
    op_ = {.history = p.remembered ? history_.data() : nullptr,
           .start = start_.data(),
           .latest = latest_.data(),
           .latest_stride = stride(),
           .rows = p.rows,
           .count = p.count,
           .context = p.context,
           .width = p.width,
           .row_of = p.mapped ? device_row_of_.data() : nullptr,
           .samples = p.samples};
  }

  void launch(Stream& stream) override {
    switch (p_.operation) {
      case Operation::gather:
        return gather_conditioning(stream, op_, p_.previous, p_.first_chunk, p_.chunks, out_.data());
      case Operation::push:
        return push_latents(stream, op_);
      case Operation::keep:
        return keep_latents(
            stream, op_,
            {out_.data(), kept_capacity(), device_begin_.data(), device_now_.data(), meta_context});
      case Operation::reset:
        return reset_latents(stream, op_, start_.data());
    }
  }

  Work work() const override {
    const int64_t histories = p_.rows * p_.samples * p_.context;
    return latents_work(op_, p_.operation == Operation::gather ? out_latents()
                             : p_.operation == Operation::keep ? p_.rows * p_.count
                                                               : histories);
  }

  std::vector<OpOutput> outputs() override {
    const bool on_history = p_.operation == Operation::push || p_.operation == Operation::reset;
    RepeatedValues& written = on_history ? history_ : out_;
    const std::vector<bf16> now = written.read();
    OpOutput result = copied_output(on_history ? "history" : "out");
    Untouched<bf16> rest(written);
    for (const Move& move : moves()) {
      rest.touch(move.to, static_cast<size_t>(p_.width));
      for (size_t i = 0; i < static_cast<size_t>(p_.width); ++i) {
        add_copied(result, now[move.to + i], move.array->value(move.from + i));
      }
    }
    written.restore();
    return {result, rest.output("rest", now)};
  }

 private:
  static constexpr int32_t meta_context = 4;
  static constexpr int32_t kept_steps = 5;

  /// A latent's way, in elements.
  struct Move {
    const RepeatedValues* array;
    size_t from;
    size_t to;
  };

  int64_t stride() const { return int64_t{p_.count} * p_.width + p_.gap; }
  int64_t kept_capacity() const { return int64_t{kept_steps} * p_.count; }
  int64_t out_latents() const {
    return p_.operation == Operation::gather ? p_.rows * p_.chunks * p_.context : p_.rows * kept_capacity();
  }
  size_t vectors(int64_t count) const { return static_cast<size_t>(count * p_.width); }

  /// Latent i of a row's new ones; of those before for i < 0, where `memory` is the row's history.
  Move from_latent(int64_t row, int64_t memory, int64_t i, size_t to) const {
    if (i >= 0) return {&latest_, static_cast<size_t>(row * stride()) + vectors(i), to};
    if (!p_.remembered) return {&start_, 0, to};
    return {&history_, vectors(memory * p_.context + p_.context + i), to};
  }

  std::vector<Move> moves() const {
    std::vector<Move> out;
    for (int64_t row = 0; row < p_.rows; ++row) {
      switch (p_.operation) {
        case Operation::gather:
          for (int64_t c = 0; c < p_.chunks; ++c) {
            const int64_t last = p_.first_chunk + c - (p_.previous ? 1 : 0);
            for (int64_t k = 0; k < p_.context; ++k) {
              const size_t to = vectors((row * p_.chunks + c) * p_.context + k);
              out.push_back(from_latent(row, row, last - p_.context + 1 + k, to));
            }
          }
          break;
        case Operation::push:
          for (int64_t sample = 0; sample < p_.samples; ++sample) {
            const int64_t memory = row_of_[static_cast<size_t>(row)] * p_.samples + sample;
            for (int64_t k = 0; k < p_.context; ++k) {
              out.push_back(
                  from_latent(row, memory, p_.count - p_.context + k, vectors(memory * p_.context + k)));
            }
          }
          break;
        case Operation::keep:
          for (int64_t j = 0; j < p_.count && at_[static_cast<size_t>(row)] >= 0; ++j) {
            const int64_t at = at_[static_cast<size_t>(row)] * p_.count + j;
            out.push_back(from_latent(row, row, j, vectors(row * kept_capacity() + at)));
          }
          break;
        case Operation::reset:
          for (int64_t k = 0; k < p_.context; ++k) {
            out.push_back({&start_, 0, vectors(row * p_.context + k)});
          }
          break;
      }
    }
    return out;
  }

  Parameters p_;
  int64_t prompts_;
  RepeatedValues history_;
  RepeatedValues start_;
  RepeatedValues latest_;
  RepeatedValues out_;
  std::vector<int32_t> row_of_;
  std::vector<int32_t> begin_;
  std::vector<int32_t> at_;  ///< meta-contexts kept before, -1: idle
  std::vector<int32_t> now_;
  DeviceArray<int32_t> device_row_of_;
  DeviceArray<int32_t> device_begin_;
  DeviceArray<int32_t> device_now_;
  Latents op_;
};

}  // namespace

void add_latents_cases(std::vector<NamedCase>& cases) {
  using enum Operation;
  std::vector<Parameters> all = {
      {.operation = gather, .count = 1},
      {.operation = gather, .rows = 3, .count = 1, .width = 52, .previous = true},
      {.operation = gather, .rows = 2, .count = 5, .width = 24, .remembered = false, .chunks = 5},
      {.operation = gather, .rows = 3, .count = 4, .context = 2, .width = 26, .gap = 2, .chunks = 4},
      {.operation = gather, .rows = 3, .count = 3, .context = 3, .width = 52, .previous = true, .chunks = 3},
      {.operation = gather,
       .rows = 3,
       .count = 3,
       .context = 3,
       .width = 10,
       .gap = 10,
       .remembered = false,
       .previous = true,
       .chunks = 3},
      {.operation = gather, .rows = 2, .count = 4, .context = 3, .width = 2, .first_chunk = 2, .chunks = 2},
      {.operation = gather,
       .rows = 2,
       .count = 4,
       .context = 2,
       .width = 512,
       .previous = true,
       .first_chunk = 3,
       .chunks = 1},
      {.operation = push},
      {.operation = push, .rows = 3, .count = 1, .context = 2, .width = 52},
      {.operation = push, .rows = 3, .count = 2, .context = 3, .width = 24, .gap = 4},
      {.operation = push, .rows = 2, .count = 5, .context = 3, .width = 26},
      {.operation = push, .rows = 3, .count = 1, .context = 3, .width = 24, .samples = 3, .mapped = true},
      {.operation = push, .rows = 2, .count = 3, .context = 2, .width = 514, .samples = 2},
      {.operation = keep},
      {.operation = keep, .rows = 5, .count = 3, .width = 52, .gap = 2},
      {.operation = keep, .rows = 4, .count = 1, .width = 514},
      {.operation = reset},
      {.operation = reset, .rows = 3, .context = 3, .width = 52},
      {.operation = reset, .rows = 2, .context = 2, .width = 514},
  };
  for (const int64_t rows : {1, 64, 512, 2048}) {
    all.push_back({.operation = gather, .rows = rows, .width = 1664, .large = true});
    all.push_back({.operation = gather,
                   .rows = rows,
                   .count = 4,
                   .width = 1664,
                   .previous = true,
                   .chunks = 4,
                   .large = true});
    all.push_back({.operation = push, .rows = rows, .width = 1664, .large = true});
    all.push_back({.operation = keep, .rows = rows, .width = 1664, .large = true});
  }
  for (const Parameters& p : all) {
    cases.push_back({op_of(p), name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<LatentsCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
