#!/bin/bash
# Shows that the tests of the emulated kernels and of the runtime around them notice mistakes: makes the changes of
# mutations.txt one after another in a copy of the tree, builds, and expects the tests named beside them to fail.
#
#   tests/cuda_impl/mutate_kernels.sh [WORD...]    the mutations of files whose name has one of the words; all
#   tests/cuda_impl/mutate_kernels.sh --check      only that the table fits the kernels, and names every one
#
# The copy lies in build/mutation, and what was built there serves the next run. Exit code 1: a mutation survived,
# or its tests fail (or are none) without it.
set -u
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
table=tests/cuda_impl/mutations.txt
scratch=${PHOTON_MUTATION_DIR:-$root/build/mutation}

files=() filters=() originals=() mutants=()
# An empty line ends an entry; what is indented explains.
read_table() {
  local line part=
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
    [a-z]*.cu:\ * | [a-z]*.h:\ * | [a-z]*.cpp:\ *)
      files+=("${line%%: *}") filters+=("${line#*: }") originals+=("") mutants+=("")
      ;;
    "- "*) originals[-1]+="${originals[-1]:+$'\n'}${line#- }" ;;
    "+ "*) mutants[-1]+="${mutants[-1]:+$'\n'}${line#+ }" ;;
    esac
  done <"$table"
}

# path_of FILE: below the root; kernels are named without their folder.
path_of() {
  case $1 in
  */*) echo "cuda_impl/$1" ;;
  *) echo "cuda_impl/kernels/$1" ;;
  esac
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
    path=$(path_of "${files[i]}")
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
    if [[ " ${files[*]} " != *" ${kernel##*/} "* ]]; then
      echo "$table: no mutation of ${kernel##*/}" && failed=1
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

build() {
  nice cmake --build "$scratch/build" --target cuda_impl_tests >"$scratch/build.log" 2>&1
}

# run FILTER: 0 if the tests pass, 1 if one fails (or the program dies), 2 if there are none.
run() {
  OMP_WAIT_POLICY=passive PHOTON_TEST_SEED=${PHOTON_TEST_SEED:-1} \
    timeout 600 "$scratch/build/tests/cuda_impl/cuda_impl_tests" --gtest_filter="$1" --gtest_brief=1 \
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
echo "building the tests without a mutation"
build || { tail -n 30 "$scratch/build.log" && exit 1; }

failed=0 count=0
for i in "${!files[@]}"; do
  wanted "${files[i]} ${filters[i]}" "$@" || continue
  count=$((count + 1))
  run "${filters[i]}"
  case $? in
  1)
    echo "FAILED    ${files[i]}: ${filters[i]} fails without a mutation" && failed=1
    tail -n 5 "$scratch/test.log"
    continue
    ;;
  2)
    echo "FAILED    ${files[i]}: no test matches ${filters[i]}" && failed=1
    continue
    ;;
  esac
  file=$scratch/tree/$(path_of "${files[i]}")
  text=$(<"$file")
  printf '%s\n' "${text/"${originals[i]}"/"${mutants[i]}"}" >"$file"
  if ! build; then
    echo "FAILED    ${files[i]}: does not compile with '${mutants[i]}'" && failed=1
    grep -m 3 'error' "$scratch/build.log"
  elif run "${filters[i]}"; then
    echo "SURVIVED  ${files[i]}: ${filters[i]} passes with '${mutants[i]}'" && failed=1
  else
    echo "noticed   ${files[i]}: '${mutants[i]}'"
  fi
  cp "$root/$(path_of "${files[i]}")" "$file"
  build  # the next entry's tests may run this kernel, too
done
[ "$count" -gt 0 ] || { echo "no mutation of: $*" && exit 1; }
exit "$failed"
