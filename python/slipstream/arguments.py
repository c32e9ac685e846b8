"""Checks of arguments: each error says what the argument must be and what it is."""

import operator
from collections.abc import Iterable


def integer(name: str, value) -> int:
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise ValueError(f"{name} must be an integer, is {value!r}")


def integers(name: str, values: Iterable[int]) -> list[int]:
    """From a list, a numpy array or anything else of integers."""
    if hasattr(values, "tolist"):  # an array: all elements at once
        values = values.tolist()
    try:
        return [operator.index(value) for value in values]
    except TypeError as error:
        raise ValueError(f"{name} must be a list of integers: {error}") from error


def seed_bits(value) -> int:
    """A seed as the signed integer with the same 64 bits, since that is what the binding has."""
    seed = integer("seed", value)
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must be from 0 to 2^64 - 1, is {seed}")
    return seed - 2**64 if seed >= 2**63 else seed
