#include "cuda_impl/runtime/matmul.h"

#include <fmt/format.h>

#include "core/error.h"
#include "cuda_impl/runtime/error.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int64_t workspace_bytes = int64_t{32} << 20;  // what cuBLAS asks for on this generation

/// The largest power of two up to 256 that divides the address.
uint32_t alignment(const void* p) {
  const auto address = reinterpret_cast<uintptr_t>(p) | 256u;
  return static_cast<uint32_t>(address & -address);
}

void set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t which, const auto& value) {
  check(cublasLtMatmulDescSetAttribute(desc, which, &value, sizeof(value)), "cublasLtMatmulDescSetAttribute");
}

}  // namespace

// In cuBLASLt's column-major words: D (out x rows) = Wᵀ (in x out, transposed) · X (in x rows).
struct Matmul::Plan {
  cublasLtMatmulDesc_t desc = nullptr;
  cublasLtMatrixLayout_t weight = nullptr;
  cublasLtMatrixLayout_t x = nullptr;
  cublasLtMatrixLayout_t out = nullptr;
  cublasLtMatmulHeuristicResult_t found{};

  Plan() = default;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() {
    if (out != nullptr) cublasLtMatrixLayoutDestroy(out);
    if (x != nullptr) cublasLtMatrixLayoutDestroy(x);
    if (weight != nullptr) cublasLtMatrixLayoutDestroy(weight);
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

const Matmul::Plan& Matmul::plan(const Product& p) {
  const void* result = p.out_float != nullptr ? static_cast<const void*>(p.out_float) : p.out;
  const Alignment aligned{alignment(p.x), alignment(p.weight), alignment(result)};
  const Key key{p.rows,       p.in,         p.out_width,       p.x_stride,
                p.out_stride, p.accumulate, p.bias != nullptr, p.out_float != nullptr,
                aligned};
  auto& plan = plans_[key];
  if (plan != nullptr) return *plan;
  auto made = std::make_unique<Plan>();
  check(cublasLtMatmulDescCreate(&made->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescCreate");
  set(made->desc, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
  set(made->desc, CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_N);
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
  const cudaDataType_t out_type = p.out_float != nullptr ? CUDA_R_32F : CUDA_R_16BF;
  layout(&made->weight, CUDA_R_16BF, p.in, p.out_width, p.in);
  layout(&made->x, CUDA_R_16BF, p.in, p.rows, p.x_stride);
  layout(&made->out, out_type, p.out_width, p.rows, p.out_stride);
  cublasLtMatmulPreference_t preference = nullptr;
  check(cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t which, auto value) {
    return cublasLtMatmulPreferenceSetAttribute(preference, which, &value, sizeof(value));
  };
  int count = 0;
  cublasStatus_t status =
      prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<size_t>(workspace_bytes));
  for (const auto& [which, bytes] : {std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, aligned.weight},
                                     std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, aligned.x},
                                     std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, aligned.out},
                                     std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, aligned.out}}) {
    if (status == CUBLAS_STATUS_SUCCESS) status = prefer(which, bytes);
  }
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = cublasLtMatmulAlgoGetHeuristic(handle_, made->desc, made->weight, made->x, made->out, made->out,
                                            preference, 1, &made->found, &count);
  }
  cublasLtMatmulPreferenceDestroy(preference);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || (status == CUBLAS_STATUS_SUCCESS && count == 0)) {
    throw Error(
        fmt::format("cuBLASLt has no way to multiply {} rows of {} (stride {}) by {} columns of weights",
                    p.rows, p.in, p.x_stride, p.out_width));
  }
  check(status, "cublasLtMatmulAlgoGetHeuristic");
  plan = std::move(made);
  return *plan;
}

Work product_work(const Product& p) {
  const double elements = static_cast<double>(p.in) * static_cast<double>(p.out_width);
  Work work = matrix_work(elements, p.rows, sizeof(bf16));
  const double out = (p.out_float != nullptr ? sizeof(float) : sizeof(bf16)) * (p.accumulate ? 2.0 : 1.0);
  work.other_bytes = static_cast<double>(p.rows) *
                     (static_cast<double>(p.in) * sizeof(bf16) + static_cast<double>(p.out_width) * out);
  return work;
}

void Matmul::operator()(Stream& stream, const char* op, const Product& p) {
  const Plan& plan = this->plan(p);
  if (p.bias != nullptr) set(plan.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
  stream.library({op, product_work(p)}, [&] {
    const float alpha = 1.0f;
    const float beta = p.accumulate ? 1.0f : 0.0f;
    void* to = p.out_float != nullptr ? static_cast<void*>(p.out_float) : static_cast<void*>(p.out);
    check(cublasLtMatmul(handle_, plan.desc, &alpha, p.weight, plan.weight, p.x, plan.x, &beta, to, plan.out,
                         to, plan.out, &plan.found.algo, workspace_.data(),
                         static_cast<size_t>(workspace_bytes), stream.handle()),
          op);
  });
}

std::vector<std::string> Matmul::plans() const {
  std::vector<std::string> out;
  for (const auto& [key, plan] : plans_) {
    const auto& [rows, in, width, x_stride, out_stride, accumulate, bias, unrounded, aligned] = key;
    out.push_back(fmt::format("{} x {} x {}{}{}{}, aligned to {}, {}, {}: {} waves, {} bytes of workspace",
                              rows, in, width, accumulate ? " added" : "", bias ? " with bias" : "",
                              unrounded ? " in float" : "", aligned.x, aligned.weight, aligned.out,
                              plan->found.wavesCount, plan->found.workspaceSize));
  }
  return out;
}

}  // namespace photon::PHOTON_GPU
