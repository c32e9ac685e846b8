"""Trace Apply's definitions, against FlashInfer 0.7.2 where it can be imported, and what runs in their place."""

import pytest
from operands import Random, assert_same_bits, filled, needs_torch
from slipstream import flashinfer

K7168, K6144 = "mm_M1_16_K7168_N256_k7168_n256", "mm_M1_16_K6144_N256_k6144_n256"


def test_chooses_definitions_by_name():
    assert list(flashinfer.solutions("mm_M1_16_K7168_N256")) == [K7168]
    assert list(flashinfer.solutions()) == [K7168, K6144]
    with pytest.raises(ValueError, match="one is attention"):
        flashinfer.solutions("attention")


def router_operands(references):
    random = Random()
    a, weights = random.small_integers(1, 6144), random.small_integers(256, 6144)
    out = filled((1, 256), "float32")
    references.dsv3_router_gemm(a.host, weights.host, out.host)
    return a, weights, out


@needs_torch
def test_the_router_gives_the_references_bits(references):
    a, weights, out = router_operands(references)
    assert flashinfer.solutions()[K6144](a.device, weights.device.t(), out.device) is out.device
    assert_same_bits(out)


@needs_torch
def test_the_package_calls_slipstream(references):
    pytest.importorskip("flashinfer")
    from flashinfer import gemm, trace_apply

    a, weights, out = router_operands(references)
    assert flashinfer.enable("mm_M1_16_K6144_N256") == [K6144]
    try:
        gemm.mm_M1_16_K6144_N256(a.device, weights.device.t(), out.device)
        assert [*trace_apply.stats().values()] == [{"hit": 1}]
    finally:
        trace_apply.disable_apply()
    assert_same_bits(out)
