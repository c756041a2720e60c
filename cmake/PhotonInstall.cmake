# `cmake --install` makes a tree that can be carried to a machine without compiler and without these packages:
#   bin/photon, bin/photon-selftest    libexec/photon/*_tests    lib/photon/*.so    share/photon/{configs,docs}
# Every shared library comes along but the C library, which belongs to the machine's kernel and loader.
install(RUNTIME_DEPENDENCY_SET photon_libraries
        PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|mvec|pthread|dl|rt|util|resolv)\\.so"
        LIBRARY DESTINATION ${photon_installed_libraries})

set(shared_folder ${CMAKE_INSTALL_DATADIR}/photon)
foreach(folder configs docs tests/data)
  if(EXISTS ${CMAKE_SOURCE_DIR}/${folder})
    cmake_path(GET folder PARENT_PATH parent)
    install(DIRECTORY ${folder} DESTINATION ${shared_folder}/${parent})
  endif()
endforeach()
if(PHOTON_TESTS)
  install(PROGRAMS tests/photon-selftest DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
