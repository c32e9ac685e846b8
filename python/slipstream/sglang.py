"""Slipstream's operators in SGLang, where a call means the same: a plug-in of its group `sglang.srt.plugins`.

Nothing is replaced unless it is named: SLIPSTREAM_SGLANG=set_mla_kv_buffer,tiny_gemm_bf16 (or "all") before the server
starts. Each hook sees the call and passes on to SGLang's own function what Slipstream has no operator for. Written for
SGLang 0.5.23.
"""

import logging
import os

_log = logging.getLogger(__name__)

VARIABLE = "SLIPSTREAM_SGLANG"
_OPS = "sglang.kernels.ops"
_MAX_ROWS = 16  # of the matrix products


def _is(tensor, dtype):
    """`dtype` by its name, so that no import of torch is needed here."""
    return str(tensor.dtype) == f"torch.{dtype}"


def _rows(tensor):
    """[n, ...] as [n, columns], which SGLang does with caches and rows alike."""
    return tensor if tensor.dim() == 2 else tensor.view(tensor.shape[0], -1)


def set_mla_kv_buffer(
    original, kv_buffer, loc, cache_k_nope, cache_k_rope, num_warps=0, *, reserved_skip_index=0
):
    import slipstream

    if kv_buffer.element_size() > 2 or cache_k_nope.dtype != kv_buffer.dtype:
        arguments = (num_warps,) if num_warps else ()
        return original(
            kv_buffer,
            loc,
            cache_k_nope,
            cache_k_rope,
            *arguments,
            reserved_skip_index=reserved_skip_index,
        )
    return slipstream.set_mla_kv_buffer(
        _rows(kv_buffer),
        loc,
        _rows(cache_k_nope),
        None if cache_k_rope is None else _rows(cache_k_rope),
        reserved_skip_index=reserved_skip_index,
    )


def dsv3_fused_a_gemm(original, mat_a, mat_b, output=None, backend="auto"):
    import slipstream

    rows, columns = mat_a.shape
    fits = rows <= _MAX_ROWS and columns % 128 == 0 and mat_b.shape[1] % 16 == 0
    if not fits or not _is(mat_a, "bfloat16") or mat_b.stride(0) != 1:
        return original(mat_a, mat_b, output, backend)
    return slipstream.dsv3_fused_a_gemm(mat_a, mat_b, output)


def tiny_gemm_bf16(original, x, w, out=None, *, out_dtype=None, n_split=None, max_m=16):
    import slipstream

    experts, columns = w.shape
    fits = x.shape[0] <= _MAX_ROWS and columns % 128 == 0 and experts % 8 == 0 and experts <= 1024
    if not fits or not _is(x, "bfloat16") or not _is(w, "bfloat16"):
        return original(x, w, out, out_dtype=out_dtype, n_split=n_split, max_m=max_m)
    return slipstream.dsv3_router_gemm(x, w, out_dtype, output=out)


def apply_rope(original, q, k, cos_sin_cache, positions, *, is_neox, rope_dim=0, fused_args=None):
    import slipstream

    same_heads = q.dim() == 3 and k.dim() == 3 and q.shape[-1] == k.shape[-1]
    if not same_heads or rope_dim not in (0, cos_sin_cache.shape[-1]) or fused_args is not None:
        return original(
            q,
            k,
            cos_sin_cache,
            positions,
            is_neox=is_neox,
            rope_dim=rope_dim,
            fused_args=fused_args,
        )
    return slipstream.apply_rope_with_cos_sin_cache_inplace(
        positions, q, k, q.shape[-1], cos_sin_cache, is_neox
    )


def apply_q_scale_and_softmax_scale(original, indexer, weights, q_scale):
    import slipstream

    if weights.dim() != 2 or not _is(weights, "float32") or not _is(q_scale, "float32"):
        return original(indexer, weights, q_scale)
    return slipstream.apply_q_scale_and_softmax_scale(weights, q_scale, indexer.softmax_scale)


# What may be named, the functions of SGLang that it stands for, and what is called around them.
REPLACEMENTS = {
    "set_mla_kv_buffer": (
        set_mla_kv_buffer,
        (
            f"{_OPS}.kvcache.mla_buffer.set_mla_kv_buffer_triton",
            f"{_OPS}.kvcache.set_mla_kv_buffer.set_mla_kv_buffer",
        ),
    ),
    "dsv3_fused_a_gemm": (dsv3_fused_a_gemm, (f"{_OPS}.gemm.fused_a_gemm.dsv3_fused_a_gemm",)),
    "tiny_gemm_bf16": (tiny_gemm_bf16, (f"{_OPS}.gemm.tiny_gemm.tiny_gemm_bf16",)),
    "apply_rope_with_cos_sin_cache_inplace": (
        apply_rope,
        (f"{_OPS}.attention.rope.apply_rope_with_cos_sin_cache_inplace",),
    ),
    "apply_q_scale_and_softmax_scale": (
        apply_q_scale_and_softmax_scale,
        ("sglang.srt.layers.attention.dsa.dsa_indexer.Indexer._apply_q_scale_and_softmax_scale",),
    ),
}


def named(text):
    """The names in a list separated by commas; "all" is every one. ValueError for one that is not there."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == ["all"]:
        return list(REPLACEMENTS)
    for name in names:
        if name not in REPLACEMENTS:
            raise ValueError(
                f"{VARIABLE} must name some of {', '.join(REPLACEMENTS)}, or all, names {name}"
            )
    return names


def register(names):
    """Registers the hooks of `names` and returns the functions of SGLang that will be replaced."""
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    replaced = []
    for name in names:
        hook, targets = REPLACEMENTS[name]
        for target in targets:
            HookRegistry.register(target, hook, HookType.AROUND)
            replaced.append(target)
    return replaced


def plugin():
    """What SGLang calls in each of its processes."""
    replaced = register(named(os.environ.get(VARIABLE, "")))
    if replaced:
        _log.warning("slipstream replaces %s", ", ".join(replaced))
    else:
        _log.info("slipstream replaces nothing: %s names nothing", VARIABLE)
