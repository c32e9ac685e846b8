#!/bin/sh
# Stands in for ptxas on the emulated device, which runs PTX: hands on its input as the "cubin". `slipstream emulate` has
# Triton call it. The text of --version is Triton's key for what it keeps, so that it never takes one for the other.
set -eu

if [ "${1-}" = --version ]; then
  echo 'ptxas: stand-in of the Slipstream emulated device, which runs PTX'
  echo 'Cuda compilation tools, release 13.0, V13.0.88'
  exit
fi

input='' output=''
while [ $# -gt 0 ]; do
  case $1 in
    -o | --output-file)
      output=${2-}
      shift
      ;;
    -*) ;;
    *) if [ -f "$1" ]; then input=$1; fi ;; # not the value of an option
  esac
  shift
done
if [ -z "$input" ] || [ -z "$output" ]; then
  echo 'ptxas of the emulated device: must be given a file of PTX and -o OUTPUT' >&2
  exit 1
fi
cp "$input" "$output"
