#!/usr/bin/env bash
# Compiles a CUB program with nvcc, runs it without a GPU, and looks for races in it.
#
#   examples/emulate_cub.sh [BUILD_DIRECTORY]
#
# CUDACXX names the compiler (default: nvcc). -cudart shared is what lets the emulated device take the place of the GPU;
# PTX next to the machine code (compute_90a) is what it runs; -lineinfo gives findings their lines.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-$here/../build}
slipstream=$build/bin/slipstream
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
program=$folder/cub_sort

"${CUDACXX:-nvcc}" -std=c++17 -O3 -lineinfo -cudart shared \
  -gencode "arch=compute_90a,code=[sm_90a,compute_90a]" -o "$program" "$here/cub_sort.cu"

# show WORST COMMAND...: runs it, and fails if it ends with more than WORST. The device's remarks go to a file: CUB loads
# shared memory that nobody wrote, does not use it, and hears about it.
show() {
  local worst=$1 status=0
  shift
  "$@" 2>"$folder/remarks" || status=$?
  [ "$status" -le "$worst" ] && return
  cat "$folder/remarks" >&2
  exit "$status"
}

echo "== run on the emulated device"
show 0 "$slipstream" emulate -- "$program"
# CUB of CUDA 13.0 has a race (NVIDIA/cccl#5297). Both checks report it and end with 1; where CUB has none, with 0.
echo "== check the code, without running it"
show 1 "$slipstream" check "$program"
echo "== check a run"
show 1 "$slipstream" emulate --check -- "$program"
sed -n '/^error/,$p' "$folder/remarks"
