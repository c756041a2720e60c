#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every document that a source or a page names is there, and so is the section: docs/numbers.md, "Floors".
set -u
cd "$(dirname "$0")/.." || exit 1
broken=0
headings() { grep -hE '^#{1,3} ' "$1" | sed -E 's/^#+ +//'; }
while IFS=: read -r file line citation; do
  document=${citation%%,*} section=
  [[ $document == docs/* ]] || document=docs/$document
  [[ $citation != *\"* ]] || { section=${citation#*\"}; section=${section%\"*}; }
  if [[ ! -f $document ]]; then
    echo "$file:$line: there is no $document"
  elif [[ -n $section ]] && ! headings "$document" | grep -qxF -- "$section"; then
    echo "$file:$line: $document has no section \"$section\""
  else
    continue
  fi
  broken=1
done < <(find app analysis baselines bench cmake configs core cuda_impl docs reference tests trainer .ci photon README.md \
           CHANGELOG.md CMakeLists.txt -type f \( -name '*.*' -o -name photon -o -name run \) ! -name '*.csv' ! -name '*.png' \
           ! -name citations_test.sh -print0 |
  xargs -0 grep -HnoE '(docs/[a-z_]+\.md|\]\([a-z_]+\.md\))(, "[^"]+")?' /dev/null | sed -E 's/\]\(([a-z_]+\.md)\)/\1/')
exit "$broken"
