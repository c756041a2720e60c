# Whether and how the CUDA back end is built. Afterwards photon_cuda_built says whether, photon_cuda_architectures
# for what.
#   PHOTON_CUDA                AUTO: where nvcc and cuBLAS' headers are; ON: or fail; OFF
#   PHOTON_CUDA_ARCHITECTURES  "90a", "90a;100a"; empty: that of this machine's GPU with PHOTON_NATIVE, else 90a
# Both, and the nvcc that was found, stay in CMake's cache: a build does not change its mind when PATH does.
set(PHOTON_CUDA AUTO CACHE STRING "The CUDA back end: AUTO (where nvcc and cuBLAS' headers are), ON or OFF")
set_property(CACHE PHOTON_CUDA PROPERTY STRINGS AUTO ON OFF)
set(PHOTON_CUDA_ARCHITECTURES "" CACHE STRING "What CUDA is compiled for: 90a, 100a, ...; empty: found out")
set(photon_cuda_built OFF)
set(photon_cuda_least_nvcc 12.4)         # C++20, and what the runtime calls
set(photon_cuda_least_architecture 90)   # programmatic dependent launch

# photon_cuda_without(WHY): no CUDA back end, which is an error if one was asked for.
function(photon_cuda_without why)
  if(PHOTON_CUDA STREQUAL "AUTO")
    message(STATUS "CUDA back end: not built, ${why}")
  else()
    message(FATAL_ERROR "PHOTON_CUDA=${PHOTON_CUDA}, but ${why}")
  endif()
endfunction()

# photon_cuda_find_architecture(OUT): of the first GPU that nvidia-smi lists, "" without one.
function(photon_cuda_find_architecture out)
  set(${out} "" PARENT_SCOPE)
  find_program(nvidia_smi nvidia-smi NO_CACHE)
  if(nvidia_smi)
    execute_process(COMMAND ${nvidia_smi} --query-gpu=compute_cap --format=csv,noheader
                    OUTPUT_VARIABLE listed ERROR_QUIET RESULT_VARIABLE failed)
    if(NOT failed AND listed MATCHES "^([0-9]+)\\.([0-9])")
      set(architecture ${CMAKE_MATCH_1}${CMAKE_MATCH_2})
      if(architecture GREATER_EQUAL 90)
        string(APPEND architecture a) # this generation's own instructions, wgmma among them
      endif()
      set(${out} ${architecture} PARENT_SCOPE)
    endif()
  endif()
endfunction()

# Sets photon_cuda_architectures ("90a;100a") and CMAKE_CUDA_ARCHITECTURES from it, or photon_cuda_refused.
macro(photon_cuda_choose_architectures)
  string(REPLACE "," ";" photon_cuda_architectures "${PHOTON_CUDA_ARCHITECTURES}")
  if(NOT photon_cuda_architectures)
    if(PHOTON_NATIVE)
      photon_cuda_find_architecture(photon_cuda_architectures)
    endif()
    if(NOT photon_cuda_architectures)
      set(photon_cuda_architectures 90a)
    endif()
  endif()
  list(TRANSFORM photon_cuda_architectures REPLACE "-real$" "")
  set(CMAKE_CUDA_ARCHITECTURES "")
  foreach(architecture ${photon_cuda_architectures})
    if(NOT architecture MATCHES "^([0-9]+)[af]?$")
      message(FATAL_ERROR "PHOTON_CUDA_ARCHITECTURES: '${architecture}' is none; 90a is that of an H100 or H200")
    elseif(CMAKE_MATCH_1 LESS photon_cuda_least_architecture)
      set(photon_cuda_refused "the kernels need compute capability 9.0 or newer, not ${architecture}")
    endif()
    list(APPEND CMAKE_CUDA_ARCHITECTURES ${architecture}-real) # no PTX: compiled by nvcc alone, never at start
  endforeach()
  set(PHOTON_CUDA_ARCHITECTURES "${photon_cuda_architectures}" CACHE STRING "" FORCE)
endmacro()

if(NOT PHOTON_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "PHOTON_CUDA is AUTO, ON or OFF, not '${PHOTON_CUDA}'")
elseif(PHOTON_SANITIZE)
  message(STATUS "CUDA back end: not built, AddressSanitizer and CUDA's address space exclude each other")
elseif(NOT PHOTON_CUDA STREQUAL "OFF")
  find_program(PHOTON_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin
               DOC "CUDA's compiler")
  mark_as_advanced(PHOTON_NVCC)
  if(NOT PHOTON_NVCC)
    photon_cuda_without("there is no nvcc in PATH or /usr/local/cuda/bin")
  else()
    execute_process(COMMAND ${PHOTON_NVCC} --version OUTPUT_VARIABLE photon_nvcc_says ERROR_QUIET)
    string(REGEX MATCH "V([0-9.]+)" photon_nvcc_version "${photon_nvcc_says}")
    set(photon_nvcc_version "${CMAKE_MATCH_1}")
    file(REAL_PATH ${PHOTON_NVCC} photon_nvcc_folder)
    cmake_path(GET photon_nvcc_folder PARENT_PATH photon_nvcc_folder)
    find_path(photon_cublas_headers cublasLt.h NO_CACHE
              HINTS ${photon_nvcc_folder}/../include ${photon_nvcc_folder}/../targets/x86_64-linux/include)
    set(photon_cuda_refused "")
    photon_cuda_choose_architectures()
    if(photon_nvcc_version VERSION_LESS photon_cuda_least_nvcc)
      photon_cuda_without("${PHOTON_NVCC} is version '${photon_nvcc_version}': ${photon_cuda_least_nvcc} is needed")
    elseif(NOT photon_cublas_headers)
      photon_cuda_without("cuBLAS' headers (cublasLt.h) are not beside ${PHOTON_NVCC}")
    elseif(photon_cuda_refused)
      photon_cuda_without("${photon_cuda_refused}")
    else()
      set(photon_cuda_built ON)
    endif()
  endif()
endif()

if(photon_cuda_built)
  set(CMAKE_CUDA_COMPILER ${PHOTON_NVCC})
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
  # What ptxas says of each kernel goes to a file beside the object, for the target cuda_resources.
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_SOURCE_DIR}/cmake/keep_ptxas_output.sh ${CMAKE_CXX_COMPILER_LAUNCHER})
  enable_language(CUDA)
  # CMake 3.25.1 does not know that this compiler has C++20.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  set(CMAKE_CUDA_EXTENSIONS OFF)
  find_package(CUDAToolkit REQUIRED)
  list(JOIN photon_cuda_architectures ", " photon_cuda_architectures_said)
  message(STATUS "CUDA back end: nvcc ${photon_nvcc_version} for ${photon_cuda_architectures_said}")
endif()
