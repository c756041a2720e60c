#!/bin/bash
# The launcher, in a small project of its own (real CMake and ninja) and on a machine whose packages are make-believe:
# dpkg-query, apt-get, sudo and id are scripts that say what this test wants and write down how they were called.
# Exit code 77 (skipped) where a build tool is missing.
set -u
for tool in cmake ninja c++ flock script setsid; do command -v "$tool" >/dev/null || exit 77; done

repository=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree="$work/a tree"
fakes=$work/fakes
failures=0

check() { # WHAT CONDITION...
  local what=$1
  shift
  "$@" && return
  echo "FAILED: $what"
  printf -- '--- stdout\n%s\n--- stderr\n%s\n--- apt-get calls\n%s\n' "$out" "$err" "$(cat "$work/apt" 2>/dev/null)"
  failures=$((failures + 1))
}
contains() { [[ $1 == *"$2"* ]]; }
lacks() { [[ $1 != *"$2"* ]]; }
# No terminal: setsid takes away the one this test may have been started from.
photon() {
  out=$(cd "$work" && PATH=$fakes:$PATH setsid -w "$tree/photon" "$@" 2>"$work/err" </dev/null)
  code=$?
  err=$(cat "$work/err")
}
# With a terminal on which ANSWER is typed; standard output and error are one.
photon_at_terminal() { # ANSWER ARGS...
  out=$(cd "$work" && echo "$1" | PATH=$fakes:$PATH script -qec "'$tree/photon' ${*:2}" /dev/null)
  code=$?
  err=
}

mkdir -p "$tree/cmake" "$tree/app" "$fakes"
cp "$repository/photon" "$repository/CMakePresets.json" "$tree/"
cp "$repository/cmake/debian-packages.txt" "$tree/cmake/"
cat >"$tree/CMakeLists.txt" <<'TXT'
cmake_minimum_required(VERSION 3.25)
project(toy CXX)
enable_testing()
set(PHOTON_CUDA AUTO CACHE STRING "")
set(PHOTON_CUDA_ARCHITECTURES found CACHE STRING "")
file(APPEND ${CMAKE_SOURCE_DIR}/configured "${PHOTON_CUDA} ${PHOTON_CUDA_ARCHITECTURES}\n")
find_program(PHOTON_NVCC nvcc PATHS $ENV{CUDA_HOME}/bin NO_DEFAULT_PATH)
add_subdirectory(app)
add_custom_target(sanitized_tests)
add_test(NAME anything COMMAND true)
add_test(NAME parser COMMAND test ! -e ${CMAKE_SOURCE_DIR}/break-${PHOTON_SANITIZE})
set_tests_properties(parser PROPERTIES LABELS "core sanitized")
TXT
echo 'add_executable(photon main.cpp)' >"$tree/app/CMakeLists.txt"
cat >"$tree/app/main.cpp" <<'TXT'
#include <cstdio>
#include <cstdlib>
#include <cstring>
int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) std::printf("[%s]", argv[i]);
  if (argc > 1 && std::strcmp(argv[1], "copy") == 0) {
    for (int c; (c = std::getchar()) != EOF;) std::putchar(c);
  }
  return argc > 2 && std::strcmp(argv[1], "exit") == 0 ? std::atoi(argv[2]) : 0;
}
TXT

cat >"$fakes/dpkg-query" <<TXT
#!/bin/bash
for package in "\${@:4}"; do
  grep -qx "\$package" "$work/missing" || echo "installed:\$package"
done
TXT
cat >"$fakes/apt-get" <<TXT
#!/bin/bash
echo "\$*" >>"$work/apt"
[[ "\$*" != *install* || ! -e "$work/apt-fails" ]] || exit 100
[[ "\$*" != *install* ]] || : >"$work/missing"
TXT
printf '#!/bin/bash\n[[ $1 != -n ]] || exit 1\nexec "$@"\n' >"$work/sudo"
printf '#!/bin/bash\ncat "%s/uid"\n' "$work" >"$fakes/id"
chmod +x "$fakes"/* "$work/sudo"
: >"$work/missing"
echo 0 >"$work/uid"

# -- building and handing on

photon "" "b  c" '*'
check "arguments reach the program unchanged" [ "$out" = '[][b  c][*]' ]
check "a first run says that it builds, on standard error" contains "$err" "Linking CXX executable"
check "nothing was installed where nothing is missing" [ ! -e "$work/apt" ]

built=$(stat -c %y "$tree/build/release/app/photon")
photon exit 37
check "the program's exit code" [ "$code" = 37 ]
check "a current build is used in silence" [ -z "$err" ]
check "a current build is not built again" [ "$built" = "$(stat -c %y "$tree/build/release/app/photon")" ]

out=$(printf 'in\0put' | PATH=$fakes:$PATH "$tree/photon" copy | od -An -c | tr -d ' \n')
check "standard input reaches the program" [ "$out" = '[copy]in\0put' ]

ln -s "$tree/photon" "$work/link"
out=$(cd / && PATH=$fakes:$PATH "$work/link" linked 2>&1)
check "through a symbolic link, from elsewhere" [ "$out" = '[linked]' ]

echo '// changed' >>"$tree/app/main.cpp"
photon again
check "a changed source is built again" contains "$err" "Building CXX object"
check "and then run" [ "$out" = '[again]' ]

sed -i 's/return argc/return no_such_name + argc/' "$tree/app/main.cpp"
photon again
check "a failed build fails" [ "$code" = 1 ]
check "a failed build shows the compiler's error" contains "$err" "error: "
check "a failed build runs nothing" [ -z "$out" ]
sed -i 's/no_such_name + //' "$tree/app/main.cpp"

mv "$tree" "$work/moved tree"
tree="$work/moved tree"
out=$(HOME=/nonexistent PATH=$fakes:$PATH "$tree/photon" moved 2>/dev/null)
check "a tree that was moved, and no home" [ "$out" = '[moved]' ]
check "and none is made" [ ! -e /nonexistent ]

exec 8>"$tree/build/release.lock"
flock 8
(sleep 0.5; flock -u 8) 8>&8 &
exec 8>&-
photon patient
check "two builds do not meet" contains "$err" "another build of 'release' is running"
check "and the second goes on" [ "$out" = '[patient]' ]
wait

# -- its own commands

for wrong in "build --preset nope" "build --preset" "setup --bogus" "clean everything"; do
  # shellcheck disable=SC2086
  photon $wrong
  check "wrong use, exit code 2: $wrong" [ "$code" = 2 ]
done

photon test
check "tests pass" [ "$code" = 0 ]
check "two summaries, the whole suite's last" contains "${out#*tests passed}" "out of 2"
check "nothing after ctest's summary" contains "$(tail -n1 <<<"$out")" "Total Test time"
photon test -R anything
check "arguments go to ctest" contains "$out" "out of 1"
touch "$tree/break-ON"
photon test
check "a failure under the sanitizers alone fails" [ "$code" != 0 ]
check "and is named" contains "$err" "under the sanitizers"
rm "$tree/break-ON"
touch "$tree/break-OFF" "$tree/break-"
photon test
check "a failure without sanitizers fails" [ "$code" != 0 ]
rm "$tree/break-OFF" "$tree/break-"

photon clean
check "clean leaves no build" [ ! -e "$tree/build" ]

# -- CUDA

cuda=$work/cuda
export CUDA_HOME=$cuda # empty as yet: whatever toolkit this machine has is not looked at
configured() { tail -n1 "$tree/configured"; }
times_configured() { wc -l <"$tree/configured"; }

photon setup
check "no nvcc: what it would take" contains "$err" "no CUDA back end: there is no nvcc in $cuda/bin"
check "which is no failure" [ "$code" = 0 ]
mkdir -p "$cuda/bin" "$cuda/include/nvtx3"
printf '#!/bin/bash\n' >"$cuda/bin/nvcc"
chmod +x "$cuda/bin/nvcc"
touch "$cuda/include/cuda_runtime.h" "$cuda/include/nvtx3/nvToolsExt.h"
photon setup
check "an nvcc without cuBLAS" contains "$err" "but not cublasLt.h beside it"
touch "$cuda/include/cublasLt.h"
printf '#!/bin/bash\nexit 9\n' >"$fakes/nvidia-smi"
chmod +x "$fakes/nvidia-smi"
photon setup
check "a toolkit without a GPU" contains "$err" "no driver or GPU"
printf '#!/bin/bash\necho "NVIDIA H200, 9.0"\necho "NVIDIA H200, 9.0"\n' >"$fakes/nvidia-smi"
photon setup
check "a GPU is named, the first one" contains "$err" "for NVIDIA H200, 9.0"
unset CUDA_HOME
(PATH=$cuda/bin:$PATH photon setup && contains "$err" "CUDA: $cuda/bin/nvcc")
check "without CUDA_HOME: the nvcc in PATH" [ $? = 0 ]
export CUDA_HOME=$cuda
check "asking leaves nothing behind" [ ! -e "$tree/build/release.cuda" ]

photon build
check "auto, if nothing was said" [ "$(configured)" = "AUTO found" ]
photon build --cuda on --cuda-arch=90a,100a
check "what was said reaches cmake" [ "$(configured)" = "ON 90a;100a" ]
times=$(times_configured)
photon build
photon build --cuda on --cuda-arch 90a,100a
photon hello
check "it is remembered, and the same again is no change" [ "$times" = "$(times_configured)" ]
printf '\n' >>"$tree/CMakePresets.json"
photon build
check "also by a build that starts afresh" [ "$(configured)" = "ON 90a;100a" ]
photon build --cuda-arch 100a
check "an architecture alone means on" [ "$(configured)" = "ON 100a" ]
photon build --preset debug
check "each preset has its own" [ "$(configured)" = "AUTO found" ]
photon test --cuda off -R anything
check "test takes them, too, for the build that is tested" grep -qx "OFF " "$tree/configured"
check "and its other arguments reach ctest" contains "$out" "out of 1"
check "the sanitizers' build is never asked" lacks "$(cat "$tree"/build/sanitize.cuda 2>/dev/null)" PHOTON_CUDA
photon build --cuda auto
mv "$cuda/bin/nvcc" "$cuda/bin/no-nvcc"
photon build
check "an nvcc that is gone voids the build" contains "$err" "configuring build/release"
times=$(times_configured)
photon build
check "once" [ "$times" = "$(times_configured)" ]
mv "$cuda/bin/no-nvcc" "$cuda/bin/nvcc"
photon build
check "one that comes back is left alone" [ "$times" = "$(times_configured)" ]
photon build --cuda auto
check "until it is asked for" [ "$times" != "$(times_configured)" ]
for wrong in "--cuda maybe" "--cuda-arch sm_90" "--cuda" "--preset sanitize --cuda on"; do
  # shellcheck disable=SC2086
  photon build $wrong
  check "wrong use, exit code 2: build $wrong" [ "$code" = 2 ]
done
echo 'message(FATAL_ERROR "no such toolkit")' >>"$tree/CMakeLists.txt"
photon build --cuda off
check "a choice that cmake refuses is a failure" [ "$code" = 1 ]
sed -i '$d' "$tree/CMakeLists.txt"
photon build
check "and not remembered" [ "$(configured)" = "AUTO " ]
rm -rf "$tree/build"

# -- packages

printf 'libfmt-dev\nlibzstd-dev\n' >"$work/missing"
photon setup
check "as root: the package lists first" contains "$(head -n1 "$work/apt")" update
check "as root: what is missing is installed" contains "$(cat "$work/apt")" "install -y --no-install-recommends libfmt-dev libzstd-dev"
check "and named" contains "$err" "libfmt-dev libzstd-dev"
rm "$work/apt"
photon setup
check "nothing missing is no failure" [ "$code" = 0 ]
check "and apt is not called" [ ! -e "$work/apt" ]

echo libfmt-dev >"$work/missing"
touch "$work/apt-fails"
photon setup
check "what apt cannot install is a failure" [ "$code" = 1 ]
rm "$work/apt" "$work/apt-fails"

echo 1000 >"$work/uid"
no_sudo=$work/no-sudo
mkdir "$no_sudo"
for tool in $(compgen -c | sort -u); do
  path=$(type -P "$tool") && [[ $tool != sudo ]] && ln -sf "$path" "$no_sudo/$tool"
done 2>/dev/null
real_path=$PATH
PATH=$no_sudo
photon go
check "without root and sudo: failure" [ "$code" = 1 ]
check "without root and sudo: what to install" contains "$err" "apt-get install libfmt-dev"
check "without root and sudo: no attempt" [ ! -e "$work/apt" ]
PATH=$real_path

ln -s "$work/sudo" "$fakes/sudo"
photon go
check "sudo that wants a password and no terminal: what to install" contains "$err" "apt-get install libfmt-dev"
photon_at_terminal n go
check "with a terminal it asks" contains "$out" "install them now with sudo apt-get?"
check "a no is a no" [ ! -e "$work/apt" ]
check "and a failure" [ "$code" = 1 ]
photon_at_terminal y go
check "it never asks twice" lacks "$out" "now with"
check "but says how" contains "$out" "photon setup"
photon_at_terminal "" setup --yes
check "--yes does not ask" lacks "$out" "now with"
check "--yes installs" contains "$(cat "$work/apt" 2>/dev/null)" "install -y"
echo libfmt-dev >"$work/missing"
rm "$work/apt"
photon_at_terminal y setup
check "a yes installs" contains "$(cat "$work/apt" 2>/dev/null)" "install -y"

((failures == 0)) && echo "all launcher checks passed"
exit $((failures != 0))
