#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# photon-on-gpu around programs made up for it: what it runs with which limits, and what it says and keeps when steps
# fail, hang or do not end when they are asked to.
set -u
script=$(cd "$(dirname "$0")" && pwd)/photon-on-gpu
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/libexec/photon" "$work/fake"
cp "$script" "$work/bin/"
export PATH=$work/fake:$PATH CALLS=$work/calls
failures=0
complain() { echo "FAILED: $*" && failures=1; }

# fake PATH COMMANDS: a program that notes how it was called.
fake() {
  printf '#!/bin/bash\necho "%s $*" >>"$CALLS"\n%s\n' "${1##*/}" "$2" >"$work/$1"
  chmod +x "$work/$1"
}
# Writes its table as the benchmark does, beside the rows.
writes_table='while [ $# -gt 1 ]; do [ "$1" = --out ] && out=$2; shift; done; echo "| a row | reached |" >"${out%.csv}.md"'
all_well() {
  fake libexec/photon/cuda_tests 'echo "[       OK ] a"; echo "[       OK ] b"'
  fake fake/compute-sanitizer 'shift 4; exec "$@"'
  fake fake/ncu 'exit 0'
  fake bin/photon "$writes_table"
}
# run ARGUMENTS...: sets `said` and `code`, and `calls` to what was called.
run() {
  rm -rf "$work/out" "$CALLS"
  said=$("$work/bin/photon-on-gpu" "$@" 2>&1)
  code=$?
  calls=$(cat "$CALLS" 2>/dev/null)
}
says() { [[ $said == *"$1"* ]] || complain "$2: does not say '$1' but: $said"; }
silent() { [[ $said != *"$1"* ]] || complain "$2: says '$1'"; }

all_well
run "$work/out"
[ "$code" = 0 ] || complain "all well: exit code $code: $said"
silent 'CUT OFF' 'all well'
order=$(grep -oE '^(cuda_tests|photon bench preset [a-z0-9-]+|compute-sanitizer --tool [a-z]+|ncu --nvtx)' <<<"$calls" |
  awk '{print $NF}' | grep -v cuda_tests | tr '\n' ' ')
[ "$order" = "h200-acceptance h200-training memcheck racecheck initcheck synccheck --nvtx " ] ||
  complain "the most telling first, but: $order"
[[ $calls == cuda_tests* ]] || complain "the check comes first, but: $calls"
says '2 tests passed under racecheck' 'all well'
says '| a row | reached |' 'all well'
[[ $calls =~ acceptance.csv\ --budget\ ([0-9]+) ]] || complain "no budget for the benchmark: $calls"
# Nothing took any time: of 2160 s, 480 of 480 + 480 + 4 x 150 + 300 weigh what the acceptance may take; a tenth is left.
((BASH_REMATCH[1] > 480 && BASH_REMATCH[1] < 2160)) || complain "a budget of ${BASH_REMATCH[1]} s"

# What hangs is cut off; its table and what comes after it are there.
fake bin/photon "$writes_table; trap 'echo asked to end; exit 1' INT; sleep 1000 & wait"
run --budget 2 "$work/out" measure
[ "$code" = 1 ] || complain "cut off: exit code $code"
says "CUT OFF: $work/out/acceptance.log after" 'cut off'
says "CUT OFF: $work/out/training.log after" 'cut off'
silent 'FAILED' 'cut off'
[ "$(grep -c 'a row' <<<"$said")" = 2 ] || complain "cut off: not both tables: $said"
grep -q 'asked to end' "$work/out/acceptance.log" || complain 'cut off: killed before it was asked'

# The sanitizer says how far it came.
all_well
fake libexec/photon/cuda_tests 'echo "[       OK ] a"; sleep 1000'
run --budget 2 "$work/out" sanitize
[ "$code" = 1 ] || complain "sanitizer: exit code $code"
says '1 tests passed under memcheck' 'sanitizer'
says 'CUT OFF' 'sanitizer'

# Nothing is left for the last steps: they are named.
fake libexec/photon/cuda_tests 'sleep 1000'
run --budget 1 "$work/out"
says 'CUT OFF: profile, which was not begun' 'a small budget'

# A failure is another thing, and ends nothing.
all_well
fake libexec/photon/cuda_tests 'echo "[  FAILED  ] c"; exit 1'
run "$work/out" check profile
[ "$code" = 1 ] || complain "failure: exit code $code"
says "FAILED: $work/out/check.log" 'failure'
silent 'CUT OFF' 'failure'
[[ $calls == *ncu* ]] || complain 'failure: the next part did not run'

# Wrong use is refused before anything runs.
for arguments in '' '--budget' '--budget 0 OUT' '--budget 1.5 OUT' '--budget soon OUT' 'OUT check chekc' '--help'; do
  # shellcheck disable=SC2086
  run $arguments
  [ "$code" = 2 ] || complain "'$arguments': exit code $code"
  [ -z "$calls" ] || complain "'$arguments' ran $calls"
done
exit "$failures"
