"""Two Triton kernels in a chain by programmatic dependent launch: the second starts while the first still runs.

slipstream emulate --check -- python examples/triton/chain.py early    # reads before it waits
slipstream emulate --check -- python examples/triton/chain.py late
"""

import sys

import torch
import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait


@triton.jit
def double(values, doubled, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    gdc_launch_dependents()
    tl.store(doubled + at, tl.load(values + at, mask=at < count) * 2, mask=at < count)


@triton.jit
def increment_early(doubled, result, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    given = tl.load(doubled + at, mask=at < count)
    gdc_wait()
    tl.store(result + at, given + 1, mask=at < count)


@triton.jit
def increment_late(doubled, result, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    gdc_wait()
    given = tl.load(doubled + at, mask=at < count)
    tl.store(result + at, given + 1, mask=at < count)


increment = {"early": increment_early, "late": increment_late}[sys.argv[1]]
count = 1000
values = torch.rand(count)
doubled, result = torch.empty(count, device="cuda"), torch.empty(count, device="cuda")
grid = (triton.cdiv(count, 256),)
double[grid](values.cuda(), doubled, count, BLOCK=256)
increment[grid](doubled, result, count, BLOCK=256, launch_pdl=True)
print("right" if torch.equal(result.cpu(), values * 2 + 1) else "wrong")
