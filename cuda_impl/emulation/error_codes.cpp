// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/emulation/error_codes.h"

#include <utility>

namespace photon::emulated {
namespace {

cudaError_t last_error = cudaSuccess;

struct Text {
  cudaError_t code;
  const char* name;
  const char* meaning;
};

#define PHOTON_TEXT(code, meaning) \
  { code, #code, meaning }
constexpr Text texts[] = {
    PHOTON_TEXT(cudaSuccess, "no error"),
    PHOTON_TEXT(cudaErrorInvalidValue, "invalid argument"),
    PHOTON_TEXT(cudaErrorMemoryAllocation, "out of memory"),
    PHOTON_TEXT(cudaErrorInitializationError, "initialization error"),
    PHOTON_TEXT(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    PHOTON_TEXT(cudaErrorInvalidDevicePointer, "invalid device pointer"),
    PHOTON_TEXT(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    PHOTON_TEXT(cudaErrorStubLibrary, "CUDA driver is a stub library"),
    PHOTON_TEXT(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version"),
    PHOTON_TEXT(cudaErrorDevicesUnavailable, "CUDA-capable device(s) is/are busy or unavailable"),
    PHOTON_TEXT(cudaErrorInvalidDeviceFunction, "invalid device function"),
    PHOTON_TEXT(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    PHOTON_TEXT(cudaErrorInvalidDevice, "invalid device ordinal"),
    PHOTON_TEXT(cudaErrorInvalidKernelImage, "device kernel image is invalid"),
    PHOTON_TEXT(cudaErrorNoKernelImageForDevice, "no kernel image is available for execution on the device"),
    PHOTON_TEXT(cudaErrorECCUncorrectable, "uncorrectable ECC error encountered"),
    PHOTON_TEXT(cudaErrorInvalidPtx, "a PTX JIT compilation failed"),
    PHOTON_TEXT(cudaErrorUnsupportedPtxVersion,
                "the provided PTX was compiled with an unsupported toolchain."),
    PHOTON_TEXT(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    PHOTON_TEXT(cudaErrorNotReady, "device not ready"),
    PHOTON_TEXT(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    PHOTON_TEXT(cudaErrorLaunchOutOfResources, "too many resources requested for launch"),
    PHOTON_TEXT(cudaErrorLaunchTimeout, "the launch timed out and was terminated"),
    PHOTON_TEXT(cudaErrorAssert, "device-side assert triggered"),
    PHOTON_TEXT(cudaErrorIllegalInstruction, "an illegal instruction was encountered"),
    PHOTON_TEXT(cudaErrorMisalignedAddress, "misaligned address"),
    PHOTON_TEXT(cudaErrorLaunchFailure, "unspecified launch failure"),
    PHOTON_TEXT(cudaErrorNotPermitted, "operation not permitted"),
    PHOTON_TEXT(cudaErrorNotSupported, "operation not supported"),
    PHOTON_TEXT(cudaErrorSystemNotReady, "system not yet initialized"),
    PHOTON_TEXT(cudaErrorSystemDriverMismatch,
                "system has unsupported display driver / cuda driver combination"),
    PHOTON_TEXT(cudaErrorCompatNotSupportedOnDevice,
                "forward compatibility was attempted on non supported HW"),
    PHOTON_TEXT(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    PHOTON_TEXT(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture"),
    PHOTON_TEXT(cudaErrorStreamCaptureUnmatched, "capture was not ended in the same stream as it began"),
    PHOTON_TEXT(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work"),
    PHOTON_TEXT(cudaErrorStreamCaptureImplicit,
                "operation would make the legacy stream depend on a capturing blocking stream"),
    PHOTON_TEXT(cudaErrorCapturedEvent,
                "operation not permitted on an event last recorded in a capturing stream"),
    PHOTON_TEXT(cudaErrorUnknown, "unknown error"),
};
#undef PHOTON_TEXT

const Text* text_of(cudaError_t error) {
  for (const Text& text : texts) {
    if (text.code == error) return &text;
  }
  return nullptr;
}

}  // namespace

const char* cudaGetErrorName(cudaError_t error) {
  const Text* text = text_of(error);
  return text ? text->name : "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t error) {
  const Text* text = text_of(error);
  return text ? text->meaning : "unrecognized error code";
}

cudaError_t cudaGetLastError() {
  return std::exchange(last_error, cudaSuccess);
}

cudaError_t cudaPeekAtLastError() {
  return last_error;
}

}  // namespace photon::emulated

namespace photon::emulation {

emulated::cudaError_t returned(emulated::cudaError_t error) {
  if (error != emulated::cudaSuccess) emulated::last_error = error;
  return error;
}

}  // namespace photon::emulation
