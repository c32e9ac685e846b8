"""The launches of a step one by one: arguments arrive where they belong, and wrong ones are ValueErrors."""

import re

import numpy
import pytest
from operands import Operand, Random, bits_of, filled, integers
from slipstream import _step
from slipstream._library import library


def device(values, dtype):
    return Operand(numpy.ascontiguousarray(values), dtype).device


def packed(weights):
    """A bfloat16 matrix [rows, columns] as a _step.Matrix on the device."""
    tiles = filled((weights.host.shape[0] * weights.host.shape[1] * 2,), "uint8")
    library.step_pack(weights.host, None, tiles.host, None)
    return _step.Matrix(device(tiles.host_bits(), "uint8"), None, weights.host.shape[0])


def step_rows(positions):
    rows = numpy.zeros((len(positions), library.step_row_bytes()), numpy.uint8)
    target = Operand(rows, "uint8")
    library.step_rows(integers(positions, "int32").host, target.host)
    return device(target.host_bits(), "uint8")


def test_packing_moves_every_element_to_the_place_that_pack_h_says():
    columns = 256
    codes = numpy.arange(32 * columns, dtype=numpy.uint32).reshape(32, columns) % 251
    codes = codes.astype(numpy.uint8)
    tiles, scales = filled((codes.size,), "uint8"), filled((2, 2), "float32")
    blocks = numpy.array([[0.5, 2.0]], numpy.float32)
    library.step_pack(
        Operand(codes, "float8_e4m3fn").host,
        Operand(blocks, "float32").host,
        tiles.host,
        scales.host,
    )
    # [tile, low row, row, group, lane's columns, step, half, four] to the order of the kernels
    split = codes.reshape(2, 2, 8, 2, 4, 4, 2, 4)
    expected = split.transpose(0, 3, 5, 2, 4, 6, 1, 7)
    numpy.testing.assert_array_equal(tiles.host_bits(), expected.ravel())
    numpy.testing.assert_array_equal(scales.host_bits().view(numpy.float32), [[0.5, 2.0]] * 2)


def test_bands_hold_sixteen_columns_of_eight_rows_after_another_and_then_their_scales():
    columns = 384  # a block of 256 and one of 128
    codes = numpy.arange(16 * columns, dtype=numpy.uint32).reshape(16, columns) % 251
    codes = codes.astype(numpy.uint8)
    tiles = filled((library.step_band_bytes(16, columns),), "uint8")
    blocks = numpy.array([[0.5, 2.0, 8.0]], numpy.float32)
    library.step_pack_bands(
        Operand(codes, "float8_e4m3fn").host, Operand(blocks, "float32").host, tiles.host
    )
    expected = []
    for first, last in ((0, 256), (256, 384)):
        scales = numpy.zeros(4, numpy.float32)
        scales[: (last - first) // 128] = blocks[0, first // 128 : last // 128]
        for band in codes[:, first:last].reshape(2, 8, -1, 16):
            expected += [band.transpose(1, 0, 2).ravel(), scales.view(numpy.uint8)]
    numpy.testing.assert_array_equal(tiles.host_bits(), numpy.concatenate(expected))


def test_code_units_of_odd_tokens_have_their_pieces_swapped_in_pairs():
    codes = numpy.arange(2 * 128, dtype=numpy.uint32).reshape(2, 128).astype(numpy.uint8)
    scales = numpy.array([[0.5], [2.0]], numpy.float32)
    units = filled((2 * 128 + 16,), "uint8")
    library.step_code_units(
        Operand(codes, "float8_e4m3fn").host, Operand(scales, "float32").host, units.host
    )
    found = units.host_bits()
    numpy.testing.assert_array_equal(found[:128], codes[0])
    swapped = codes[1].reshape(4, 2, 16)[:, ::-1]
    numpy.testing.assert_array_equal(found[128:256], swapped.ravel())
    numpy.testing.assert_array_equal(found[256:264].view(numpy.float32), [0.5, 2.0])


def expect_product(references, tokens, operands=None):
    random = Random()
    rows, weights = random.small_integers(tokens, 256), random.small_integers(48, 256)
    output = filled((tokens, 48), "bfloat16")
    references.dsv3_router_gemm(rows.host, weights.host, output.host)  # the same product
    _step.plain_linear(rows.device, packed(weights), output.device, operands=operands)
    numpy.testing.assert_array_equal(output.device_bits(), output.host_bits())


def test_plain_linear_multiplies_rows_by_the_packed_matrix(references):
    expect_product(references, 3)


def test_operands_of_many_rows_are_made_first_where_there_is_room_for_them(references):
    operands = filled((library.step_operand_bytes(16, 256),), "uint8", byte=0)
    expect_product(references, 16, operands.device)
    assert operands.device_bits().any()


def test_select_keys_lists_the_best_slots_in_the_order_of_positions():
    context, pages = 128, [[5, 3]]
    scores = numpy.arange(context, dtype=numpy.float32)[None] % 100
    scores[0, 2] = 1000
    lists = filled((1, 4), "int32")
    _step.select_keys(
        device(scores, "float32"),
        step_rows([context - 1]),
        integers(pages, "int32").device,
        lists.device,
        None,
    )
    # Positions 2, 97, 98, 99: page 5, then page 3.
    wanted = [5 * 64 + 2, 3 * 64 + 33, 3 * 64 + 34, 3 * 64 + 35]
    numpy.testing.assert_array_equal(bits_of(lists.device).view(numpy.int32), [wanted])


def test_attention_of_few_tokens_is_split_into_more_parts_than_that_of_many():
    assert _step.attention_splits(1, 16, 2048) > _step.attention_splits(16, 16, 2048)


def linear(rows=1, columns=128, output_rows=16, **replaced):
    arguments = {
        "rows": filled((rows, columns), "bfloat16", byte=0).device,
        "matrix": _step.Matrix(filled((16 * columns * 2,), "uint8", byte=0).device, None, 16),
        "output": filled((rows, output_rows), "bfloat16").device,
    }
    _step.plain_linear(**(arguments | replaced))


@pytest.mark.parametrize(
    ("replaced", "text"),
    [
        ({"rows": 17}, "input must be of 1 to 16 rows, is bfloat16[17, 128]"),
        ({"output_rows": 32}, "output must be contiguous bfloat16[1, 16], is bfloat16[1, 32]"),
        (
            {"output": filled((1, 16), "float32").device},
            "output must be contiguous bfloat16[1, 16], is float32[1, 16]",
        ),
        (
            {"operands": filled((8,), "uint8").device},
            "operands must be contiguous uint8[448], is uint8[8]",
        ),
        (
            {"matrix": _step.Matrix(filled((8,), "uint8").device, None, 16)},
            "tiles must be of at least 4096 bytes, is uint8[8]",
        ),
        (
            {"matrix": _step.Matrix(filled((4096,), "uint8").device, None, 15)},
            "tiles must be of a multiple of 16 rows, is of 15",
        ),
        (
            {
                "matrix": _step.Matrix(
                    filled((4096,), "uint8").device, filled((1, 2), "float32").device, 16
                )
            },
            "scales must be contiguous float32[*, 1], is float32[1, 2]",
        ),
    ],
)
def test_a_wrong_argument_of_plain_linear_is_named(replaced, text):
    with pytest.raises(ValueError, match=re.escape(f"step_plain_linear: {text}")):
        linear(**replaced)


def test_a_page_table_of_another_dtype_is_refused():
    text = "step_select: pages must be contiguous int32[*, *], is int64[1, 2]"
    with pytest.raises(ValueError, match=re.escape(text)):
        _step.select_keys(
            filled((1, 128), "float32").device,
            step_rows([127]),
            integers([[0, 1]]).device,
            filled((1, 4), "int32").device,
            None,
        )
