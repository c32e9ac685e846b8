"""Slipstream's router product in FlashInfer, by its Trace Apply: calls of a definition's name go to Slipstream.

    import slipstream.flashinfer
    print(slipstream.flashinfer.enable("mm_M1_16_K7168_N256"))

Written for FlashInfer 0.7.2, whose Trace Apply takes no more of ours: it leaves an in-place function alone whose
definition names no argument for its outputs (apply_rope_with_cos_sin_cache_inplace), and does not hand on the
quantize_dtype and the outputs of the fp8 rope functions.
"""


def _router_gemm(mat_a, mat_b, out, **unused):
    import slipstream

    return slipstream.dsv3_router_gemm(mat_a, mat_b.t(), output=out)


# What may be named: the definition that it stands for, and what runs in its place.
REPLACEMENTS = {
    "mm_M1_16_K7168_N256": ("mm_M1_16_K7168_N256_k7168_n256", _router_gemm),
    "mm_M1_16_K6144_N256": ("mm_M1_16_K6144_N256_k6144_n256", _router_gemm),
}


def solutions(*names):
    """What Trace Apply takes, {definition: callable}, of `names` or, without any, of everything."""
    for name in names:
        if name not in REPLACEMENTS:
            raise ValueError(f"names must be some of {', '.join(REPLACEMENTS)}, one is {name}")
    return dict(REPLACEMENTS[name] for name in names or REPLACEMENTS)


def enable(*names):
    """Puts `names`, or everything, into FlashInfer, and returns the definitions that are replaced."""
    from flashinfer.trace_apply import enable_apply

    replaced = solutions(*names)
    if enable_apply(replaced) == 0:
        raise RuntimeError("FlashInfer has no function with a definition of " + ", ".join(replaced))
    return sorted(replaced)
