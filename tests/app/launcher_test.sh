#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The launcher, in a small project of its own (real CMake and ninja) and on a machine whose packages are make-believe:
# dpkg-query, apt-get, sudo and id are scripts that say what this test wants and write down how they were called.
# Exit code 77 (skipped) where a build tool is missing.
# shellcheck disable=SC2016 # conditions are single-quoted, for check to evaluate
set -u
for tool in cmake ninja c++ flock script setsid; do command -v "$tool" >/dev/null || exit 77; done

repository=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree="$work/a tree"
fakes=$work/fakes
failures=0

check() { # WHAT CONDITION: of bash's [[ ]], on out, err and code of the last run and apt, the calls of apt-get so far
  apt=$(cat "$work/apt" 2>/dev/null)
  eval "[[ $2 ]]" && return
  printf 'FAILED: %s\n--- exit code %s, stdout\n%s\n--- stderr\n%s\n--- apt-get calls\n%s\n' "$1" "$code" "$out" "$err" "$apt"
  failures=$((failures + 1))
}
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
cp "$repository/cmake/debian-packages.txt" "$repository/cmake/PhotonCuda.cmake" "$tree/cmake/"
cat >"$tree/CMakeLists.txt" <<'TXT'
cmake_minimum_required(VERSION 3.25)
set(CMAKE_CXX_COMPILER_ID_RUN TRUE) # CMake need not get to know the compiler: most of what these tests would take
set(CMAKE_CXX_COMPILER_FORCED TRUE)
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
sed 's/ *#.*//; /^$/d; s/^/installed /' "$repository/cmake/debian-packages.txt" | grep -vwf "$work/missing"
echo "config-files \$(head -n1 "$work/missing")"
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
check "arguments reach the program unchanged" '$out == "[][b  c][*]"'
check "a first run says that it builds, on standard error" '$err == *"Linking CXX executable"*'
check "nothing is installed where nothing is missing" '-z $apt'

built=$(stat -c %y "$tree/build/release/app/photon")
photon exit 37
check "the program's exit code" '$code == 37'
check "a current build is used in silence" '-z $err'
check "and not built again" '$built == "$(stat -c %y "$tree/build/release/app/photon")"'

out=$(printf 'in\0put' | PATH=$fakes:$PATH "$tree/photon" copy | od -An -c | tr -d ' \n')
check "standard input reaches the program" '$out == "[copy]in\\0put"'

ln -s "$tree/photon" "$work/link"
out=$(cd / && PATH=$fakes:$PATH "$work/link" linked 2>&1)
check "through a symbolic link, from elsewhere" '$out == "[linked]"'

echo '// changed' >>"$tree/app/main.cpp"
echo '# changed' >>"$tree/CMakeLists.txt"
photon again
check "a changed source is built again and run" '$err == *"Building CXX object"* && $out == "[again]"'
check "with no more of cmake than that it ran" '$err == *"Re-running CMake"* && $err != *"-- "*'

sed -i 's/return argc/return no_such_name + argc/' "$tree/app/main.cpp"
photon again
check "a failed build fails and runs nothing" '$code == 1 && -z $out'
check "it shows the compiler's error without its command line" '$err == *"error: "* && $err != *" -c "*'
sed -i 's/no_such_name + //' "$tree/app/main.cpp"

mv "$tree" "$work/moved tree"
tree="$work/moved tree"
out=$(HOME=/nonexistent PATH=$fakes:$PATH "$tree/photon" moved 2>/dev/null)
check "a tree that was moved, and no home, of which none is made" '$out == "[moved]" && ! -e /nonexistent'

sed -i 1d "$tree/build/release/configuration"
photon go
check "a build that was made for something else starts afresh" '$err == *"configuring build/release"*"Linking"*'

exec 8>"$tree/build/release.lock"
flock 8
(sleep 0.5; flock -u 8) 8>&8 &
exec 8>&-
photon patient
check "two builds do not meet" '$err == *"another build of '\''release'\'' is running"*'
check "and the second goes on" '$out == "[patient]"'
wait

# -- its own commands

for wrong in "build --preset nope" "build --preset" "setup --bogus" "clean everything" "build --cuda maybe" "build --cuda" \
             "build --cuda-arch sm_90" "build --preset sanitize --cuda on"; do
  # shellcheck disable=SC2086
  photon $wrong
  check "wrong use, exit code 2: $wrong" '$code == 2'
done

photon test
check "tests pass" '$code == 0'
check "two summaries, the whole suite's last" '${out#*tests passed} == *"out of 2"*'
check "nothing after ctest's summary" '${out##*$'\''\n'\''} == *"Total Test time"*'
photon test -R anything
check "arguments go to ctest" '$out == *"out of 1"*'
touch "$tree/break-ON"
photon test
check "a failure under the sanitizers alone fails and is named" '$code != 0 && $err == *"under the sanitizers"*'
rm "$tree/break-ON"
touch "$tree/break-OFF" "$tree/break-"
photon test
check "a failure without sanitizers fails" '$code != 0'
rm "$tree/break-OFF" "$tree/break-"

photon clean
check "clean leaves no build" '! -e $tree/build'

# -- CUDA

export CUDA_HOME=$work/cuda # empty as yet: whatever toolkit this machine has is not looked at
nvcc=$CUDA_HOME/bin/nvcc
configured() { tail -n1 "$tree/configured"; }
times_configured() { wc -l <"$tree/configured"; }

photon setup
check "setup says what CUDA would need, which is no failure" '$err == *"there is no nvcc in $CUDA_HOME/bin"* && $code == 0'
mkdir -p "$CUDA_HOME/bin"
printf '#!/bin/bash\n' >"$nvcc"
chmod +x "$nvcc"

photon build
check "auto, if nothing was said" '$(configured) == "AUTO found"'
photon build --cuda on --cuda-arch=90a,100a
check "what was said reaches cmake" '$(configured) == "ON 90a;100a"'
times=$(times_configured)
photon build
photon hello
check "it is remembered" '$times == "$(times_configured)"'
printf '\n' >>"$tree/CMakePresets.json"
photon build
check "also by a build that starts afresh" '$(configured) == "ON 90a;100a"'
photon build --cuda-arch 100a
check "an architecture alone means on" '$(configured) == "ON 100a"'
photon build --preset debug
check "each preset has its own" '$(configured) == "AUTO found"'
photon test --cuda off -R anything
check "test takes them, too, for the build that is tested" '$(cat "$tree/configured") == *"OFF "*'
check "and its other arguments reach ctest" '$out == *"out of 1"*'
check "the sanitizers' build is never asked" '$(configured) == "AUTO found"'
photon build --cuda auto
mv "$nvcc" "$nvcc.away"
photon build
check "an nvcc that is gone voids the build" '$err == *"configuring build/release"*'
times=$(times_configured)
photon build
check "once" '$times == "$(times_configured)"'
mv "$nvcc.away" "$nvcc"
photon build
check "one that comes back is left alone" '$times == "$(times_configured)"'
photon build --cuda auto
check "until it is asked for" '$times != "$(times_configured)"'
echo 'message(FATAL_ERROR "no such toolkit")' >>"$tree/CMakeLists.txt"
photon build --preset debug --cuda off
check "what cmake refuses is a failure, and shown" '$code == 1 && $err == *"no such toolkit"*'
sed -i '$d' "$tree/CMakeLists.txt"
photon build --preset debug
check "and not remembered" '$(configured) == "AUTO found"'
rm -rf "$tree/build"

# -- packages

printf 'libfmt-dev\nlibzstd-dev\n' >"$work/missing"
photon setup
check "as root: the package lists first" '${apt%%$'\''\n'\''*} == *update'
check "then what is missing, which is named" \
      '$apt == *"install -y --no-install-recommends libfmt-dev libzstd-dev" && $err == *"libfmt-dev libzstd-dev"*'
rm "$work/apt"
photon setup
check "nothing missing is no failure, and apt is not called" '$code == 0 && -z $apt'

echo libfmt-dev >"$work/missing"
touch "$work/apt-fails"
photon setup
check "what apt cannot install is a failure" '$code == 1'
rm "$work/apt" "$work/apt-fails"

echo 1000 >"$work/uid"
mkdir "$work/no-sudo"
ln -s /usr/bin/* "$work/no-sudo"
rm -f "$work/no-sudo/sudo"
real_path=$PATH
PATH=$work/no-sudo
photon go
check "without root and sudo: failure, no attempt" '$code == 1 && -z $apt'
check "but what to install" '$err == *"apt-get install libfmt-dev"*'
PATH=$real_path

ln -s "$work/sudo" "$fakes/sudo"
photon go
check "sudo that wants a password and no terminal: what to install" '$err == *"apt-get install libfmt-dev"*'
photon_at_terminal n go
check "with a terminal it asks" '$out == *"install them now with sudo apt-get?"*'
check "a no is a no, and a failure" '-z $apt && $code == 1'
photon_at_terminal y go
check "it never asks twice, but says how" '$out != *"now with"* && $out == *"photon setup"*'
photon_at_terminal "" setup --yes
check "--yes does not ask, and installs" '$out != *"now with"* && $apt == *"install -y"*'
echo libfmt-dev >"$work/missing"
rm "$work/apt"
photon_at_terminal y setup
check "a yes installs" '$apt == *"install -y"*'

((failures == 0)) && echo "all launcher checks passed"
exit $((failures != 0))
