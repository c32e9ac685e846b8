"""Every operator by the names and defaults of Python, against its reference in C++: the same bits."""

import numpy
import pytest
import slipstream
from operands import Random, assert_same_bits, bits_of, filled, integers, needs_torch, torch


@pytest.mark.parametrize("out_dtype", ["bfloat16", "float32"])
def test_router_gemm(references, out_dtype):
    random = Random()
    hidden, weights = random.small_integers(3, 256), random.small_integers(16, 256)
    output = filled((3, 16), out_dtype)
    references.dsv3_router_gemm(hidden.host, weights.host, output.host)
    result = slipstream.dsv3_router_gemm(hidden.device, weights.device, output=output.device)
    assert result is output.device
    assert_same_bits(output)


@needs_torch
def test_router_gemm_allocates_bfloat16_unless_told_otherwise(references):
    random = Random()
    hidden, weights = random.small_integers(2, 128), random.small_integers(8, 128)
    for dtype, arguments in (("bfloat16", ()), ("float32", (torch.float32,))):
        expected = filled((2, 8), dtype)
        references.dsv3_router_gemm(hidden.host, weights.host, expected.host)
        result = slipstream.dsv3_router_gemm(hidden.device, weights.device, *arguments)
        assert str(result.dtype) == f"torch.{dtype}" and result.device == hidden.device.device
        numpy.testing.assert_array_equal(bits_of(result), expected.host_bits())


@needs_torch
def test_fused_a_gemm(references):
    random = Random()
    mat_a, weights = random.small_integers(4, 256), random.small_integers(32, 256)
    output = filled((4, 32), "bfloat16")
    # The reference of the router is the same product.
    references.dsv3_router_gemm(mat_a.host, weights.host, output.host)
    result = slipstream.dsv3_fused_a_gemm(mat_a.device, weights.device.t())
    numpy.testing.assert_array_equal(bits_of(result), output.host_bits())
    assert (
        slipstream.dsv3_fused_a_gemm(mat_a.device, weights.device.t(), output.device)
        is output.device
    )
    assert_same_bits(output)


@pytest.mark.parametrize("reserved", [0, -1, 2])
@pytest.mark.parametrize("loc_dtype", ["int32", "int64"])
def test_set_mla_kv_buffer(references, reserved, loc_dtype):
    random = Random()
    nope, rope = random.bfloat16(4, 1, 64), random.bfloat16(4, 1, 16)
    kv_buffer, dropped = filled((8, 1, 80), "bfloat16"), integers([0], "int32")
    loc = integers([0, 2, 5, 99], loc_dtype)
    references.set_mla_kv_buffer(
        kv_buffer.host, loc.host, nope.host, rope.host, reserved, dropped.host
    )
    slipstream.set_mla_kv_buffer(
        kv_buffer.device,
        loc.device,
        nope.device,
        rope.device,
        reserved_skip_index=reserved,
        dropped=dropped.device,
    )
    assert_same_bits(kv_buffer, dropped)
    assert dropped.host_bits().tolist() == [1]


def test_set_mla_kv_buffer_without_rope_keeps_slot_0(references):
    nope, kv_buffer, loc = Random().bfloat16(2, 64), filled((3, 64), "bfloat16"), integers([0, 1])
    references.set_mla_kv_buffer(kv_buffer.host, loc.host, nope.host, None, 0, None)
    slipstream.set_mla_kv_buffer(kv_buffer.device, loc.device, nope.device)
    assert_same_bits(kv_buffer)
    assert (kv_buffer.device_bits()[0] == 0xA5A5).all()


def test_set_mla_kv_buffer_fp8(references):
    random = Random()
    nope, rope, loc = random.bfloat16(3, 64), random.bfloat16(3, 16), integers([4, 1, 2])
    kv_buffer = filled((6, 80), "float8_e4m3fn")
    references.set_mla_kv_buffer_fp8(kv_buffer.host, loc.host, nope.host, rope.host, 0, None)
    slipstream.set_mla_kv_buffer_fp8(kv_buffer.device, loc.device, nope.device, rope.device)
    assert_same_bits(kv_buffer)


@needs_torch
def test_set_mla_kv_buffer_fp8_takes_a_cache_of_bytes(references):
    random = Random()
    nope, rope, loc = random.bfloat16(3, 64), random.bfloat16(3, 16), integers([4, 1, 2])
    kv_buffer = filled((6, 80), "float8_e5m2")
    references.set_mla_kv_buffer_fp8(kv_buffer.host, loc.host, nope.host, rope.host, 0, None)
    slipstream.set_mla_kv_buffer_fp8(
        kv_buffer.device.view(torch.uint8), loc.device, nope.device, rope.device, torch.float8_e5m2
    )
    assert_same_bits(kv_buffer)


@pytest.mark.parametrize("power_of_two", [False, True])
def test_set_mla_kv_buffer_fp8_656(references, power_of_two):
    random = Random()
    nope, rope, loc = random.bfloat16(2, 512), random.bfloat16(2, 64), integers([3, 1])
    kv_buffer = filled((4, 656), "uint8")
    references.set_mla_kv_buffer_fp8_656(
        kv_buffer.host, loc.host, nope.host, rope.host, power_of_two, 0, None
    )
    slipstream.set_mla_kv_buffer_fp8_656(
        kv_buffer.device, loc.device, nope.device, rope.device, power_of_two_scales=power_of_two
    )
    assert_same_bits(kv_buffer)


def rope_operands():
    random = Random()
    inputs = [
        random.bfloat16(3, 4, 16),
        random.bfloat16(3, 16),
        random.bfloat16(3, 4, 32),
        random.bfloat16(3, 32),
        random.rope_table(10, 16),
        integers([0, 9, 4]),
    ]
    return inputs, [filled(operand.host.shape, "float8_e4m3fn") for operand in inputs[:4]]


@pytest.mark.parametrize("is_neox", [True, False])
def test_mla_rope_quantize_fp8(references, is_neox):
    inputs, outputs = rope_operands()
    hosts, results = [i.host for i in inputs], [o.host for o in outputs]
    references.mla_rope_quantize_fp8(*hosts, is_neox, 0.5, 2.0, *results)
    returned = slipstream.mla_rope_quantize_fp8(
        *[i.device for i in inputs], is_neox, None, 0.5, 2.0, *[o.device for o in outputs]
    )
    assert all(a is b.device for a, b in zip(returned, outputs, strict=True))
    assert_same_bits(*outputs)


@needs_torch
def test_mla_rope_quantize_fp8_allocates(references):
    inputs, outputs = rope_operands()
    references.mla_rope_quantize_fp8(
        *[i.host for i in inputs], True, 1.0, 1.0, *[o.host for o in outputs]
    )
    returned = slipstream.mla_rope_quantize_fp8(*[i.device for i in inputs], enable_pdl=False)
    for result, expected in zip(returned, outputs, strict=True):
        assert result.dtype == torch.float8_e4m3fn
        numpy.testing.assert_array_equal(bits_of(result), expected.host_bits())


def test_mla_rope_quantize_fp8_without_nope(references):
    inputs, outputs = rope_operands()
    inputs[2:4], outputs = [None, None], outputs[:2]
    hosts = [i and i.host for i in inputs]
    references.mla_rope_quantize_fp8(*hosts, True, 1.0, 1.0, *[o.host for o in outputs], None, None)
    returned = slipstream.mla_rope_quantize_fp8(
        *[i and i.device for i in inputs],
        q_rope_out=outputs[0].device,
        k_rope_out=outputs[1].device,
    )
    assert returned[2:] == (None, None)
    assert_same_bits(*outputs)


@pytest.mark.parametrize("save", [False, True])
def test_apply_rope_with_cos_sin_cache_inplace(references, save):
    random = Random()
    positions, table = integers([7, 0, 3]), random.rope_table(8, 16)
    query, key, value = random.bfloat16(3, 64), random.bfloat16(3, 32), random.bfloat16(3, 32)
    k_buffer, v_buffer = filled((5, 32), "bfloat16"), filled((5, 32), "bfloat16")
    loc = integers([1, 4, 2])
    saved = [value, k_buffer, v_buffer, loc] if save else [None] * 4
    references.apply_rope_with_cos_sin_cache_inplace(
        positions.host, query.host, key.host, 32, table.host, True, *[s and s.host for s in saved]
    )
    argument = slipstream.FusedSetKVBufferArg(
        value.device, k_buffer.device, v_buffer.device, None, None, loc.device
    )
    slipstream.apply_rope_with_cos_sin_cache_inplace(
        positions.device,
        query.device,
        key.device,
        32,
        table.device,
        fused_set_kv_buffer_arg=argument if save else None,
    )
    assert_same_bits(query, key, k_buffer, v_buffer)


@pytest.mark.parametrize(
    ("dtype", "low", "high"), [("float8_e4m3fn", -448.0, 448.0), ("int8", -128, 127)]
)
def test_per_token_group_quant_8bit(references, dtype, low, high):
    source = Random().bfloat16(3, 256)
    codes, scales = filled((3, 256), dtype), filled((3, 2), "float32")
    references.per_token_group_quant_8bit(
        source.host, codes.host, scales.host, 128, 1e-10, False, False, None
    )
    slipstream.sgl_per_token_group_quant_8bit(
        source.device, codes.device, scales.device, 128, 1e-10, low, high, enable_v2=True
    )
    assert_same_bits(codes, scales)


def test_per_token_group_quant_8bit_of_silu_with_packed_scales_and_masked_experts(references):
    source, masked = Random().bfloat16(2, 4, 256), integers([3, 0], "int32")
    codes, scales = filled((2, 4, 128), "float8_e4m3fn"), filled((2, 4, 1), "int32")
    references.per_token_group_quant_8bit(
        source.host, codes.host, scales.host, 32, 1e-10, True, True, masked.host
    )
    slipstream.per_token_group_quant_8bit(
        source.device,
        codes.device,
        scales.device,
        32,
        scale_ue8m0=True,
        fuse_silu_and_mul=True,
        masked_m=masked.device,
    )
    assert_same_bits(codes, scales)


def test_apply_q_scale_and_softmax_scale(references):
    random = Random()
    weights, q_scale = random.float32(3, 8), random.float32(3, 8, 1)
    output = filled((3, 8, 1), "float32")
    references.apply_q_scale_and_softmax_scale(weights.host, q_scale.host, 0.125, output.host)
    arguments = (weights.device, q_scale.device, 0.125)
    assert slipstream.apply_q_scale_and_softmax_scale(*arguments, output.device) is output.device
    assert_same_bits(output)
    if torch is not None:
        result = slipstream.apply_q_scale_and_softmax_scale(*arguments)
        numpy.testing.assert_array_equal(bits_of(result), output.host_bits())


def test_supports_pdl_on_the_emulated_device():
    assert slipstream.supports_pdl() is True
    assert slipstream.supports_pdl(1) is True
    with pytest.raises(RuntimeError, match="device 99"):
        slipstream.supports_pdl(99)
