#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cmake/PhotonCuda.cmake decides whether there is a CUDA back end and says why not: on make-believe toolkits, up to the
# point at which CMake would try the compiler. Exit code 77 (skipped) where a build tool is missing.
set -u
for tool in cmake ninja c++; do command -v "$tool" >/dev/null || exit 77; done

repository=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# enable_language and find_package are the project's own here: there is no compiler to be found.
cat >"$work/CMakeLists.txt" <<TXT
cmake_minimum_required(VERSION 3.25)
project(toy NONE)
set(CMAKE_CXX_COMPILER c++)
macro(enable_language name)
  message(STATUS "language \${name} for \${CMAKE_CUDA_ARCHITECTURES} by \${CMAKE_CUDA_COMPILER}")
endmacro()
macro(find_package name)
endmacro()
include($repository/cmake/PhotonCuda.cmake)
message(STATUS "built: \${photon_cuda_built} for '\${photon_cuda_architectures}'")
TXT
toolkit() { # VERSION
  mkdir -p "$work/cuda/bin" "$work/cuda/include/nvtx3"
  touch "$work/cuda/include/"{cuda_runtime.h,cublasLt.h,nvtx3/nvToolsExt.h}
  printf '#!/bin/bash\necho "Cuda compilation tools, release %s, V%s"\n' "$1" "$1" >"$work/cuda/bin/nvcc"
  chmod +x "$work/cuda/bin/nvcc"
}
gpu() { # COMPUTE CAPABILITY of each, none: what nvidia-smi does without a driver
  mkdir -p "$work/bin"
  { echo '#!/bin/bash'; printf 'echo "NVIDIA X, %s"\n' "$@"; echo "exit $(($# == 0))"; } >"$work/bin/nvidia-smi"
  chmod +x "$work/bin/nvidia-smi"
}
expect() { # TEXT CMAKE ARGUMENT...
  says "$1" cmake -S "$work" -B "$work/build" -G Ninja "${@:2}"
}
says() { # TEXT COMMAND...
  local said
  said=$(PATH=$work/bin:$PATH CUDA_HOME=$work/cuda "${@:2}" 2>&1 | tr -s ' \n' ' ')
  [[ $said == *"$1"* ]] && return
  printf 'FAILED: %s should say: %s\n--- it says\n%s\n' "${*:2}" "$1" "$said"
  failures=$((failures + 1))
}
afresh() { rm -rf "$work/build"; }

gpu
expect "not built, its kernels run in emulation only: there is no nvcc in $work/cuda/bin (NVIDIA's packages: cuda-nvcc"
expect "PHOTON_CUDA=ON, but there is no nvcc" -DPHOTON_CUDA=ON
expect "PHOTON_CUDA is AUTO, ON or OFF, not 'maybe'" -DPHOTON_CUDA=maybe
toolkit 11.8.89
afresh
expect "is version '11.8.89': 12.4 is needed"
expect "PHOTON_CUDA=ON, but" -DPHOTON_CUDA=ON
toolkit 13.0.88
afresh
expect "built: ON for '90a'"
expect "language CUDA for 90a-real by $work/cuda/bin/nvcc"
expect "built: OFF" -DPHOTON_CUDA=OFF
expect "built: OFF" -DPHOTON_CUDA=AUTO -DPHOTON_SANITIZE=ON
expect "language CUDA for 90a-real;100a-real" -DPHOTON_CUDA=ON -DPHOTON_SANITIZE=OFF -DPHOTON_CUDA_ARCHITECTURES="90a;100a"
expect "built: ON for '90a;100a'" # it stays
expect "'sm_90' is none" -DPHOTON_CUDA_ARCHITECTURES=sm_90
expect "need compute capability 9.0 or newer, not 80" -DPHOTON_CUDA_ARCHITECTURES=80
gpu 10.0 9.0
afresh
expect "built: ON for '100a'" -DPHOTON_NATIVE=ON
gpu
expect "built: ON for '100a'" # found once, whatever PATH has later
afresh
gpu 10.0
expect "built: ON for '90a'" -DPHOTON_NATIVE=OFF
gpu 8.6
afresh
expect "not built, its kernels run in emulation only: the kernels need compute capability 9.0 or newer, not 86" -DPHOTON_NATIVE=ON
rm "$work/cuda/include/cublasLt.h"
afresh
expect "cublasLt.h is not beside $work/cuda/bin/nvcc (NVIDIA's packages: cuda-nvcc"

# As a script: what `./photon setup` says.
setup=(cmake -DPHOTON_NATIVE=ON -P "$repository/cmake/PhotonCuda.cmake")
says "not built" "${setup[@]}"
toolkit 13.0.88
gpu
says "GPU: none, or no driver: CUDA kernels run in emulation only" "${setup[@]}"
gpu 10.0 9.0
says "GPU: NVIDIA X, 10.0 -- CUDA back end: CUDA 13.0.88 for 100a, by $work/cuda/bin/nvcc" "${setup[@]}"
says "by $work/cuda/bin/nvcc" env -u CUDA_HOME PATH="$work/cuda/bin:$PATH" "${setup[@]}"

((failures == 0)) && echo "all checks of the CUDA choice passed"
exit $((failures != 0))
