"""Slipstream's operators in FlashInfer, by its Trace Apply: calls that have a definition's name go to Slipstream.

    import slipstream.flashinfer
    print(slipstream.flashinfer.enable("mm_M1_16_K7168_N256"))

Trace Apply hands on tensors and scalars of the definition alone. mla_rope_quantize_fp8 and rope_quantize_fp8 are left out
for that reason: their definitions have no quantize_dtype and no outputs to write to. Written for FlashInfer 0.7.2.
"""

# Of attention and of the indexer.
_HEAD_SIZES = (64, 128)


def _router_gemm(mat_a, mat_b, out, **unused):
    import slipstream

    return slipstream.dsv3_router_gemm(mat_a, mat_b.t(), output=out)


def _rope(positions, query, key, head_size, cos_sin_cache, is_neox=True, **unused):
    import slipstream

    slipstream.apply_rope_with_cos_sin_cache_inplace(
        positions, query, key, head_size, cos_sin_cache, bool(is_neox)
    )
    return query, key


# What may be named: the definitions that it stands for, and what runs in their place.
REPLACEMENTS = {
    "mm_M1_16_K7168_N256": (("mm_M1_16_K7168_N256_k7168_n256",), _router_gemm),
    "mm_M1_16_K6144_N256": (("mm_M1_16_K6144_N256_k6144_n256",), _router_gemm),
    "apply_rope_with_cos_sin_cache_inplace": (
        tuple(f"rope_cos_sin_cache_inplace_d{size}" for size in _HEAD_SIZES),
        _rope,
    ),
}


def solutions(*names):
    """What Trace Apply takes, {definition: callable}, of `names` or, without any, of everything."""
    chosen = names or tuple(REPLACEMENTS)
    for name in chosen:
        if name not in REPLACEMENTS:
            raise ValueError(f"names must be some of {', '.join(REPLACEMENTS)}, one is {name}")
    return {
        definition: function
        for definitions, function in (REPLACEMENTS[name] for name in chosen)
        for definition in definitions
    }


def enable(*names):
    """Puts `names`, or everything, into FlashInfer, and returns the definitions that are replaced."""
    from flashinfer.trace_apply import enable_apply

    replaced = solutions(*names)
    if enable_apply(replaced) == 0:
        raise RuntimeError("FlashInfer has no function with a definition of " + ", ".join(replaced))
    return sorted(replaced)
