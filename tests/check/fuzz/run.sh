#!/usr/bin/env bash
# Fuzzes what the checker reads, each target for a number of seconds: run.sh FOLDER SECONDS [TARGET ...]
#
# FOLDER keeps objects, programs and the inputs found. Clang builds everything anew with AddressSanitizer and
# UndefinedBehaviorSanitizer, whatever compiler builds the rest; that takes minutes, so it is no part of the build. CI replays
# corpus/ (check_fuzz_replay_test): put an input there that a fuzzer found and that was then mended.
set -euo pipefail

if [ $# -lt 2 ]; then
  sed -n '2,6s/^# //p' "$0" >&2
  exit 2
fi
readonly here=$(cd "$(dirname "$0")" && pwd)
readonly root=$(cd "$here/../../.." && pwd)
mkdir -p "$1"
readonly folder=$(cd "$1" && pwd)
readonly seconds=$2
shift 2
readonly targets=("${@:-image}")
readonly compiler=$(command -v clang++ || command -v clang++-14)
readonly sanitizers=address,undefined
readonly flags=(-std=c++20 -g -O1 -fno-sanitize-recover=all -I"$root/src" -I"$root/include" -I"$here")

object_of() {
  local -r name=${1#"$root"/}
  echo "$folder/${name//\//_}.o"
}

compile() {
  local object
  object=$(object_of "$1")
  [ "$object" -nt "$1" ] || "$compiler" "${flags[@]}" "-fsanitize=fuzzer-no-link,$sanitizers" -c "$1" -o "$object"
}

mapfile -t sources < <(find "$root/src/code" "$root/src/check" -name '*.cc' ! -name 'print_*.cc' | sort)
objects=()
for source in "${sources[@]}" "$root/cmake/fmt.cc" "$here/targets.cc"; do
  compile "$source"
  objects+=("$(object_of "$source")")
done

for target in "${targets[@]}"; do
  "$compiler" "${flags[@]}" -DFUZZ_TARGET="$target" "-fsanitize=fuzzer,$sanitizers" "$here/fuzz_main.cc" "${objects[@]}" \
    -lzstd -o "$folder/fuzz_$target"
  mkdir -p "$folder/found_$target"
  "$folder/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
    -artifact_prefix="$folder/" "$folder/found_$target" "$here/corpus/$target"
done
