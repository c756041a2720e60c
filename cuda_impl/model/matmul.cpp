// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/model/matmul.h"

#include <fmt/format.h>

#include <mutex>
#include <set>

#include "core/base/error.h"
#include "cuda_impl/device/error.h"

namespace photon::PHOTON_GPU {
namespace {

/// The largest power of two up to 256 that divides the address.
uint32_t alignment(const void* p) {
  const auto address = reinterpret_cast<uintptr_t>(p) | 256u;
  return static_cast<uint32_t>(address & -address);
}

void set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t which, const auto& value) {
  check(cublasLtMatmulDescSetAttribute(desc, which, &value, sizeof(value)), "cublasLtMatmulDescSetAttribute");
}

/// Where a product goes that is rounded or not.
void* either(bf16* rounded, float* unrounded) {
  return unrounded != nullptr ? static_cast<void*>(unrounded) : rounded;
}

/// Of a product's rows: bf16 read, either read and written.
double row_bytes(int64_t rows, int64_t read, int64_t written, bool in_float, bool accumulate) {
  const double bytes = (in_float ? sizeof(float) : sizeof(bf16)) * (accumulate ? 2.0 : 1.0);
  return static_cast<double>(rows) *
         (static_cast<double>(read) * sizeof(bf16) + static_cast<double>(written) * bytes);
}

/// The algorithm by the library's numbers: "algorithm 66, tile 20, ..., split 1".
std::string algorithm_of(const cublasLtMatmulHeuristicResult_t& found) {
  const auto number = [&](cublasLtMatmulAlgoConfigAttributes_t which) {
    uint32_t value = 0;
    const cublasStatus_t known =
        cublasLtMatmulAlgoConfigGetAttribute(&found.algo, which, &value, sizeof(value), nullptr);
    return known == CUBLAS_STATUS_SUCCESS ? std::to_string(value) : "?";
  };
  return fmt::format(
      "algorithm {}, tile {}, stages {}, split {}, reduction {}, {} waves, {} bytes of workspace",
      number(CUBLASLT_ALGO_CONFIG_ID), number(CUBLASLT_ALGO_CONFIG_TILE_ID),
      number(CUBLASLT_ALGO_CONFIG_STAGES_ID), number(CUBLASLT_ALGO_CONFIG_SPLITK_NUM),
      number(CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME), found.wavesCount, found.workspaceSize);
}

/// Of all instances: they make the same plans for the same shapes.
class MadePlans {
 public:
  void add(std::string line) {
    const std::lock_guard lock(mutex_);
    lines_.insert(std::move(line));
  }
  std::vector<std::string> copy() {
    const std::lock_guard lock(mutex_);
    return {lines_.begin(), lines_.end()};
  }

 private:
  std::mutex mutex_;
  std::set<std::string> lines_;
};

MadePlans& made_plans() {
  static MadePlans plans;
  return plans;
}

}  // namespace

struct Matmul::Plan {
  cublasLtMatmulDesc_t desc = nullptr;
  cublasLtMatrixLayout_t a = nullptr;
  cublasLtMatrixLayout_t b = nullptr;
  cublasLtMatrixLayout_t out = nullptr;
  cublasLtMatmulHeuristicResult_t found{};

  Plan() = default;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() {
    if (out != nullptr) cublasLtMatrixLayoutDestroy(out);
    if (b != nullptr) cublasLtMatrixLayoutDestroy(b);
    if (a != nullptr) cublasLtMatrixLayoutDestroy(a);
    if (desc != nullptr) cublasLtMatmulDescDestroy(desc);
  }
};

Matmul::Matmul() : workspace_(workspace_bytes) {
  check(cublasLtCreate(&handle_), "cublasLtCreate");
}

Matmul::~Matmul() {
  plans_.clear();
  cublasLtDestroy(handle_);
}

std::string Matmul::described(const Key& k) {
  return fmt::format("{} x {} x {}{}{} with strides {}, {}, {}{}{}{}, aligned to {}, {}, {}", k.m, k.n, k.k,
                     k.a_transposed ? " a transposed" : "", k.b_transposed ? " b transposed" : "", k.a_stride,
                     k.b_stride, k.out_stride, k.with_base ? ", added" : "", k.bias ? ", with bias" : "",
                     k.in_float ? ", in float" : "", k.a_alignment, k.b_alignment, k.out_alignment);
}

Matmul::Key Matmul::key_of(const Multiplication& p) {
  return {.m = p.m,
          .n = p.n,
          .k = p.k,
          .a_transposed = p.a.transposed,
          .b_transposed = p.b.transposed,
          .a_stride = p.a.stride,
          .b_stride = p.b.stride,
          .out_stride = p.out_stride,
          .with_base = p.base != nullptr,
          .bias = p.bias != nullptr,
          .in_float = p.in_float,
          .a_alignment = alignment(p.a.data),
          .b_alignment = alignment(p.b.data),
          .base_alignment = p.base == nullptr ? 0 : alignment(p.base),
          .out_alignment = alignment(p.out)};
}

const Matmul::Plan& Matmul::plan(const Multiplication& p) {
  const Key key = key_of(p);
  auto& plan = plans_[key];
  if (plan != nullptr) return *plan;
  auto made = std::make_unique<Plan>();
  check(cublasLtMatmulDescCreate(&made->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescCreate");
  set(made->desc, CUBLASLT_MATMUL_DESC_TRANSA, p.a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(made->desc, CUBLASLT_MATMUL_DESC_TRANSB, p.b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (p.bias != nullptr) {
    set(made->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(made->desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, CUDA_R_16BF);
    set(made->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
  }
  const auto layout = [](cublasLtMatrixLayout_t* made_layout, cudaDataType_t type, int64_t rows,
                         int64_t columns, int64_t stride) {
    check(cublasLtMatrixLayoutCreate(made_layout, type, static_cast<uint64_t>(rows),
                                     static_cast<uint64_t>(columns), stride),
          "cublasLtMatrixLayoutCreate");
  };
  const auto factor = [&](cublasLtMatrixLayout_t* made_layout, const Factor& f, int64_t rows,
                          int64_t columns) {
    layout(made_layout, CUDA_R_16BF, f.transposed ? columns : rows, f.transposed ? rows : columns, f.stride);
  };
  factor(&made->a, p.a, p.m, p.k);
  factor(&made->b, p.b, p.k, p.n);
  layout(&made->out, p.in_float ? CUDA_R_32F : CUDA_R_16BF, p.m, p.n, p.out_stride);
  cublasLtMatmulPreference_t preference = nullptr;
  check(cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t which, auto value) {
    return cublasLtMatmulPreferenceSetAttribute(preference, which, &value, sizeof(value));
  };
  int count = 0;
  cublasStatus_t status =
      prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<size_t>(workspace_bytes));
  // A mask of what is allowed; unset, it is everything.
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE});
  }
  for (const auto& [which, bytes] :
       {std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key.a_alignment},
        std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key.b_alignment},
        std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
                  p.base == nullptr ? key.out_alignment : key.base_alignment},
        std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key.out_alignment}}) {
    if (status == CUBLAS_STATUS_SUCCESS) status = prefer(which, bytes);
  }
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = cublasLtMatmulAlgoGetHeuristic(handle_, made->desc, made->a, made->b, made->out, made->out,
                                            preference, 1, &made->found, &count);
  }
  cublasLtMatmulPreferenceDestroy(preference);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || (status == CUBLAS_STATUS_SUCCESS && count == 0)) {
    throw Error(fmt::format("cuBLASLt has no way to multiply {}", described(key)));
  }
  check(status, "cublasLtMatmulAlgoGetHeuristic");
  made_plans().add(
      fmt::format("cuBLASLt {}: {}: {}", cublasLtGetVersion(), described(key), algorithm_of(made->found)));
  plan = std::move(made);
  return *plan;
}

void Matmul::run(Stream& stream, const Op& op, const Multiplication& p) {
  stream.library(op, [&] {
    const Plan& plan = this->plan(p);
    if (p.bias != nullptr) set(plan.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
    const float alpha = 1.0f;
    const float beta = p.base != nullptr ? 1.0f : 0.0f;
    check(cublasLtMatmul(handle_, plan.desc, &alpha, p.a.data, plan.a, p.b.data, plan.b, &beta,
                         p.base != nullptr ? p.base : p.out, plan.out, p.out, plan.out, &plan.found.algo,
                         workspace_.data(), static_cast<size_t>(workspace_bytes), stream.handle()),
          op.name);
  });
}

// A row-major matrix is, column-major, its transpose with the row stride between columns.

void Matmul::operator()(Stream& stream, const char* op, const Product& p) {
  run(stream, {op, product_work(p)},
      {.a = {p.weight, true, p.in},
       .b = {p.x, false, p.x_stride},
       .bias = p.bias,
       .base = p.base != nullptr ? p.base
               : p.accumulate    ? either(p.out, p.out_float)
                                 : nullptr,
       .out = either(p.out, p.out_float),
       .in_float = p.out_float != nullptr,
       .out_stride = p.out_stride,
       .m = p.out_width,
       .n = p.rows,
       .k = p.in});
}

void Matmul::operator()(Stream& stream, const char* op, const InputGradient& p) {
  run(stream, {op, input_gradient_work(p)},
      {.a = {p.weight, false, p.in},
       .b = {p.d, false, p.d_stride},
       .base = p.accumulate ? either(p.out, p.out_float) : nullptr,
       .out = either(p.out, p.out_float),
       .in_float = p.out_float != nullptr,
       .out_stride = p.out_stride,
       .m = p.in,
       .n = p.rows,
       .k = p.out_width});
}

void Matmul::operator()(Stream& stream, const char* op, const WeightGradient& p) {
  run(stream, {op, weight_gradient_work(p)},
      {.a = {p.x, false, p.x_stride},
       .b = {p.d, true, p.d_stride},
       .base = p.gradient,
       .out = p.gradient,
       .in_float = true,
       .out_stride = p.in,
       .m = p.in,
       .n = p.out_width,
       .k = p.rows});
}

Work product_work(const Product& p) {
  const double elements = static_cast<double>(p.in) * static_cast<double>(p.out_width);
  Work work = matrix_work(elements, p.rows, sizeof(bf16));
  work.other_bytes =
      row_bytes(p.rows, p.in, p.out_width, p.out_float != nullptr, p.accumulate || p.base != nullptr);
  return work;
}

Work input_gradient_work(const InputGradient& p) {
  const double elements = static_cast<double>(p.in) * static_cast<double>(p.out_width);
  Work work = matrix_work(elements, p.rows, sizeof(bf16));
  work.other_bytes = row_bytes(p.rows, p.out_width, p.in, p.out_float != nullptr, p.accumulate);
  return work;
}

Work weight_gradient_work(const WeightGradient& p) {
  const double elements = static_cast<double>(p.in) * static_cast<double>(p.out_width);
  return {.other_bytes = 2.0 * elements * sizeof(float) +
                         static_cast<double>(p.rows) * static_cast<double>(p.in + p.out_width) * sizeof(bf16),
          .flops = matrix_work(elements, p.rows, sizeof(bf16)).flops};
}

std::vector<std::string> Matmul::plans() {
  return made_plans().copy();
}

}  // namespace photon::PHOTON_GPU
