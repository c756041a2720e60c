#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Shows that the tests notice mistakes: makes the changes of mutations.txt one after another in a copy of the tree,
# builds, and expects the tests named beside them to fail.
#
#   tests/mutate.sh [WORD...]    the mutations of files whose name has one of the words; all
#   tests/mutate.sh --check      only that the table fits the sources, and names every kernel
#
# The copy lies in build/mutation, and what was built there serves the next run. Exit code 1: a mutation survived,
# or its tests fail (or are none) without it.
set -u
cd "$(dirname "$0")/.." || exit 1
root=$PWD
table=tests/mutations.txt
scratch=${PHOTON_MUTATION_DIR:-$root/build/mutation}

files=() programs=() filters=() originals=() mutants=()
# An empty line ends an entry; what is indented explains.
read_table() {
  local line part=
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
    [a-z]*.cu:\ *_tests\ * | [a-z]*.h:\ *_tests\ * | [a-z]*.cpp:\ *_tests\ *)
      files+=("${line%%: *}") originals+=("") mutants+=("")
      line=${line#*: }
      programs+=("${line%% *}") filters+=("${line#* }")
      ;;
    "- "*) originals[-1]+="${originals[-1]:+$'\n'}${line#- }" ;;
    "+ "*) mutants[-1]+="${mutants[-1]:+$'\n'}${line#+ }" ;;
    esac
  done <"$table"
}

# occurrences FILE TEXT: how often the text stands in the file.
occurrences() {
  local text rest count=0
  text=$(<"$1")
  while rest=${text#*"$2"} && [ "$rest" != "$text" ]; do
    text=$rest count=$((count + 1))
  done
  echo "$count"
}

check_table() {
  local failed=0 i kernel path
  for i in "${!files[@]}"; do
    path=${files[i]}
    if [ ! -f "$path" ]; then
      echo "$table: no file $path" && failed=1
    elif [ "$(occurrences "$path" "${originals[i]}")" != 1 ]; then
      echo "$table: in ${files[i]} there is not exactly one '${originals[i]}'" && failed=1
    elif [ "${originals[i]}" = "${mutants[i]}" ]; then
      echo "$table: '${originals[i]}' in ${files[i]} stays as it is" && failed=1
    fi
  done
  for kernel in cuda_impl/kernels/*.cu; do
    grep -q __global__ "$kernel" || continue
    if [[ " ${files[*]} " != *" $kernel "* ]]; then
      echo "$table: no mutation of $kernel" && failed=1
    fi
  done
  return "$failed"
}

# Files that differ are copied, so that the build's times stay right whatever an interrupted run left behind.
update_copy() {
  local file
  mkdir -p "$scratch/tree"
  git ls-files -co --exclude-standard | while IFS= read -r file; do
    [ -f "$file" ] || continue
    cmp -s "$file" "$scratch/tree/$file" && continue
    mkdir -p "$scratch/tree/$(dirname "$file")"
    cp "$file" "$scratch/tree/$file"
  done
  (cd "$scratch/tree" && find . -type f) | while IFS= read -r file; do
    [ -f "$file" ] || rm "$scratch/tree/$file"
  done
}

# build PROGRAM
build() {
  nice cmake --build "$scratch/build" --target "$1" >"$scratch/build.log" 2>&1
}

# run PROGRAM FILTER: 0 if the tests pass, 1 if one fails (or the program dies), 2 if there are none.
run() {
  OMP_WAIT_POLICY=passive PHOTON_TEST_SEED=${PHOTON_TEST_SEED:-1} \
    timeout 600 "$scratch/build/tests/${1%_tests}/$1" --gtest_filter="$2" --gtest_brief=1 \
    >"$scratch/test.log" 2>&1 || return 1
  grep -q '\] 0 tests' "$scratch/test.log" && return 2
  return 0
}

read_table
check_table || exit 1
[ "${1:-}" = --check ] && exit 0

wanted() {
  [ $# -gt 1 ] || return 0
  local word
  for word in "${@:2}"; do [[ $1 == *"$word"* ]] && return 0; done
  return 1
}

update_copy
if [ ! -f "$scratch/build/build.ninja" ]; then
  cmake -S "$scratch/tree" -B "$scratch/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O1 \
    -DPHOTON_CUDA=OFF >"$scratch/build.log" 2>&1 || { cat "$scratch/build.log" && exit 1; }
fi
failed=0
wanted_entries=()
for i in "${!files[@]}"; do
  wanted "${files[i]} ${filters[i]}" "$@" && wanted_entries+=("$i")
done
((${#wanted_entries[@]})) || { echo "no mutation of: $*" && exit 1; }

# Without a mutation every test passes: asked of all before the first is made.
declare -A passes=()
for i in "${wanted_entries[@]}"; do
  test="${programs[i]} ${filters[i]}"
  [ -z "${passes[$test]:-}" ] || continue
  build "${programs[i]}" || { tail -n 30 "$scratch/build.log" && exit 1; }
  run "${programs[i]}" "${filters[i]}"
  case $? in
  0) passes[$test]=yes ;;
  1)
    echo "FAILED    ${files[i]}: ${filters[i]} fails without a mutation" && failed=1
    tail -n 5 "$scratch/test.log"
    passes[$test]=no
    ;;
  2)
    echo "FAILED    ${files[i]}: no test matches ${filters[i]}" && failed=1
    passes[$test]=no
    ;;
  esac
done

for i in "${wanted_entries[@]}"; do
  [ "${passes["${programs[i]} ${filters[i]}"]}" = yes ] || continue
  file=$scratch/tree/${files[i]}
  text=$(<"$file")
  printf '%s\n' "${text/"${originals[i]}"/"${mutants[i]}"}" >"$file"
  if ! build "${programs[i]}"; then
    echo "FAILED    ${files[i]}: does not compile with '${mutants[i]}'" && failed=1
    grep -m 3 'error' "$scratch/build.log"
  elif run "${programs[i]}" "${filters[i]}"; then
    echo "SURVIVED  ${files[i]}: ${filters[i]} passes with '${mutants[i]}'" && failed=1
  else
    echo "noticed   ${files[i]}: '${mutants[i]}'"
  fi
  cp "$root/${files[i]}" "$file"
done
exit "$failed"
