#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A compiler launcher for nvcc with `-Xptxas -v`: what ptxas tells of each kernel goes to OBJECT.ptxas, everything else
# (errors and warnings) to standard error as ever.
#   keep_ptxas_output.sh [ccache] nvcc ARGUMENT...
set -u
object=
for ((i = 1; i < $#; ++i)); do
  [[ ${!i} != -o ]] || { j=$((i + 1)) && object=${!j}; }
done
[[ $object == *.o ]] || exec "$@"
said=$object.ptxas.$$
trap 'rm -f "$said"' EXIT
"$@" 2>"$said"
code=$?
told='^ptxas info|^    [0-9]+ bytes stack frame'
grep -Ev "$told" "$said" >&2
((code != 0)) || grep -E "$told" "$said" >"$object.ptxas"
exit $code
