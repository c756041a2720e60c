#!/bin/bash
# Every C++ file is as clang-format 14 writes it with the config in the root. Exit code 77 (skipped) where that
# version is not installed: others format differently.
set -u
cd "$(dirname "$0")/.." || exit 1
format=$(command -v clang-format-14 || command -v clang-format) || exit 77
"$format" --version | grep -q 'version 14\.' || exit 77
find core reference cuda_impl baselines trainer bench analysis app tests -name '*.h' -o -name '*.cpp' -o -name '*.cu' 2>/dev/null |
  xargs "$format" --dry-run -Werror
