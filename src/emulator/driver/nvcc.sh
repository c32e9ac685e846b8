#!/bin/sh
# Stands in for nvcc where a program compiles its kernels to cubins while it runs: makes PTX of them, which the emulated
# device takes in their place. `slipstream emulate` has DeepGEMM call it.
set -eu

for compiler in "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" "$(command -v nvcc || true)"; do
  if [ -x "$compiler" ]; then break; fi
done
if [ ! -x "$compiler" ]; then
  echo 'nvcc of the emulated device: NVIDIA'\''s nvcc must be in the PATH or in CUDA_HOME' >&2
  exit 1
fi
for argument; do
  shift
  case $argument in
    -cubin | --cubin) argument=--ptx ;;
  esac
  set -- "$@" "$argument"
done
exec "$compiler" "$@"
