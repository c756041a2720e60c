# SPDX-License-Identifier: Apache-2.0
# `cmake --install` makes a tree that can be carried to a machine without compiler and without these packages:
#   bin/photon, bin/photon-selftest, bin/photon-on-gpu    libexec/photon/*_tests    lib/photon/*.so    share/photon/{configs,docs,tests,analysis/results}
# Every shared library comes along but the C library, which belongs to the machine's kernel and loader.
install(RUNTIME_DEPENDENCY_SET photon_libraries
        PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|mvec|pthread|dl|rt|util|resolv)\\.so"
        LIBRARY DESTINATION ${photon_installed_libraries})

set(shared_folder ${CMAKE_INSTALL_DATADIR}/photon)
install(DIRECTORY configs docs DESTINATION ${shared_folder})
install(DIRECTORY analysis/results DESTINATION ${shared_folder}/analysis) # studies name the rows of their ladders
if(PHOTON_TESTS)
  file(GLOB test_data RELATIVE ${CMAKE_SOURCE_DIR} CONFIGURE_DEPENDS tests/*/data)
  foreach(folder ${test_data})
    install(DIRECTORY ${folder}/ DESTINATION ${shared_folder}/${folder})
  endforeach()
  install(PROGRAMS tests/photon-selftest tests/photon-on-gpu DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
