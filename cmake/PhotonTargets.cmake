# photon_library(NAME LINKS...): the static library of this folder, every *.cpp in it.
# photon_test(NAME LINKS...): one GoogleTest executable of the folder's *_test.cpp.

add_library(photon_flags INTERFACE)
target_compile_options(photon_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                                               -Werror -fno-math-errno)
target_include_directories(photon_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_link_libraries(photon_flags INTERFACE OpenMP::OpenMP_CXX Threads::Threads fmt::fmt)
if(PHOTON_NATIVE)
  target_compile_options(photon_flags INTERFACE -march=native)
endif()
if(PHOTON_SANITIZE)
  target_compile_options(photon_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all
                                                 -fno-omit-frame-pointer)
  target_link_options(photon_flags INTERFACE -fsanitize=address,undefined)
endif()

function(photon_library name)
  file(GLOB sources CONFIGURE_DEPENDS *.cpp)
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC photon_flags ${ARGN})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE photon_flags ${ARGN})
  endif()
endfunction()

function(photon_test name)
  file(GLOB sources CONFIGURE_DEPENDS *_test.cpp)
  if(sources)
    add_executable(${name} ${sources})
    target_link_libraries(${name} PRIVATE photon_flags GTest::gtest_main ${ARGN})
    target_compile_definitions(${name} PRIVATE PHOTON_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    include(GoogleTest)
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 600)
  endif()
endfunction()
