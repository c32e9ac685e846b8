#!/usr/bin/env bash
# Fuzzes what is read from files, each target for a number of seconds: run.sh FOLDER SECONDS [TARGET ...]
#
# SECONDS 0 only builds. Targets: image, sass, ptx, archive and text (launches files and sources) of the checker,
# safetensors and config of models.
#
# FOLDER keeps objects, programs and the inputs found. Clang builds everything anew with AddressSanitizer and
# UndefinedBehaviorSanitizer, whatever compiler builds the rest; that takes minutes, so it is no part of the build. CI replays
# corpus/ (check_fuzz_replay_test): put an input there that a fuzzer found and that was then mended.
set -euo pipefail

if [ $# -lt 2 ]; then
  sed -n '2,9s/^# //p' "$0" >&2
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
readonly nvcc=${CUDACXX:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
readonly flags=(-std=c++20 -gline-tables-only -O1 -fno-sanitize-recover=all -I"$root/src" -I"$root/include"
  -isystem "$(dirname "$nvcc")/../include")

readonly models=$root/tests/model/fuzz
mapfile -t sources < <(
  find "$root/src/code" "$root/src/check" "$root/src/io" -name '*.cc' ! -name 'print_*.cc' | sort
  find "$root/src/model" -maxdepth 1 -name '*.cc' | sort
)
sources+=("$root/cmake/fmt.cc" "$here/targets.cc" "$models/targets.cc")

# is_current OBJECT: newer than all that it was compiled from. Its name stands for the group itself, which is written anew.
is_current() {
  [ -f "$1" ] && [ -f "$1.d" ] &&
    [ -z "$(grep -oE '/[^ ]+' "$1.d" | grep -v "^$folder/" | xargs -I{} find {} -newer "$1" 2>&1)" ]
}

# In groups, as the build compiles them: most of the work is reading headers.
IFS=';' read -ra groups <<<"$(python3 "$root/cmake/group_sources.py" 16 "${sources[@]}")"
rm -f "$folder"/group_*.cc
for index in "${!sources[@]}"; do
  echo "#include \"${sources[index]}\"" >>"$folder/group_${groups[index]}.cc"
done
objects=()
for group in "$folder"/group_*.cc; do
  object=$folder/$(sha256sum <"$group" | cut -c-16).o
  is_current "$object" || "$compiler" "${flags[@]}" "-fsanitize=fuzzer-no-link,$sanitizers" -MMD -MF "$object.d" \
    -c "$group" -o "$object"
  objects+=("$object")
done

for target in "${targets[@]}"; do
  case $target in
    safetensors | config) at=$models name=slipstream::model::fuzz::$target ;;
    *) at=$here name=slipstream::check::fuzz::$target ;;
  esac
  "$compiler" "${flags[@]}" -I"$at" -DFUZZ_TARGET="$name" "-fsanitize=fuzzer,$sanitizers" "$here/fuzz_main.cc" \
    "${objects[@]}" -lzstd -lz -lpthread -o "$folder/fuzz_$target"
  [ "$seconds" != 0 ] || continue
  mkdir -p "$folder/found_$target"
  # Words of the language, where it is text.
  dictionary=()
  [ ! -f "$at/dictionaries/$target" ] || dictionary=("-dict=$at/dictionaries/$target")
  "$folder/fuzz_$target" "${dictionary[@]}" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
    -artifact_prefix="$folder/" "$folder/found_$target" "$at/corpus/$target"
done
