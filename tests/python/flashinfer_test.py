"""Trace Apply's definitions, against FlashInfer 0.7.2's templates where it can be imported, and what they compute."""

import pytest
from operands import Random, assert_same_bits, filled, integers, needs_torch
from slipstream import flashinfer


def test_chooses_definitions_by_name():
    assert list(flashinfer.solutions("mm_M1_16_K7168_N256")) == ["mm_M1_16_K7168_N256_k7168_n256"]
    assert len(flashinfer.solutions()) == 4
    with pytest.raises(ValueError, match="one is attention"):
        flashinfer.solutions("attention")


def test_the_definitions_are_those_of_the_package():
    pytest.importorskip("flashinfer")
    from flashinfer.trace.templates import gemm, rope

    router = {7168: gemm.mm_M1_16_K7168_N256_trace, 6144: gemm.mm_M1_16_K6144_N256_trace}
    names = [trace.definition_name({"K": k, "N": 256}) for k, trace in router.items()]
    in_place = rope.apply_rope_with_cos_sin_cache_inplace_trace
    for head_size in (64, 128):
        axes = {"head_size": head_size, "num_q_heads_x_head_size": 1, "rotary_dim": 64}
        names.append(in_place.definition_name(axes))
    assert sorted(names) == sorted(flashinfer.solutions())
    assert list(in_place.inputs) == [
        "positions",
        "query",
        "key",
        "head_size",
        "cos_sin_cache",
        "is_neox",
    ]


@needs_torch
def test_the_package_calls_slipstream(references):
    package = pytest.importorskip("flashinfer")
    from flashinfer import trace_apply

    positions, query, key, table = rope_operands(references)
    flashinfer.enable("apply_rope_with_cos_sin_cache_inplace")
    try:
        package.apply_rope_with_cos_sin_cache_inplace(
            positions.device, query.device, key.device, 64, table.device, is_neox=False
        )
        assert any(status == "hit" for (_, status) in trace_apply.stats())
    finally:
        trace_apply.disable_apply()
    assert_same_bits(query, key)


def rope_operands(references):
    random = Random()
    positions, table = integers([3, 1], "int32"), random.rope_table(4, 64)
    query, key = random.bfloat16(2, 128), random.bfloat16(2, 64)
    references.apply_rope_with_cos_sin_cache_inplace(
        positions.host, query.host, key.host, 64, table.host, False, None, None, None, None
    )
    return positions, query, key, table


@needs_torch
def test_rope_gives_the_references_bits(references):
    positions, query, key, table = rope_operands(references)
    function = flashinfer.solutions()["rope_cos_sin_cache_inplace_d64"]
    function(positions.device, query.device, key.device, 64, table.device, is_neox=0)
    assert_same_bits(query, key)


@needs_torch
def test_the_router_gives_the_references_bits(references):
    random = Random()
    a, weights = random.small_integers(1, 6144), random.small_integers(256, 6144)
    out = filled((1, 256), "float32")
    references.dsv3_router_gemm(a.host, weights.host, out.host)
    function = flashinfer.solutions("mm_M1_16_K6144_N256")["mm_M1_16_K6144_N256_k6144_n256"]
    assert function(a.device, weights.device.t(), out.device) is out.device
    assert_same_bits(out)
