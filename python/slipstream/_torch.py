"""The operators as torch.library has them: torch.compile keeps them whole and knows what they write.

torch.compile cannot look into a function of tvm-ffi. All results are written to arguments, so that in a graph of fake
tensors there is nothing to do.
"""

from slipstream._library import library, torch

# Arguments as src/python/operators.cc takes them; a letter with "!" is written.
_SCHEMAS = """
dsv3_router_gemm(Tensor hidden_states, Tensor router_weights, Tensor(a!) output, bool? pdl) -> ()
dsv3_fused_a_gemm(Tensor mat_a, Tensor mat_b, Tensor(a!) output, bool? pdl) -> ()
set_mla_kv_buffer(Tensor(a!) kv_buffer, Tensor loc, Tensor cache_k_nope, Tensor? cache_k_rope,
    int reserved_skip_index, Tensor(b!)? dropped, bool? pdl) -> ()
set_mla_kv_buffer_fp8(Tensor(a!) kv_buffer, Tensor loc, Tensor cache_k_nope, Tensor? cache_k_rope,
    int reserved_skip_index, Tensor(b!)? dropped, bool? pdl) -> ()
set_mla_kv_buffer_fp8_656(Tensor(a!) kv_buffer, Tensor loc, Tensor cache_k_nope, Tensor cache_k_rope,
    bool power_of_two_scales, int reserved_skip_index, Tensor(b!)? dropped, bool? pdl) -> ()
mla_rope_quantize_fp8(Tensor q_rope, Tensor k_rope, Tensor? q_nope, Tensor? k_nope, Tensor cos_sin_cache,
    Tensor pos_ids, bool is_neox, float quant_scale_q, float quant_scale_kv, Tensor(a!) q_rope_out,
    Tensor(b!) k_rope_out, Tensor(c!)? q_nope_out, Tensor(d!)? k_nope_out, bool? pdl) -> ()
apply_rope_with_cos_sin_cache_inplace(Tensor positions, Tensor(a!) query, Tensor(b!) key, int head_size,
    Tensor cos_sin_cache, bool is_neox, Tensor? value, Tensor(c!)? k_buffer, Tensor(d!)? v_buffer,
    Tensor? cache_loc, Tensor(e!)? dropped, bool? pdl) -> ()
per_token_group_quant_8bit(Tensor input, Tensor(a!) output_q, Tensor(b!) output_s, int group_size, float eps,
    float? fp8_min, float? fp8_max, bool scale_ue8m0, bool fuse_silu_and_mul, Tensor? masked_m, bool? pdl) -> ()
apply_q_scale_and_softmax_scale(Tensor weights, Tensor q_scale, float softmax_scale, Tensor(a!) output,
    bool? pdl) -> ()
"""


def _register():
    fragment = torch.library.Library("slipstream", "FRAGMENT")
    for schema in _SCHEMAS.replace("\n    ", " ").strip().splitlines():
        name = schema.partition("(")[0]
        fragment.define(schema)
        # On every device: a tensor on the CPU is refused by name, as it is without torch.compile.
        fragment.impl(name, _returning_nothing(getattr(library, name)), "CompositeExplicitAutograd")
        torch.library.register_fake(f"slipstream::{name}", _do_nothing, lib=fragment)
    return fragment


def _returning_nothing(function):
    def call(*arguments):
        function(*arguments)

    return call


def _do_nothing(*arguments):
    pass


if torch is None:
    torch_operators = None

    def is_compiling():
        return False

else:
    # The registration lasts as long as this object.
    _fragment = _register()
    torch_operators = torch.ops.slipstream
    is_compiling = torch.compiler.is_compiling
