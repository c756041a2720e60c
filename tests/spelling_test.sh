#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# No word in sources, messages and documents is one of the common misspellings that codespell knows; .codespellrc in the root
# lists what only looks like one. Exit code 77 (skipped) where codespell is not installed.
set -u
cd "$(dirname "$0")/.." || exit 1
command -v codespell >/dev/null || { echo "skipped: there is no codespell"; exit 77; }
exec codespell .ci/run photon CMakeLists.txt ./*.md app analysis baselines bench cmake configs core cuda_impl docs reference tests trainer
