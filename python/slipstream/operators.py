"""The operators, under the names and signatures that users of sgl-kernel and FlashInfer know.

Tensors are torch's, or anything else that speaks DLPack, on one CUDA device; work goes to the current stream of that
device. `enable_pdl` is None for the switches of the process and the stream. docs/python.md has shapes, dtypes and errors.
"""

import dataclasses
import typing

from slipstream._library import library, torch
from slipstream._torch import is_compiling, torch_operators


def _operator(name):
    """What src/python/operators.cc exports as `name`; in a graph that torch.compile traces, the operator of torch.library."""
    native = getattr(library, name)
    registered = getattr(torch_operators, name, None)

    def call(*arguments):
        if is_compiling():
            registered(*arguments)
        else:
            native(*arguments)

    return call


_dsv3_router_gemm = _operator("dsv3_router_gemm")
_dsv3_fused_a_gemm = _operator("dsv3_fused_a_gemm")
_set_mla_kv_buffer = _operator("set_mla_kv_buffer")
_set_mla_kv_buffer_fp8 = _operator("set_mla_kv_buffer_fp8")
_set_mla_kv_buffer_fp8_656 = _operator("set_mla_kv_buffer_fp8_656")
_mla_rope_quantize_fp8 = _operator("mla_rope_quantize_fp8")
_apply_rope = _operator("apply_rope_with_cos_sin_cache_inplace")
_per_token_group_quant_8bit = _operator("per_token_group_quant_8bit")
_apply_q_scale_and_softmax_scale = _operator("apply_q_scale_and_softmax_scale")


def _new(function, argument, like, shape, dtype):
    """A tensor for a result that the caller gave no place for."""
    if torch is None or not isinstance(like, torch.Tensor):
        raise ValueError(
            f"{function}: {argument} must be given where tensors are not torch's, is None"
        )
    return like.new_empty(shape, dtype=getattr(torch, dtype) if isinstance(dtype, str) else dtype)


def dsv3_router_gemm(
    hidden_states, router_weights, out_dtype=None, *, output=None, enable_pdl=None
):
    """hidden_states [M, K] times router_weights [E, K] transposed: [M, E] of `out_dtype`, bfloat16 unless named."""
    if output is None:
        shape = (hidden_states.shape[0], router_weights.shape[0])
        output = _new("dsv3_router_gemm", "output", hidden_states, shape, out_dtype or "bfloat16")
    elif out_dtype is not None and output.dtype != out_dtype:
        raise ValueError(
            f"dsv3_router_gemm: output must be {out_dtype}, as out_dtype says, is {output.dtype}"
        )
    _dsv3_router_gemm(hidden_states, router_weights, output, enable_pdl)
    return output


def dsv3_fused_a_gemm(mat_a, mat_b, output=None, *, enable_pdl=None):
    """mat_a [M, K] times mat_b [K, N], which is column-major: bfloat16 [M, N]."""
    if output is None:
        shape = (mat_a.shape[0], mat_b.shape[-1])
        output = _new("dsv3_fused_a_gemm", "output", mat_a, shape, "bfloat16")
    _dsv3_fused_a_gemm(mat_a, mat_b, output, enable_pdl)
    return output


def set_mla_kv_buffer(
    kv_buffer,
    loc,
    cache_k_nope,
    cache_k_rope=None,
    *,
    reserved_skip_index=0,
    dropped=None,
    enable_pdl=None,
):
    """kv_buffer[loc[i]] = cache_k_nope[i] ++ cache_k_rope[i]; slot `reserved_skip_index` is not written, -1: all are."""
    _set_mla_kv_buffer(
        kv_buffer, loc, cache_k_nope, cache_k_rope, reserved_skip_index, dropped, enable_pdl
    )


def set_mla_kv_buffer_fp8(
    kv_buffer,
    loc,
    cache_k_nope,
    cache_k_rope=None,
    fp8_dtype=None,
    *,
    reserved_skip_index=0,
    dropped=None,
    enable_pdl=None,
):
    """The same with a cast to kv_buffer's fp8 dtype; `fp8_dtype` names it where kv_buffer is bytes."""
    if fp8_dtype is not None and kv_buffer.dtype != fp8_dtype:
        if torch is None or kv_buffer.dtype != torch.uint8:
            raise ValueError(
                f"set_mla_kv_buffer_fp8: kv_buffer must be {fp8_dtype}, as fp8_dtype says, or torch.uint8, "
                f"is {kv_buffer.dtype}"
            )
        kv_buffer = kv_buffer.view(fp8_dtype)
    _set_mla_kv_buffer_fp8(
        kv_buffer, loc, cache_k_nope, cache_k_rope, reserved_skip_index, dropped, enable_pdl
    )


def set_mla_kv_buffer_fp8_656(
    kv_buffer,
    loc,
    cache_k_nope,
    cache_k_rope,
    *,
    power_of_two_scales=False,
    reserved_skip_index=0,
    dropped=None,
    enable_pdl=None,
):
    """Writes 656-byte rows: 512 e4m3 codes, four fp32 scales, 64 bfloat16."""
    _set_mla_kv_buffer_fp8_656(
        kv_buffer,
        loc,
        cache_k_nope,
        cache_k_rope,
        power_of_two_scales,
        reserved_skip_index,
        dropped,
        enable_pdl,
    )


def mla_rope_quantize_fp8(
    q_rope,
    k_rope,
    q_nope,
    k_nope,
    cos_sin_cache,
    pos_ids,
    is_neox=True,
    quantize_dtype=None,
    quant_scale_q=1.0,
    quant_scale_kv=1.0,
    q_rope_out=None,
    k_rope_out=None,
    q_nope_out=None,
    k_nope_out=None,
    enable_pdl=None,
):
    """Rotates the rope parts, scales and casts all parts to fp8: (q_rope_out, k_rope_out, q_nope_out, k_nope_out)."""

    def place(argument, given, like):
        if given is None and like is not None:
            dtype = quantize_dtype or "float8_e4m3fn"
            return _new("mla_rope_quantize_fp8", argument, like, like.shape, dtype)
        if given is not None and quantize_dtype is not None and given.dtype != quantize_dtype:
            raise ValueError(
                f"mla_rope_quantize_fp8: {argument} must be {quantize_dtype}, as quantize_dtype says, "
                f"is {given.dtype}"
            )
        return given

    q_rope_out = place("q_rope_out", q_rope_out, q_rope)
    k_rope_out = place("k_rope_out", k_rope_out, k_rope)
    q_nope_out = place("q_nope_out", q_nope_out, q_nope)
    k_nope_out = place("k_nope_out", k_nope_out, k_nope)
    _mla_rope_quantize_fp8(
        q_rope,
        k_rope,
        q_nope,
        k_nope,
        cos_sin_cache,
        pos_ids,
        is_neox,
        quant_scale_q,
        quant_scale_kv,
        q_rope_out,
        k_rope_out,
        q_nope_out,
        k_nope_out,
        enable_pdl,
    )
    return q_rope_out, k_rope_out, q_nope_out, k_nope_out


@dataclasses.dataclass
class FusedSetKVBufferArg:
    """Where apply_rope_with_cos_sin_cache_inplace saves the rotated keys and the values of each token."""

    value: typing.Any
    k_buffer: typing.Any
    v_buffer: typing.Any
    k_scale: typing.Any
    v_scale: typing.Any
    cache_loc: typing.Any


def apply_rope_with_cos_sin_cache_inplace(
    positions,
    query,
    key,
    head_size,
    cos_sin_cache,
    is_neox=True,
    fused_set_kv_buffer_arg=None,
    enable_pdl=None,
    *,
    dropped=None,
):
    """Rotates query and key in place, and saves key and value in a cache where `fused_set_kv_buffer_arg` says so."""
    save = fused_set_kv_buffer_arg
    for scale in ("k_scale", "v_scale"):
        if save is not None and getattr(save, scale, None) is not None:
            raise ValueError(
                f"apply_rope_with_cos_sin_cache_inplace: {scale} must be None, is {getattr(save, scale)}"
            )
    if save is None:
        saved = (None, None, None, None)
    else:
        saved = (save.value, save.k_buffer, save.v_buffer, save.cache_loc)
    _apply_rope(
        positions, query, key, head_size, cos_sin_cache, is_neox, *saved, dropped, enable_pdl
    )


def per_token_group_quant_8bit(
    input,
    output_q,
    output_s,
    group_size=128,
    eps=1e-10,
    fp8_min=None,
    fp8_max=None,
    scale_ue8m0=False,
    fuse_silu_and_mul=False,
    masked_m=None,
    enable_v2=None,
    *,
    enable_pdl=None,
):
    """Quantizes groups of the last axis to output_q and output_s. `enable_v2` chooses nothing here: there is one version."""
    _per_token_group_quant_8bit(
        input,
        output_q,
        output_s,
        group_size,
        eps,
        fp8_min,
        fp8_max,
        scale_ue8m0,
        fuse_silu_and_mul,
        masked_m,
        enable_pdl,
    )


# Its names in sgl_kernel.
sgl_per_token_group_quant_8bit = per_token_group_quant_8bit
sgl_per_token_group_quant_fp8 = per_token_group_quant_8bit
sgl_per_token_group_quant_int8 = per_token_group_quant_8bit


def apply_q_scale_and_softmax_scale(
    weights, q_scale, softmax_scale, output=None, *, enable_pdl=None
):
    """weights [T, H] * q_scale [T, H, 1] * softmax_scale, in fp32 and in that order, of q_scale's shape."""
    if output is None:
        name = "apply_q_scale_and_softmax_scale"
        output = _new(name, "output", q_scale, q_scale.shape, "float32")
    _apply_q_scale_and_softmax_scale(weights, q_scale, softmax_scale, output, enable_pdl)
    return output


def supports_pdl(device=None):
    """Whether `device`, a number or a torch.device, runs dependent grids early; the current one unless named."""
    index = getattr(device, "index", device)
    return library.supports_pdl_here() if index is None else library.supports_pdl(index)


def set_pdl_enabled(enabled):
    """The switch of the whole process: True, False, or None for what SLIPSTREAM_PDL says."""
    library.set_pdl_enabled(enabled)
