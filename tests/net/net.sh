#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net.sh [SEED [BASE]]: this tree beside the commit that its rebuilding began with (BASE, the one that brought this file
# here), on the same random models and seeds: floors byte for byte, every operation of the cost model, tokens and the bits
# of log-probabilities on the CPU and emulated. Any difference is printed and fails. Leaves with the rebuilding's last step.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
seed=${1:-$RANDOM}
base=${2:-$(git -C "$root" log --diff-filter=A --format=%H -- tests/net/net.sh | tail -1)}
beside=${PHOTON_NET_BASE:-${TMPDIR:-/tmp}/photon-net-$base}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
echo "seed $seed, beside $base in $beside"

[ -e "$beside/.git" ] || git -C "$root" worktree add --detach "$beside" "$base" >/dev/null
for tree in "$root" "$beside"; do
  [ -e "$tree/build/net/build.ninja" ] || cmake -S "$tree" -B "$tree/build/net" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DPHOTON_NATIVE=ON -DPHOTON_CUDA=OFF >/dev/null
  ninja -j${PHOTON_JOBS:-2} -C "$tree/build/net" photon net_dump >"$out/build" || { cat "$out/build"; exit 1; }
done

failed=0
same() {  # same NAME FILE FILE
  if cmp -s "$2" "$3"; then echo "same: $1, $(wc -l <"$2") lines, $(md5sum <"$2" | cut -c1-8)"; return; fi
  echo "DIFFERENT: $1"; diff "$2" "$3" | head -10 || true; failed=1
}
export OMP_NUM_THREADS=1
for what in "cost 3000" "generate 100"; do
  set -- $what
  "$beside/build/net/tests/net/net_dump" "$1" "$seed" "$2" >"$out/$1.base"
  "$root/build/net/tests/net/net_dump" "$1" "$seed" "$2" >"$out/$1.here"
  same "$1 of $2" "$out/$1.base" "$out/$1.here"
done

mkdir "$out/specs"
"$beside/build/net/tests/net/net_dump" specs "$seed" 200 "$out/specs"
cd "$root"
floors() {
  local spec arguments
  for spec in "$out"/specs/*.toml configs/models/*.toml; do
    if [ -e "${spec%.toml}.args" ]; then arguments=${spec%.toml}.args; else arguments=$out/usual; fi
    while read -r line; do
      # shellcheck disable=SC2086
      "$1" floor "$spec" --hardware configs/hardware/h200.toml $line --format json 2>&1 || true
    done <"$arguments"
  done
}
printf '%s\n' "--prompt 2048 --new 128" "--prompt 128 --new 2048 --batch 7 --samples 3" >"$out/usual"
floors "$beside/build/net/app/photon" >"$out/floors.base"
floors "$root/build/net/app/photon" >"$out/floors.here"
same "floors of 200 specs and configs/models" "$out/floors.base" "$out/floors.here"
exit $failed
