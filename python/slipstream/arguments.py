"""Checks of arguments: each error says what the argument must be and what it is."""

import numpy


def seed_bits(value) -> int:
    seed = integer("seed", value)
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must be from 0 to 2^64 - 1, is {seed}")
    # As the 64-bit integer with the same bits, since that is what the binding has.
    return seed - 2**64 if seed >= 2**63 else seed


def integer(name: str, value) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, numpy.integer)):
        raise ValueError(f"{name} must be an integer, is {type(value).__name__}")
    return int(value)


def integers(name: str, values) -> list[int]:
    if isinstance(values, list) and all(type(value) is int for value in values):
        return values
    try:
        array = numpy.asarray(values if isinstance(values, numpy.ndarray) else list(values))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a list of integers, is {type(values).__name__}") from error
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"{name} must be a list of integers, is {array.dtype} {list(array.shape)}")
    return array.tolist()
