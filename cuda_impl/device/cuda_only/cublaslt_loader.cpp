// SPDX-License-Identifier: Apache-2.0
// The functions of cuBLASLt that photon calls, under their own names: each hands its arguments on to the
// library, which is loaded at the first call. Linked the usual way, libcublasLt (half a gigabyte, and on no
// machine without CUDA) would have to be there for the program to start. What is not listed here does not
// link, and is to be added.
#include <fmt/format.h>

#include "cuda_impl/device/cuda_only/shared_library.h"

// Hidden, lest the library itself, once loaded, be bound to these.
#pragma GCC visibility push(hidden)
#include <cublasLt.h>

namespace {

const photon::cuda::SharedLibrary& library() {
  static const std::string name = fmt::format("libcublasLt.so.{}", CUBLAS_VER_MAJOR);
  static const photon::cuda::SharedLibrary loaded(
      {name, "/usr/local/cuda/lib64/" + name},
      fmt::format("install cuBLAS of CUDA {0} (the package libcublas-{0}-*), or name its folder in "
                  "LD_LIBRARY_PATH",
                  CUBLAS_VER_MAJOR));
  return loaded;
}

template <class Function>
Function* found(const char* name) {
  return library().function<Function>(name);
}

}  // namespace

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  static const auto call = found<decltype(cublasLtCreate)>("cublasLtCreate");
  return call(handle);
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  static const auto call = found<decltype(cublasLtDestroy)>("cublasLtDestroy");
  return call(handle);
}

size_t cublasLtGetVersion() {
  static const auto call = found<decltype(cublasLtGetVersion)>("cublasLtGetVersion");
  return call();
}

const char* cublasLtGetStatusName(cublasStatus_t status) {
  static const auto call = found<decltype(cublasLtGetStatusName)>("cublasLtGetStatusName");
  return call(status);
}

const char* cublasLtGetStatusString(cublasStatus_t status) {
  static const auto call = found<decltype(cublasLtGetStatusString)>("cublasLtGetStatusString");
  return call(status);
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, uint64_t rows,
                                          uint64_t cols, int64_t ld) {
  static const auto call = found<decltype(cublasLtMatrixLayoutCreate)>("cublasLtMatrixLayoutCreate");
  return call(layout, type, rows, cols, ld);
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  static const auto call = found<decltype(cublasLtMatrixLayoutDestroy)>("cublasLtMatrixLayoutDestroy");
  return call(layout);
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute, const void* value,
                                                size_t bytes) {
  static const auto call =
      found<decltype(cublasLtMatrixLayoutSetAttribute)>("cublasLtMatrixLayoutSetAttribute");
  return call(layout, attribute, value, bytes);
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* operation, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  static const auto call = found<decltype(cublasLtMatmulDescCreate)>("cublasLtMatmulDescCreate");
  return call(operation, compute, scale);
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation) {
  static const auto call = found<decltype(cublasLtMatmulDescDestroy)>("cublasLtMatmulDescDestroy");
  return call(operation);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation,
                                              cublasLtMatmulDescAttributes_t attribute, const void* value,
                                              size_t bytes) {
  static const auto call = found<decltype(cublasLtMatmulDescSetAttribute)>("cublasLtMatmulDescSetAttribute");
  return call(operation, attribute, value, bytes);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  static const auto call = found<decltype(cublasLtMatmulPreferenceCreate)>("cublasLtMatmulPreferenceCreate");
  return call(preference);
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  static const auto call =
      found<decltype(cublasLtMatmulPreferenceDestroy)>("cublasLtMatmulPreferenceDestroy");
  return call(preference);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, size_t bytes) {
  static const auto call =
      found<decltype(cublasLtMatmulPreferenceSetAttribute)>("cublasLtMatmulPreferenceSetAttribute");
  return call(preference, attribute, value, bytes);
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t* results, int* count) {
  static const auto call = found<decltype(cublasLtMatmulAlgoGetHeuristic)>("cublasLtMatmulAlgoGetHeuristic");
  return call(handle, operation, a, b, c, d, preference, wanted, results, count);
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                              cublasLtMatrixLayout_t c_layout, void* d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace, size_t workspace_bytes,
                              cudaStream_t stream) {
  static const auto call = found<decltype(cublasLtMatmul)>("cublasLtMatmul");
  return call(handle, operation, alpha, a, a_layout, b, b_layout, beta, c, c_layout, d, d_layout, algorithm,
              workspace, workspace_bytes, stream);
}

cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t* algorithm,
                                                    cublasLtMatmulAlgoConfigAttributes_t attribute,
                                                    void* value, size_t bytes, size_t* written) {
  static const auto call =
      found<decltype(cublasLtMatmulAlgoConfigGetAttribute)>("cublasLtMatmulAlgoConfigGetAttribute");
  return call(algorithm, attribute, value, bytes, written);
}

}  // extern "C"
