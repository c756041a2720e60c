// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/emulation/cublaslt.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "cuda_impl/emulation/fault.h"
#include "cuda_impl/emulation/lane_order.h"
#include "cuda_impl/emulation/loaded_code.h"
#include "cuda_impl/emulation/matmul.h"

namespace photon::emulation {

using namespace emulated;

struct MatmulHandle {};

struct MatmulDescription {
  cublasComputeType_t compute_type;
  cudaDataType_t scale_type;
  int32_t pointer_mode = CUBLASLT_POINTER_MODE_HOST;
  int32_t transpose_a = CUBLAS_OP_N;
  int32_t transpose_b = CUBLAS_OP_N;
  uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
  int64_t bias_batch_stride = 0;
  int32_t bias_type = -1;
};

struct MatrixLayout {
  cudaDataType type;
  uint64_t rows;
  uint64_t columns;
  int64_t leading;
  int32_t order = CUBLASLT_ORDER_COL;
  int32_t batch_count = 1;
  int64_t batch_stride = 0;

  bool operator==(const MatrixLayout&) const = default;
  int64_t row_stride() const { return order == CUBLASLT_ORDER_COL ? 1 : leading; }
  int64_t column_stride() const { return order == CUBLASLT_ORDER_COL ? leading : 1; }
  bool leading_fits() const {
    return rows > 0 && columns > 0 &&
           leading >= static_cast<int64_t>(order == CUBLASLT_ORDER_COL ? rows : columns);
  }
  size_t element_bytes() const { return type == CUDA_R_32F ? 4 : 2; }
  /// Bytes from the first element to the end of the last one.
  size_t bytes() const {
    return static_cast<size_t>((batch_count - 1) * batch_stride +
                               static_cast<int64_t>(rows - 1) * row_stride() +
                               static_cast<int64_t>(columns - 1) * column_stride() + 1) *
           element_bytes();
  }
};

struct MatmulPreference {
  size_t workspace = 0;
  uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_MASK;
  std::array<uint32_t, 4> alignment = {256, 256, 256, 256};  ///< of a, b, c, d
};

namespace {

/// What an algorithm remembers of the heuristic that chose it.
struct Plan {
  uint64_t m = 0, n = 0, k = 0;
  uint64_t workspace = 0;
  std::array<uint32_t, 4> alignment = {2, 2, 2, 2};
  uint32_t splits = 1;
  uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_NONE;
};
static_assert(sizeof(Plan) <= sizeof(cublasLtMatmulAlgo_t));

struct Layouts {
  const MatrixLayout& a;
  const MatrixLayout& b;
  const MatrixLayout& c;
  const MatrixLayout& d;
};

template <class T>
cublasStatus_t assign(T& to, const void* value, size_t bytes) {
  if (value == nullptr || bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, value, sizeof(T));
  return CUBLAS_STATUS_SUCCESS;
}

std::pair<uint64_t, uint64_t> extents(const MatrixLayout& layout, int32_t operation) {
  if (operation == CUBLAS_OP_N) return {layout.rows, layout.columns};
  return {layout.columns, layout.rows};
}

/// Whether cuBLASLt takes the problem, with its sizes.
cublasStatus_t examine(const MatmulDescription& description, const Layouts& l, Plan& plan) {
  const auto [m, k] = extents(l.a, description.transpose_a);
  const auto [b_rows, n] = extents(l.b, description.transpose_b);
  for (const MatrixLayout* layout : {&l.a, &l.b, &l.c, &l.d}) {
    if (!layout->leading_fits() || layout->batch_count < 1) return CUBLAS_STATUS_INVALID_VALUE;
    if (layout->batch_count != l.d.batch_count) return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (k != b_rows || l.d.rows != m || l.d.columns != n || l.c.rows != m || l.c.columns != n) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (description.scale_type != CUDA_R_32F || description.pointer_mode != CUBLASLT_POINTER_MODE_HOST ||
      l.a.type != l.b.type || l.c.type != l.d.type || l.c.order != l.d.order ||
      (l.a.type == CUDA_R_32F && l.d.type != CUDA_R_32F)) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  if (description.epilogue == CUBLASLT_EPILOGUE_BIAS) {
    const bool of_output = description.bias_type == -1 || description.bias_type == l.d.type;
    if (!of_output || l.d.order != CUBLASLT_ORDER_COL) return CUBLAS_STATUS_NOT_SUPPORTED;
  } else if (description.epilogue != CUBLASLT_EPILOGUE_DEFAULT) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  plan.m = m;
  plan.n = n;
  plan.k = k;
  return CUBLAS_STATUS_SUCCESS;
}

/// Splits K half of the time where it may.
void split(Plan& plan, const MatrixLayout& d, const MatmulPreference& preference) {
  Random random(emulation_seed() ^ plan.m << 40 ^ plan.n << 20 ^ plan.k);
  if (random.below(2) == 0 || plan.k < 2) return;
  const uint64_t splits = std::min<uint64_t>(2 + random.below(3), plan.k);
  struct Scheme {
    uint32_t reduction;
    size_t workspace;
  };
  const size_t elements = static_cast<size_t>(d.batch_count) * plan.m * plan.n * splits;
  std::vector<Scheme> schemes;
  for (const Scheme& s : {Scheme{CUBLASLT_REDUCTION_SCHEME_INPLACE, plan.workspace},
                          Scheme{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, elements * sizeof(float)},
                          Scheme{CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE, elements * d.element_bytes()}}) {
    if ((preference.reductions & s.reduction) != 0 && s.workspace <= preference.workspace) {
      schemes.push_back(s);
    }
  }
  if (schemes.empty()) return;
  const Scheme& chosen = schemes[random.below(schemes.size())];
  plan.splits = static_cast<uint32_t>(splits);
  plan.reduction = chosen.reduction;
  plan.workspace = chosen.workspace;
}

/// What a kernel of the library was made for: one for every plan, though some would serve several.
std::string kernel_of(const MatmulDescription& description, const Layouts& l, const Plan& plan) {
  std::string name("cublasLt");
  const auto add = [&name](const auto& x) { name.append(reinterpret_cast<const char*>(&x), sizeof(x)); };
  add(plan);
  for (const MatrixLayout* layout : {&l.a, &l.b, &l.d}) {
    add(layout->type);
    add(layout->order);
  }
  add(description.transpose_a);
  add(description.transpose_b);
  add(description.epilogue);
  return name;
}

/// A stretch of device memory that a product touches.
struct Extent {
  const char* name;
  const void* data;
  size_t bytes;
};

void check_inside(const Extent& extent) {
  if (device_memory().contains(extent.data, extent.bytes)) return;
  fault(std::string("cublasLtMatmul: ") + extent.name + ", " + std::to_string(extent.bytes) +
        " bytes from its first to its last element, does not lie in one allocation on the device");
}

void check_apart(const Extent& x, const Extent& y) {
  const auto* x_data = static_cast<const char*>(x.data);
  const auto* y_data = static_cast<const char*>(y.data);
  if (x_data + x.bytes <= y_data || y_data + y.bytes <= x_data) return;
  fault(std::string("cublasLtMatmul: ") + x.name + " and " + y.name + " overlap");
}

void check_alignment(const Extent& extent, uint32_t alignment, const char* who_wants_it) {
  if (reinterpret_cast<uintptr_t>(extent.data) % alignment == 0) return;
  fault(std::string("cublasLtMatmul: ") + extent.name + " is not aligned to the " +
        std::to_string(alignment) + " bytes that " + who_wants_it);
}

StridedMatrix strided(const void* data, const MatrixLayout& layout, int32_t operation = CUBLAS_OP_N) {
  const bool transposed = operation != CUBLAS_OP_N;
  return {data, layout.type, transposed ? layout.column_stride() : layout.row_stride(),
          transposed ? layout.row_stride() : layout.column_stride()};
}

const void* advanced(const void* p, int64_t elements, const MatrixLayout& layout) {
  return static_cast<const char*>(p) + elements * static_cast<int64_t>(layout.element_bytes());
}

}  // namespace
}  // namespace photon::emulation

namespace photon::emulated {

using namespace emulation;

const char* cublasGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_ARCH_MISMATCH:
      return "CUBLAS_STATUS_ARCH_MISMATCH";
    case CUBLAS_STATUS_MAPPING_ERROR:
      return "CUBLAS_STATUS_MAPPING_ERROR";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    case CUBLAS_STATUS_LICENSE_ERROR:
      return "CUBLAS_STATUS_LICENSE_ERROR";
  }
  return "unknown cuBLAS status";
}

const char* cublasGetStatusString(cublasStatus_t status) {
  return cublasGetStatusName(status);
}

const char* cublasLtGetStatusName(cublasStatus_t status) {
  return cublasGetStatusName(status);
}

const char* cublasLtGetStatusString(cublasStatus_t status) {
  return cublasGetStatusName(status);
}

size_t cublasLtGetVersion() {
  return 130000;
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  if (spoils_capture()) return CUBLAS_STATUS_INTERNAL_ERROR;
  *handle = new MatmulHandle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* description, cublasComputeType_t compute_type,
                                        cudaDataType_t scale_type) {
  *description = new MatmulDescription{compute_type, scale_type};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
  delete description;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t description,
                                              cublasLtMatmulDescAttributes_t attribute, const void* value,
                                              size_t bytes) {
  if (description == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_COMPUTE_TYPE:
      return assign(description->compute_type, value, bytes);
    case CUBLASLT_MATMUL_DESC_SCALE_TYPE:
      return assign(description->scale_type, value, bytes);
    case CUBLASLT_MATMUL_DESC_POINTER_MODE:
      return assign(description->pointer_mode, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return assign(description->transpose_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return assign(description->transpose_b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return assign(description->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return assign(description->bias, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE:
      return assign(description->bias_batch_stride, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
      return assign(description->bias_type, value, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t leading) {
  *layout = new MatrixLayout{type, rows, columns, leading};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute, const void* value,
                                                size_t bytes) {
  if (layout == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_TYPE:
      return assign(layout->type, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_ORDER:
      return assign(layout->order, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_ROWS:
      return assign(layout->rows, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_COLS:
      return assign(layout->columns, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_LD:
      return assign(layout->leading, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
      return assign(layout->batch_count, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
      return assign(layout->batch_stride, value, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = new MatmulPreference;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, size_t bytes) {
  if (preference == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return assign(preference->workspace, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return assign(preference->alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value,
                    bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return assign(preference->reductions, value, bytes);
    case CUBLASLT_MATMUL_PREF_SEARCH_MODE:
    case CUBLASLT_MATMUL_PREF_MAX_WAVES_COUNT:
      return bytes == 4 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t description,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t results[],
                                              int* returned_count) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!description || !a || !b || !c || !d || !preference || requested < 1)
    return CUBLAS_STATUS_INVALID_VALUE;
  *returned_count = 0;
  if (spoils_capture()) return CUBLAS_STATUS_INTERNAL_ERROR;
  Plan plan;
  const cublasStatus_t status = examine(*description, {*a, *b, *c, *d}, plan);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  constexpr size_t wanted_workspace = 4096;
  plan.workspace = std::min(preference->workspace, wanted_workspace);
  plan.alignment = preference->alignment;
  split(plan, *d, *preference);
  results[0] = {};
  std::memcpy(results[0].algo.data, &plan, sizeof(plan));
  results[0].workspaceSize = plan.workspace;
  results[0].state = CUBLAS_STATUS_SUCCESS;
  results[0].wavesCount = 1.0f;
  *returned_count = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t* algorithm,
                                                    cublasLtMatmulAlgoConfigAttributes_t attribute,
                                                    void* value, size_t bytes, size_t* written) {
  const bool small =
      attribute == CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID || attribute == CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID;
  const size_t needed = small ? 2 : 4;
  if (written != nullptr) *written = needed;
  if (algorithm == nullptr || bytes < needed) return CUBLAS_STATUS_INVALID_VALUE;
  Plan plan;
  std::memcpy(static_cast<void*>(&plan), algorithm->data, sizeof(plan));
  const uint32_t x = attribute == CUBLASLT_ALGO_CONFIG_SPLITK_NUM         ? plan.splits
                     : attribute == CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME ? plan.reduction
                                                                          : 0;
  std::memcpy(value, &x, needed);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t description, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                              cublasLtMatrixLayout_t c_layout, void* d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace, size_t workspace_bytes,
                              cudaStream_t stream) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!description || !alpha || !beta || !a || !b || !d || !a_layout || !b_layout || !c_layout || !d_layout) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  const Layouts layouts{*a_layout, *b_layout, *c_layout, *d_layout};
  Plan plan;
  const cublasStatus_t status = examine(*description, layouts, plan);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  if (algorithm == nullptr && spoils_capture()) return CUBLAS_STATUS_INTERNAL_ERROR;  // it would choose one
  if (algorithm != nullptr) {
    Plan chosen;
    std::memcpy(static_cast<void*>(&chosen), algorithm->data, sizeof(chosen));
    if (chosen.m != plan.m || chosen.n != plan.n || chosen.k != plan.k) return CUBLAS_STATUS_NOT_SUPPORTED;
    plan = chosen;
  }
  if (workspace_bytes < plan.workspace || (plan.workspace > 0 && workspace == nullptr)) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }

  MatmulProblem problem{};
  problem.m = static_cast<int64_t>(plan.m);
  problem.n = static_cast<int64_t>(plan.n);
  problem.k = static_cast<int64_t>(plan.k);
  problem.splits = static_cast<int64_t>(plan.splits);
  problem.rounds_parts = plan.reduction == CUBLASLT_REDUCTION_SCHEME_INPLACE ||
                         plan.reduction == CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE;
  std::memcpy(&problem.alpha, alpha, sizeof(float));
  std::memcpy(&problem.beta, beta, sizeof(float));
  problem.a = strided(a, *a_layout, description->transpose_a);
  problem.b = strided(b, *b_layout, description->transpose_b);
  problem.c = strided(c, *c_layout);
  problem.d = strided(d, *d_layout);
  if (description->epilogue == CUBLASLT_EPILOGUE_BIAS) {
    if (description->bias == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    problem.bias = description->bias;
  }

  const Extent a_extent{"a", a, a_layout->bytes()};
  const Extent b_extent{"b", b, b_layout->bytes()};
  const Extent c_extent{"c", c, c_layout->bytes()};
  const Extent d_extent{"d", d, d_layout->bytes()};
  const Extent workspace_extent{"the workspace", workspace, plan.workspace};
  for (const Extent& extent : {a_extent, b_extent, d_extent}) check_inside(extent);
  check_apart(a_extent, d_extent);
  check_apart(b_extent, d_extent);
  if (problem.beta != 0.0f) {
    check_inside(c_extent);
    if (c != d || *c_layout != *d_layout) check_apart(c_extent, d_extent);
  }
  if (plan.workspace > 0) {
    check_inside(workspace_extent);
    for (const Extent& extent : {a_extent, b_extent, d_extent}) check_apart(workspace_extent, extent);
    if (problem.beta != 0.0f) check_apart(workspace_extent, c_extent);
  }
  if (d_layout->batch_count > 1 && d_layout->batch_stride == 0)
    fault("cublasLtMatmul: every batch of d is one");
  const int64_t batches = d_layout->batch_count;
  if (problem.bias != nullptr) {
    const auto elements = (batches - 1) * description->bias_batch_stride + problem.m;
    const Extent bias{"the bias", problem.bias, static_cast<size_t>(elements) * d_layout->element_bytes()};
    check_inside(bias);
    check_apart(bias, d_extent);
    check_alignment(bias, 16, "kernels with a bias epilogue assume");
  }
  const char* heuristic =
      "the algorithm was chosen for (CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_..._BYTES, 256 if unset)";
  check_alignment(a_extent, plan.alignment[0], heuristic);
  check_alignment(b_extent, plan.alignment[1], heuristic);
  if (problem.beta != 0.0f) check_alignment(c_extent, plan.alignment[2], heuristic);
  check_alignment(d_extent, plan.alignment[3], heuristic);

  if (load_code(kernel_of(*description, layouts, plan)) != cudaSuccess) return CUBLAS_STATUS_INTERNAL_ERROR;
  const auto work = [=, a_layout = *a_layout, b_layout = *b_layout, c_layout = *c_layout,
                     d_layout = *d_layout, bias_stride = description->bias_batch_stride] {
    if (plan.workspace > 0) std::memset(workspace, 0xff, plan.workspace);
    for (int64_t batch = 0; batch < batches; ++batch) {
      MatmulProblem one = problem;
      one.a.data = advanced(one.a.data, batch * a_layout.batch_stride, a_layout);
      one.b.data = advanced(one.b.data, batch * b_layout.batch_stride, b_layout);
      one.c.data = advanced(one.c.data, batch * c_layout.batch_stride, c_layout);
      one.d.data = advanced(one.d.data, batch * d_layout.batch_stride, d_layout);
      if (one.bias != nullptr) one.bias = advanced(one.bias, batch * bias_stride, d_layout);
      matmul(one);
    }
  };
  const cudaKernelNodeParams node{reinterpret_cast<void*>(&matmul), {}, {}, 0, nullptr, nullptr};
  return enqueue(stream, cudaGraphNodeTypeKernel, work, node) == cudaSuccess ? CUBLAS_STATUS_SUCCESS
                                                                             : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // namespace photon::emulated
