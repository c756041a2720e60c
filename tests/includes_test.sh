#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every header names the standard and fmt headers whose names it uses: builds precompile the common ones (photon_precompiled
# in cmake/PhotonTargets.cmake), so a compiler would not miss them.
set -u
cd "$(dirname "$0")/.." || exit 1
find core reference cuda_impl baselines trainer bench analysis app tests -name '*.h' | sort |
  xargs awk '
    function check() {
      for (header in uses) if (!(header in included)) {
        split(uses[header], use, " ")
        print file ":" use[1] ": " use[2] " without #include <" header ">"; broken = 1
      }
      delete uses; delete included
    }
    BEGIN {
      while ((getline line < "tests/includes.txt") > 0) {
        if (line !~ /^<[a-z_\/.]+>:/) continue
        split(line, rule, ">: *")
        header = substr(rule[1], 2)
        n = split(rule[2], names, " ")
        for (i = 1; i <= n; ++i) header_of[names[i]] = header
      }
    }
    FNR == 1 { check(); file = FILENAME; comment = 0 }
    /^[ \t]*#[ \t]*include </ { split($0, bracket, /[<>]/); included[bracket[2]]; next }
    {
      gsub(/"([^"\\]|\\.)*"/, ""); sub(/\/\/.*/, "")
      rest = $0
      while (match(rest, /(std|fmt)::[a-z0-9_]+|[^a-z0-9_:](u?int[0-9]+_t|size_t)/)) {
        name = substr(rest, RSTART, RLENGTH); sub(/^[^a-z]/, "", name); sub(/^std::(size_t|u?int[0-9]+_t)$/, "&", name)
        header = header_of[name]
        if (header != "" && !(header in uses)) uses[header] = FNR " " name
        if (name ~ /^std::/ && header == "" && !(name in unknown)) unknown[name] = file ":" FNR
        rest = substr(rest, RSTART + RLENGTH)
      }
    }
    END {
      check()
      for (name in unknown) { print unknown[name] ": tests/includes.txt does not know the header of " name; broken = 1 }
      exit broken
    }'
