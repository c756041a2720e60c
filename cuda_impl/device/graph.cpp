// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/device/graph.h"

namespace photon::PHOTON_GPU {

std::vector<const void*> Graph::kernels() const {
  if (empty()) return {};
  size_t count = 0;
  check(cudaGraphGetNodes(graph_, nullptr, &count), "cudaGraphGetNodes");
  std::vector<cudaGraphNode_t> nodes(count);
  check(cudaGraphGetNodes(graph_, nodes.data(), &count), "cudaGraphGetNodes");
  std::vector<const void*> out;
  for (const cudaGraphNode_t node : nodes) {
    cudaGraphNodeType type{};
    check(cudaGraphNodeGetType(node, &type), "cudaGraphNodeGetType");
    if (type != cudaGraphNodeTypeKernel) continue;
    cudaKernelNodeParams params{};
    const cudaError_t known = cudaGraphKernelNodeGetParams(node, &params);
    if (known == cudaErrorInvalidDeviceFunction) {
      cudaGetLastError();
      out.push_back(nullptr);
      continue;
    }
    check(known, "cudaGraphKernelNodeGetParams");
    out.push_back(params.func);
  }
  return out;
}

}  // namespace photon::PHOTON_GPU
