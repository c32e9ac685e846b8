"""Bad input is a ValueError that names the argument, and nothing is launched or written."""

import re

import numpy
import pytest
import slipstream
from arrays import Array, device_count
from operands import filled, integers
from slipstream._library import library


def cache_write(**replaced):
    """A valid call of set_mla_kv_buffer, with some arguments replaced."""
    arguments = {
        "kv_buffer": filled((4, 8), "bfloat16").device,
        "loc": integers([1, 2]).device,
        "cache_k_nope": filled((2, 8), "bfloat16", byte=0).device,
    }
    slipstream.set_mla_kv_buffer(**{**arguments, **replaced})


def zeros(shape, dtype, device=0):
    bits = numpy.zeros(shape, f"uint{ {'b': 16, 'f': 64, 'i': 64}[dtype[0]] }")
    return Array(bits, dtype, device)


@pytest.mark.parametrize(
    ("replaced", "text"),
    [
        ({"loc": zeros((2,), "int64", None)}, "loc must be on a CUDA device, is on cpu"),
        ({"loc": zeros((2, 1), "int64")}, "loc must be of rank 1, is int64[2, 1]"),
        ({"loc": zeros((), "int64")}, "loc must be of rank 1 to 4, is of rank 0"),
        ({"loc": zeros((3,), "int64")}, "loc must be of size 2 in axis 0"),
        ({"loc": zeros((2,), "bfloat16")}, "loc must be int32 or int64, is bfloat16[2]"),
        ({"loc": zeros((2,), "float64")}, "loc must be one of float32, bfloat16,"),
        ({"loc": zeros((1, 1, 1, 1, 2), "int64")}, "loc must be of rank 1 to 4, is of rank 5"),
        (
            {"cache_k_nope": zeros((2, 9), "bfloat16")},
            "cache_k_nope and cache_k_rope together must",
        ),
        (
            {"cache_k_nope": Array(numpy.zeros((2, 16), numpy.uint16)[:, ::2], "bfloat16", 0)},
            "cache_k_nope must be contiguous in its last axis (stride 1), is bfloat16[2, 8] with strides [16, 2]",
        ),
    ],
)
def test_names_the_argument(replaced, text):
    with pytest.raises(ValueError, match=re.escape(f"set_mla_kv_buffer: {text}")):
        cache_write(**replaced)


@pytest.mark.skipif(device_count() < 2, reason="needs two GPUs")
def test_names_an_argument_of_another_gpu():
    text = "loc must be on cuda:0, as kv_buffer is, is on cuda:1"
    with pytest.raises(ValueError, match=text):
        cache_write(loc=zeros((2,), "int64", 1))


def test_writes_nothing_when_one_argument_is_wrong():
    kv_buffer = filled((4, 8), "bfloat16")
    with pytest.raises(ValueError, match="loc must be"):
        cache_write(kv_buffer=kv_buffer.device, loc=zeros((3,), "int64"))
    assert (kv_buffer.device_bits() == 0xA5A5).all()


def test_takes_a_good_call():
    cache_write()


def test_names_an_output_that_only_torch_could_allocate():
    weights, q_scale = zeros((1, 8), "bfloat16"), zeros((1, 8), "bfloat16")
    with pytest.raises(
        ValueError, match="output must be given where tensors are not torch's, is None"
    ):
        slipstream.apply_q_scale_and_softmax_scale(weights, q_scale, 1.0)


def quantize(**options):
    slipstream.per_token_group_quant_8bit(
        filled((1, 128), "bfloat16").device,
        filled((1, 128), "float8_e4m3fn").device,
        filled((1, 1), "float32").device,
        128,
        1e-10,
        **options,
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"fp8_max": 240.0}, "fp8_max must be 448 for output_q of float8_e4m3fn, is 240"),
        ({"fp8_min": -128}, "fp8_min must be -448 for output_q of float8_e4m3fn, is -128"),
    ],
)
def test_names_a_range_that_the_codes_do_not_have(options, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        quantize(**options)


def test_names_scales_of_a_cache_that_are_not_supported():
    argument = slipstream.FusedSetKVBufferArg(None, None, None, 1.0, None, None)
    with pytest.raises(ValueError, match=r"k_scale must be None, is 1\.0"):
        slipstream.apply_rope_with_cos_sin_cache_inplace(
            None, None, None, 32, None, fused_set_kv_buffer_arg=argument
        )


def test_names_what_is_no_tensor():
    with pytest.raises(TypeError, match="set_mla_kv_buffer"):
        cache_write(loc="1, 2")


def test_the_library_names_a_function_that_gets_too_few_arguments():
    with pytest.raises(TypeError, match="set_mla_kv_buffer takes 7 arguments, not 2"):
        library.set_mla_kv_buffer(None, None)


def test_knows_its_public_names_and_no_others():
    assert set(slipstream.__all__) <= set(dir(slipstream))
    with pytest.raises(AttributeError, match="no attribute 'gemm'"):
        slipstream.gemm  # noqa: B018
