#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every source says under which licence it is, in its first two lines.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0
while IFS= read -r file; do
  head -n 2 "$file" | grep -q 'SPDX-License-Identifier: Apache-2\.0' && continue
  echo "$file: no line 'SPDX-License-Identifier: Apache-2.0'"
  failed=1
done < <(find CMakeLists.txt photon .ci/run app analysis baselines bench cmake core cuda_impl reference tests trainer -type f \
           \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.sh' -o -name '*.cmake' -o -name '*.css' -o -name '*.js' \
              -o -name '*.py' -o -name CMakeLists.txt -o ! -name '*.*' ! -path '*/results/*' \) ! -path '*/__pycache__/*')
exit "$failed"
