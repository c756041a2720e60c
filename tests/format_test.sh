#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every C++ file is as clang-format 14 writes it with the config in the root, and nothing else is formatted by it: it
# takes a stylesheet or a script for C++ and ruins it, so folders of such files turn it off. Exit code 77 (skipped)
# where that version is not installed: others format differently.
set -u
cd "$(dirname "$0")/.." || exit 1
format=$(command -v clang-format-14 || command -v clang-format) || exit 77
"$format" --version | grep -q 'version 14\.' || exit 77
folders="core reference cuda_impl baselines trainer bench analysis app tests"
failed=0
find $folders -name '*.h' -o -name '*.cpp' -o -name '*.cu' | xargs "$format" --dry-run -Werror || failed=1
while IFS= read -r file; do
  "$format" "$file" | cmp -s - "$file" && continue
  echo "$file: clang-format would change it; it is no C++: put it where a .clang-format says DisableFormat" >&2
  failed=1
done < <(find $folders -name '*.css' -o -name '*.js' -o -name '*.html')
exit $failed
