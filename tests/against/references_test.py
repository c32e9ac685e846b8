"""The references, against numbers that can be told by hand and laws that must hold."""

import math

import numpy as np
import pytest
import references

RANDOM = np.random.default_rng(7)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (0.0, 0.0),
        (1.0, 1.0),
        (1.0625, 1.0),  # between 1 and 1.125: to even
        (1.1875, 1.25),  # between 1.125 and 1.25: to even
        (1.07, 1.125),
        (-3.3, -3.25),
        (448.0, 448.0),
        (1e9, 448.0),
        (-1e9, -448.0),
        (2.0**-9, 2.0**-9),  # the least subnormal number
        (2.0**-10, 0.0),  # half of it: to even
        (1.5 * 2.0**-9, 2.0**-8),
        (2.0**-6, 2.0**-6),
    ],
)
def test_e4m3_rounds_to_the_nearest_even(value, code):
    assert references.round_e4m3(np.array([value]))[0] == code


def test_e4m3_has_its_253_finite_numbers_and_rounds_them_to_themselves():
    exact = [m * 2.0**-9 for m in range(8)]
    exact += [(1 + m / 8) * 2.0**e for e in range(-6, 9) for m in range(8)]
    numbers = np.array([value for value in exact if value <= 448])
    assert len(numbers) == 127
    np.testing.assert_array_equal(references.round_e4m3(numbers), numbers)
    np.testing.assert_array_equal(references.round_e4m3(-numbers), -numbers)


@pytest.mark.parametrize(
    ("value", "rounded"),
    [(1.0, 1.0), (1 + 2**-8, 1.0), (1 + 3 * 2**-8, 1 + 2**-6), (0.0, 0.0), (-0.3, -0.30078125)],
)
def test_bf16_rounds_to_the_nearest_even(value, rounded):
    assert references.round_bf16(np.array([value]))[0] == rounded


def test_the_largest_of_a_group_gets_the_largest_code():
    values = RANDOM.normal(size=(3, 256))
    codes, scales = references.quantize_groups(values)
    assert scales.shape == (3, 2)
    np.testing.assert_array_equal(np.abs(codes.reshape(3, 2, 128)).max(-1), 448.0)


def test_scales_that_are_powers_of_two_are_at_most_twice_the_others():
    values = RANDOM.normal(size=(3, 256))
    _, exact = references.quantize_groups(values)
    _, powers = references.quantize_groups(values, power_of_two=True)
    assert (np.frexp(powers)[0] == 0.5).all()
    assert ((exact <= powers) & (powers < 2 * exact)).all()


def test_a_group_of_zeros_gives_zeros():
    np.testing.assert_array_equal(references.requantized(np.zeros((1, 128))), 0.0)


def test_requantized_values_are_as_near_as_three_bits_of_mantissa_allow():
    values = RANDOM.normal(size=(4, 1024))
    assert references.relative_error(references.requantized(values), values) < 0.04


def test_blocks_get_their_own_scales_and_the_last_may_be_short():
    codes = np.ones((130, 200))
    scaled = references.scaled_blocks(codes, np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert (scaled[127, 127], scaled[127, 128], scaled[128, 0], scaled[129, 199]) == (1, 2, 3, 4)


def test_a_norm_gives_a_mean_square_of_one():
    normed = references.rms_norm(RANDOM.normal(size=(2, 64)) * 7, np.ones(64), 0.0)
    np.testing.assert_allclose((normed**2).mean(-1), 1.0)


@pytest.mark.parametrize("interleaved", [True, False])
def test_a_rotation_keeps_lengths_and_position_0_keeps_everything(interleaved):
    table = references.rotation_table(16, 8)
    values = RANDOM.normal(size=(2, 3, 8))
    rotated = references.rotate(values, table, np.array([0, 9]), interleaved)
    np.testing.assert_array_equal(rotated[0], values[0])
    np.testing.assert_allclose(np.linalg.norm(rotated, axis=-1), np.linalg.norm(values, axis=-1))


def test_rotations_turn_neighbors_or_halves():
    table = references.rotation_table(2, 4)
    first = np.array([[[1.0, 0.0, 0.0, 0.0]]])
    turned = [math.cos(1), math.sin(1)]
    neighbors = references.rotate(first, table, np.array([1]), True)
    halves = references.rotate(first, table, np.array([1]), False)
    np.testing.assert_allclose(neighbors[0, 0], [turned[0], turned[1], 0, 0])
    np.testing.assert_allclose(halves[0, 0], [turned[0], 0, turned[1], 0])


def test_a_hadamard_transform_is_its_own_inverse():
    values = RANDOM.normal(size=(5, 128))
    np.testing.assert_allclose(references.hadamard(references.hadamard(values)), values)
    np.testing.assert_allclose(references.hadamard(np.array([1.0, 0.0])), [2**-0.5, 2**-0.5])


def test_index_scores_drop_negative_products_and_keep_signs_of_weights():
    queries = np.array([[1.0, 0.0], [0.0, 1.0]])
    keys = np.array([[2.0, -5.0], [-1.0, 3.0]])
    scores = references.index_scores(queries, np.array([1.0, -10.0]), keys)
    np.testing.assert_array_equal(scores, [2.0, -30.0])


def test_attention_to_one_key_gives_its_value_and_equal_keys_give_the_mean():
    queries = RANDOM.normal(size=(3, 4))
    keys, values = RANDOM.normal(size=(1, 4)), RANDOM.normal(size=(1, 6))
    np.testing.assert_allclose(
        references.attention(queries, keys, values, 1.0), np.repeat(values, 3, 0)
    )
    both = np.concatenate([values, -values])
    found = references.attention(queries, np.repeat(keys, 2, 0), both, 1.0)
    np.testing.assert_allclose(found, 0.0, atol=1e-15)


def test_attention_does_not_overflow():
    queries, keys = np.full((1, 4), 1e3), np.full((2, 4), 1e3)
    found = references.attention(queries, keys, np.ones((2, 3)), 1.0)
    np.testing.assert_allclose(found, 1.0)


def test_an_expert_is_its_two_products_with_the_gate_between():
    rows = np.zeros((1, 128))
    rows[0, 0] = 448.0  # exact in e4m3, with a scale of 1
    gate_up = np.zeros((256, 128))
    gate_up[0, 0], gate_up[128, 0] = 1 / 448, 3 / 448
    down = np.zeros((2, 128))
    down[1, 0] = 2.0
    silu = 1 / (1 + math.exp(-1))
    expected = [[0.0, 2 * references.round_bf16(3 * silu)]]
    np.testing.assert_allclose(references.expert(rows, gate_up, down), expected)


def test_an_error_with_a_nan_in_it_is_a_nan():
    assert math.isnan(references.relative_error(np.array([1.0, np.nan]), np.ones(2)))
