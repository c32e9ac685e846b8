#!/bin/sh
# Records what a program launches, and checks its code with that: ./record_chain.sh PROGRAM
set -eu
slipstream=${SLIPSTREAM:-slipstream}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# On a GPU: slipstream record --output "$folder/recorded" -- "$@"
"$slipstream" emulate --record "$folder/recorded" -- "$@"
"$slipstream" check "$1" --launches "$folder"/recorded/launches.*.json
