# SPDX-License-Identifier: Apache-2.0
# photon_library(NAME LINKS...): the static library of this folder, every *.cpp in it and in its rooms (folders without a
# CMakeLists.txt); each *.h must compile alone. With PRECOMPILE HEADERS... LINK LINKS... instead, these headers, which most
# of its files read, are precompiled for it beside the usual ones.
# photon_test(NAME [SANITIZED [EXCEPT FILTER]] LINKS...): one GoogleTest executable of the folder's *.cpp; its tests carry
# the folder's name as their label. With SANITIZED `./photon test` also runs it in the sanitizers' build, but for the
# tests that FILTER ("Suite.Test:Other.*") names: the target sanitized_tests builds it, the label "FOLDER sanitized"
# marks what is run.
# photon_headers_alone(OUT HEADERS...): those whose compiling alone is not shown already by a source of their name that
# includes them first.

if(CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 16
   AND NOT PHOTON_FUZZ) # what is fuzzed does not need it
  message(FATAL_ERROR "clang ${CMAKE_CXX_COMPILER_VERSION} has no std::source_location: 16 or newer is needed")
endif()

add_library(photon_flags INTERFACE)
# g++ 12 sees overlaps in the copies of short strings that are none (GCC bug 105651): -Wno-restrict, which clang does not know.
target_compile_options(photon_flags INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wconversion;-Wno-sign-conversion;-Werror;$<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>;-fno-math-errno>")
target_include_directories(photon_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_link_libraries(photon_flags INTERFACE OpenMP::OpenMP_CXX Threads::Threads fmt::fmt)
if(PHOTON_NATIVE)
  target_compile_options(photon_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-march=native>)
endif()
if(PHOTON_SANITIZE)
  # AddressSanitizer sees what these checks of every pointer would see, at a third of the compiler's time. Alignment is
  # checked in targets with the property PHOTON_CHECK_ALIGNMENT.
  target_compile_options(photon_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all
                                                 -fno-sanitize=null,nonnull-attribute,returns-nonnull-attribute
                                                 -fno-sanitize=object-size,vptr -fno-omit-frame-pointer
                                                 $<$<NOT:$<BOOL:$<TARGET_PROPERTY:PHOTON_CHECK_ALIGNMENT>>>:-fno-sanitize=alignment>)
  target_link_options(photon_flags INTERFACE -fsanitize=address,undefined)
elseif(PHOTON_TESTS)
  set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)
endif()

# Read in nearly every file, so compiled once. Every header still names what it uses: tests/includes_test.sh.
set(photon_precompiled <algorithm> <array> <charconv> <cmath> <cstdint> <cstring> <filesystem> <fstream> <functional>
                       <map> <memory> <numeric> <optional> <random> <set> <span> <string> <string_view> <utility> <vector>
                       <fmt/format.h> <fmt/ranges.h>)
# photon_precompile(NAME FIRST [HEADERS...]): target FIRST precompiles them, with HEADERS, and the others take its. To g++
# the definitions and warnings in which they differ are no hindrance; another compiler precompiles once for each target.
function(photon_precompile name first)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND NOT name STREQUAL first)
    target_precompile_headers(${name} REUSE_FROM ${first})
  else()
    # Of the CUDA targets' files nvcc precompiles nothing.
    list(TRANSFORM ARGN REPLACE ">$" "$<ANGLE-R>")
    list(TRANSFORM photon_precompiled REPLACE ">$" "$<ANGLE-R>")
    target_precompile_headers(${name} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${photon_precompiled};${ARGN}>")
  endif()
  # In precompiled headers g++ 12 forgets that they are the system's, and sees overruns in the copies of short strings that
  # are none; a build without them has these two warnings.
  if(NOT CMAKE_DISABLE_PRECOMPILE_HEADERS)
    target_compile_options(${name} PRIVATE
      $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-array-bounds$<SEMICOLON>-Wno-stringop-overflow>)
  endif()
endfunction()

# photon_glob(OUT PATTERN): files of this folder and of its rooms.
function(photon_glob out pattern)
  file(GLOB files CONFIGURE_DEPENDS ${pattern})
  file(GLOB rooms LIST_DIRECTORIES TRUE ${CMAKE_CURRENT_SOURCE_DIR}/*)
  foreach(room ${rooms})
    if(IS_DIRECTORY ${room} AND NOT EXISTS ${room}/CMakeLists.txt)
      file(GLOB more CONFIGURE_DEPENDS ${room}/${pattern})
      list(APPEND files ${more})
    endif()
  endforeach()
  set(${out} ${files} PARENT_SCOPE)
endfunction()

function(photon_headers_alone out)
  foreach(header ${ARGN})
    cmake_path(NORMAL_PATH header)
    cmake_path(RELATIVE_PATH header BASE_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE included)
    set(shown FALSE)
    foreach(source .cpp .cu)
      cmake_path(REPLACE_EXTENSION header LAST_ONLY ${source} OUTPUT_VARIABLE file)
      if(EXISTS ${file})
        file(STRINGS ${file} first REGEX "^#include" LIMIT_COUNT 1)
        if(first STREQUAL "#include \"${included}\"")
          set(shown TRUE)
        endif()
      endif()
    endforeach()
    if(NOT shown)
      list(APPEND alone ${header})
    endif()
  endforeach()
  set(${out} ${alone} PARENT_SCOPE)
endfunction()

function(photon_library name)
  cmake_parse_arguments(library "" "" "PRECOMPILE;LINK" ${ARGN})
  photon_glob(sources *.cpp)
  photon_glob(headers *.h)
  if(sources)
    add_library(${name} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_link_libraries(${name} ${scope} photon_flags ${library_UNPARSED_ARGUMENTS} ${library_LINK})
  photon_headers_alone(alone ${headers})
  if(library_PRECOMPILE)
    photon_precompile(${name} ${name} ${library_PRECOMPILE})
  elseif(sources)
    photon_precompile(${name} photon_core)
  endif()
  target_sources(${name} ${scope} FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR} FILES ${alone})
endfunction()

function(photon_test name)
  cmake_parse_arguments(test "SANITIZED" "EXCEPT" "" ${ARGN})
  photon_glob(sources *.cpp)
  if(sources)
    add_executable(${name} ${sources})
    target_link_libraries(${name} PRIVATE photon_flags GTest::gtest_main ${test_UNPARSED_ARGUMENTS})
    photon_precompile(${name} core_tests <gtest/gtest.h>)
    # What is tested is as fast as ever; the tests themselves are compiled in less time than they would save.
    target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1> $<$<CONFIG:RelWithDebInfo>:-O0>)
    cmake_path(GET CMAKE_CURRENT_SOURCE_DIR FILENAME folder)
    include(GoogleTest)
    set(properties TIMEOUT 600 ENVIRONMENT OMP_WAIT_POLICY=passive LABELS)
    if(test_SANITIZED)
      add_dependencies(sanitized_tests ${name})
      gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_FILTER "-${test_EXCEPT}"
                           PROPERTIES ${properties} "${folder} sanitized")
    endif()
    if(test_EXCEPT OR NOT test_SANITIZED)
      gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_FILTER "${test_EXCEPT}" PROPERTIES ${properties} ${folder})
    endif()
    photon_install(${name} ${CMAKE_INSTALL_LIBEXECDIR}/photon)
  endif()
endfunction()

# photon_install(NAME FOLDER): installs a program so that it finds the libraries that PhotonInstall puts in
# lib/photon. The old kind of run path, because the new kind does not hold for a library's own libraries.
set(photon_installed_libraries ${CMAKE_INSTALL_LIBDIR}/photon)
function(photon_install name folder)
  file(RELATIVE_PATH up /${folder} /${photon_installed_libraries})
  set_target_properties(${name} PROPERTIES INSTALL_RPATH "\$ORIGIN/${up}")
  target_link_options(${name} PRIVATE -Wl,--disable-new-dtags)
  install(TARGETS ${name} RUNTIME_DEPENDENCY_SET photon_libraries RUNTIME DESTINATION ${folder})
endfunction()
