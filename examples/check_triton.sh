#!/usr/bin/env bash
# Checks the kernels in a Triton cache for PDL races, without a GPU and without running them.
#
#   examples/check_triton.sh [CACHE [LAUNCHES.json]]
#
# Without arguments it takes triton/cache, the PTX and cubin that Triton 3.9.0 made of triton/scale.py, which is
# wrong on purpose. Yours is ~/.triton/cache. Generated kernels have no types, so a JSON file says what their
# pointers hold; docs/check.md describes it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${1:-$here/triton/cache}
launches=${2:-$here/triton/launches.json}
exec "${SLIPSTREAM:-$here/../build/bin/slipstream}" check "$cache" --launches "$launches"
