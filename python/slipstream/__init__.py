"""Slipstream: the operators of a low-latency decode step, and its engine.

Names are loaded when they are first used, so that the command `slipstream` needs nothing but itself.
"""

import importlib

# Each public name and the module that defines it.
_HOMES = {
    "Conversation": "text",
    "Engine": "engine",
    "FusedSetKVBufferArg": "operators",
    "TextModel": "text",
    "apply_q_scale_and_softmax_scale": "operators",
    "apply_rope_with_cos_sin_cache_inplace": "operators",
    "dsv3_fused_a_gemm": "operators",
    "dsv3_router_gemm": "operators",
    "generate": "text",
    "mla_rope_quantize_fp8": "operators",
    "per_token_group_quant_8bit": "operators",
    "set_mla_kv_buffer": "operators",
    "set_mla_kv_buffer_fp8": "operators",
    "set_mla_kv_buffer_fp8_656": "operators",
    "set_pdl_enabled": "operators",
    "sgl_per_token_group_quant_8bit": "operators",
    "sgl_per_token_group_quant_fp8": "operators",
    "sgl_per_token_group_quant_int8": "operators",
    "supports_pdl": "operators",
}

__all__ = list(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'slipstream' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"slipstream.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
