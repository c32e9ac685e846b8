"""Runs under `slipstream emulate --check`: a kernel that lacks a barrier, unless its argument is "right"."""

import sys

import numpy as np
from numba import cuda, float32


@cuda.jit(lineinfo=True)
def shift(values, synchronized):
    tile = cuda.shared.array(128, float32)
    i = cuda.threadIdx.x
    tile[i] = values[i]
    if synchronized:
        cuda.syncthreads()
    values[i] = tile[(i + 32) % 128]


values = np.arange(128, dtype=np.float32)
shift[1, 128](values, sys.argv[1] == "right")
