"""Which tokens can be chosen: words of 32 bits, bit i % 32 of word i / 32 for token i."""

from collections.abc import Iterable

import numpy


class Masks:
    """Makes masks for one vocabulary."""

    def __init__(self, vocab_size: int):
        self._vocab_size = vocab_size
        self._words = (vocab_size + 31) // 32
        self._everything = numpy.full(self._words, 0xFFFFFFFF, numpy.uint32)
        beyond = self._words * 32 - vocab_size
        self._everything[-1] >>= numpy.uint32(beyond)

    def only(self, tokens: Iterable[int]) -> numpy.ndarray:
        mask = numpy.zeros(self._words, numpy.uint32)
        for token in self._known(tokens):
            mask[token // 32] |= numpy.uint32(1 << token % 32)
        return mask

    def without(self, tokens: Iterable[int]) -> numpy.ndarray:
        return self._everything & ~self.only(tokens)

    def of_grammar(self, row: numpy.ndarray) -> numpy.ndarray:
        """From vLLM's bitmask, whose words are signed and may be more."""
        return numpy.ascontiguousarray(row[: self._words]).view(numpy.uint32) & self._everything

    def _known(self, tokens: Iterable[int]) -> Iterable[int]:
        return (token for token in tokens if 0 <= token < self._vocab_size)
