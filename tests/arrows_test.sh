#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every include of the project against the map of arrows.txt: names file, line and rule where one is broken. A folder that
# the map does not know breaks it, too.
set -u
cd "$(dirname "$0")/.." || exit 1
find core reference cuda_impl baselines trainer bench analysis app -name '*.h' -o -name '*.cpp' -o -name '*.cu' | sort |
  xargs awk '
    # cuda_only is what its folder has for a GPU alone
    function folder_of(path) { sub(/\/[^\/]*$/, "", path); sub(/\/cuda_only$/, "", path); return path }
    # core stands for all of its rooms, and any folder of one name for those below it
    function allowed(from, to,    i, n, may) {
      n = split(map[from], may, " ")
      for (i = 1; i <= n; ++i) if (to == may[i] || (map_whole[may[i]] && index(to "/", may[i] "/") == 1)) return 1
      return 0
    }
    BEGIN {
      while ((getline line < "tests/arrows.txt") > 0) {
        if (line !~ /^[a-z_\/]+:/) continue
        from = line; sub(/:.*/, "", from)
        to = line; sub(/^[^:]*: */, "", to)
        map[from] = to " "; order[from] = ++lines
      }
      # What names a folder that is no room of its own means everything in it.
      split("core analysis", whole, " "); for (i in whole) map_whole[whole[i]] = 1
      for (from in map) {
        n = split(map[from], may, " ")
        for (i = 1; i <= n; ++i) if ((may[i] in order) && order[may[i]] > order[from]) {
          print "tests/arrows.txt: " from " points up, to " may[i]; broken = 1
        }
      }
    }
    FNR == 1 { here = folder_of(FILENAME); if (!(here in map)) { print FILENAME ": tests/arrows.txt has no line for " here; broken = 1 } }
    /^[ \t]*#[ \t]*include "[a-z_]+\// {
      split($0, quoted, "\""); there = folder_of(quoted[2])
      if (there != here && !allowed(here, there)) {
        print FILENAME ":" FNR ": " here " may not include " there " (tests/arrows.txt)"; broken = 1
      }
    }
    END { exit broken }'
