"""Token ids from text, and text from token ids as they come."""

from collections.abc import Sequence
from pathlib import Path

from slipstream.chat.extras import require

# What a decoder writes for bytes that are no character (yet).
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Tokenizer:
    """A checkpoint's tokenizer.json."""

    def __init__(self, path: str | Path):
        tokenizers = require("tokenizers", "text")
        if not Path(path).is_file():
            raise ValueError(f"{path} must be a tokenizer.json, is not there")
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library throws bare Exceptions
            raise ValueError(f"{path} is no tokenizer: {error}") from error

    @classmethod
    def from_checkpoint(cls, directory: str | Path) -> "Tokenizer":
        return cls(Path(directory) / "tokenizer.json")

    def encode(self, text: str) -> list[int]:
        """Ids of `text` alone: special tokens are what the text names, none are added."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def encode_document(self, text: str) -> list[int]:
        """Ids of `text` with the special tokens that the tokenizer puts around a document."""
        return self._tokenizer.encode(text, add_special_tokens=True).ids

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        return self._tokenizer.decode(list(ids), skip_special_tokens=skip_special_tokens)

    def stream(self, *, skip_special_tokens: bool = True) -> "TextStream":
        return TextStream(self, skip_special_tokens=skip_special_tokens)


class TextStream:
    """The text of token ids that come one at a time.

    A token may hold part of a character: what is not whole yet is held back until it is, or until
    the end. A token's text may depend on the tokens before it (spaces), so a token is decoded
    together with those of the last piece.
    """

    def __init__(self, tokenizer: Tokenizer, *, skip_special_tokens: bool = True):
        self._tokenizer = tokenizer
        self._skip = skip_special_tokens
        self._context: list[int] = []  # of the last piece handed out
        self._held: list[int] = []

    def push(self, token: int) -> str:
        """The text that `token` completes, which may be empty."""
        self._held.append(token)
        piece = self._new_text()
        if piece.endswith(REPLACEMENT):
            return ""
        if piece:
            self._context = self._held
            self._held = []
        return piece

    def finish(self) -> str:
        """What was held back, with U+FFFD for bytes that never became a character."""
        piece = self._new_text() if self._held else ""
        self._context, self._held = [], []
        return piece

    def _new_text(self) -> str:
        known = self._decode(self._context)
        return self._decode(self._context + self._held)[len(known) :]

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=self._skip)
