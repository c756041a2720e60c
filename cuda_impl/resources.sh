#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What each kernel takes of a multiprocessor, as a Markdown table: from what ptxas told while the objects named were
# compiled (cmake/keep_ptxas_output.sh).
#   resources.sh OBJECT.cu.o...
set -eu
for object in "$@"; do
  file=$(basename "$object" .o)
  awk -v file="$file" '
    function print_row() { if (kernel != "") print kernel "\t" file "\t" architecture "\t" registers "\t" stack "\t" stores "\t" loads "\t" shared }
    /Compiling entry function/ {
      print_row(); split($0, quoted, "\047"); kernel = quoted[2]; architecture = quoted[4]
      registers = stack = stores = loads = shared = 0
    }
    /bytes stack frame/ { stack = $1; stores = $5; loads = $9 }
    /: Used [0-9]+ registers/ {
      for (i = 1; i < NF; ++i) {
        if ($(i + 1) ~ /^registers/) registers = $i
        if ($(i + 1) == "bytes" && $(i + 2) ~ /^smem/) shared = $i
      }
    }
    END { print_row() }' "$object.ptxas"
done | c++filt -p | sed -E 's/photon::cuda:://g; s/\(anonymous namespace\):://g; s/_GLOBAL__N__[0-9a-zA-Z_]*:://g' | sort -t $'\t' -k2,2 -k1,1 | awk -F '\t' '
  BEGIN {
    print "| kernel | file | for | registers | stack | spill stores | spill loads | shared memory |"
    print "|---|---|---|--:|--:|--:|--:|--:|"
  }
  {
    print "| " $1 " | " $2 " | " $3 " | " $4 " | " $5 " | " $6 " | " $7 " | " $8 " |"
    if ($6 + $7 > 0) spilling++
  }
  END { printf "\n%d kernels, %d of them spill; bytes: per thread for stack and spills, per block for static shared memory\n", NR, spilling }'
