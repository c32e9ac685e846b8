"""One kernel of a PDL chain in Triton, wrong on purpose: it reads x before gdc_wait(), while the kernel that writes x may
still be running.

Compiles for sm_90a where there is no GPU, too:  TRITON_CACHE_DIR=cache python3 scale.py
"""

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait


@triton.jit
def scale(x, weights, out, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    weight = tl.load(weights + offsets)  # no kernel writes it: may be read early
    value = tl.load(x + offsets)  # belongs after the wait
    gdc_wait()
    gdc_launch_dependents()
    tl.store(out + offsets, weight * value)


if __name__ == "__main__":
    source = ASTSource(
        fn=scale,
        signature={"x": "*fp32", "weights": "*fp32", "out": "*fp32", "BLOCK": "constexpr"},
        constexprs={"BLOCK": 128},
    )
    triton.compile(source, target=GPUTarget("cuda", 90, 32))
