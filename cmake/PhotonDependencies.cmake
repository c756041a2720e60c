# SPDX-License-Identifier: Apache-2.0
# Everything here is a package of Debian 12 and 13; `./photon setup` installs them.
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(sentencepiece REQUIRED IMPORTED_TARGET sentencepiece)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
find_package(ZLIB REQUIRED)
find_package(benchmark REQUIRED)
find_path(FAST_CSV_INCLUDE_DIR libfccp/csv.h REQUIRED)

# OpenBLAS behind Eigen where present; Eigen's own kernels otherwise. The OpenMP flavour shares its threads with
# ours; the pthread flavour would fight them for the cores.
pkg_check_modules(openblas IMPORTED_TARGET openblas)
if(NOT openblas_FOUND)
  message(STATUS "OpenBLAS not found: Eigen's own matrix products")
endif()
if(PHOTON_TESTS)
  find_package(GTest REQUIRED)
endif()
