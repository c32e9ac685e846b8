"""Text in, text out: an engine with its checkpoint's tokenizer and chat format.

print(slipstream.generate("GLM-5.2-FP8", "The capital of France is", count=20))
with slipstream.TextModel.load("GLM-5.2-FP8") as model:
    for piece in model.stream([{"role": "user", "content": "Hello"}]):
        print(piece, end="", flush=True)
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from slipstream.chat import Tokenizer, chat_format
from slipstream.chat.files import read_json_if_there
from slipstream.engine import Engine

# A text to continue, or a conversation to answer.
Prompt = str | Sequence[Mapping]


def generate(model, prompt: Prompt, *, count: int = 256, thinking: bool = False, **options) -> str:
    """The continuation of a text, or the answer to a conversation, of up to `count` tokens.

    `model` is a checkpoint's directory, which is loaded for this call, or a TextModel. `options` are
    Engine.create_sequence's (temperature, top_k, top_p, seed ...).
    """
    if isinstance(model, TextModel):
        return "".join(model.stream(prompt, count=count, thinking=thinking, **options))
    with TextModel.load(model) as loaded:
        return "".join(loaded.stream(prompt, count=count, thinking=thinking, **options))


class TextModel:
    """An engine that speaks text. Its `engine` and `tokenizer` may be used as well."""

    def __init__(self, directory, engine: Engine):
        self._directory = Path(directory)
        self.engine = engine
        self.tokenizer = Tokenizer.from_checkpoint(directory)
        self.stop_token_ids = frozenset(engine.eos_token_ids) | _generation_stops(self._directory)

    @classmethod
    def load(cls, directory, **options) -> "TextModel":
        """`options` are those of Engine.load."""
        Tokenizer.from_checkpoint(directory)  # fails before gigabytes are read
        return cls(directory, Engine.load(directory, **options))

    def close(self) -> None:
        self.engine.close()

    def __enter__(self):
        return self

    def __exit__(self, *_exception) -> None:
        self.close()

    def encode(self, prompt: Prompt, *, thinking: bool = False) -> list[int]:
        """The ids of a text, or of a conversation in the checkpoint's own format."""
        if isinstance(prompt, str):
            ids = self.tokenizer.encode_document(prompt)
        else:
            ids = self.tokenizer.encode(chat_format(self._directory)(prompt, thinking=thinking))
        if not ids:
            raise ValueError("the prompt must have at least one token, is empty")
        return ids

    def stream(
        self,
        prompt: Prompt,
        *,
        count: int = 256,
        thinking: bool = False,
        ignore_eos: bool = False,
        **sampling,
    ) -> Iterator[str]:
        """Pieces of text as they come; the stop token is not part of them."""
        ids = self.encode(prompt, thinking=thinking)
        sequence = self.engine.create_sequence(**sampling)
        try:
            yield from self.stream_ids(sequence, ids, count=count, ignore_eos=ignore_eos)
        finally:
            self.engine.free(sequence)

    def stream_ids(
        self, sequence: int, ids: Sequence[int], *, count: int, ignore_eos: bool = False
    ) -> Iterator[str]:
        """The same on a sequence of the caller's, to which `ids` are appended."""
        stop = frozenset() if ignore_eos else self.stop_token_ids
        text = self.tokenizer.stream(skip_special_tokens=not ignore_eos)
        for token in self.engine.stream(sequence, ids, count=count, stop=stop):
            if piece := "" if token in stop else text.push(token):
                yield piece
        if rest := text.finish():
            yield rest


class Conversation:
    """Questions and answers in turn. What the engine has of the conversation is not computed again."""

    def __init__(
        self, model: TextModel, *, system: str | None = None, thinking: bool = False, **sampling
    ):
        self._model = model
        self._thinking = thinking
        self._sampling = sampling
        self.messages: list[dict] = (
            [] if system is None else [{"role": "system", "content": system}]
        )
        self._sequence: int | None = None
        self._ids: list[int] = []  # in the sequence's cache

    def ask(self, question: str, *, count: int = 1024) -> Iterator[str]:
        """Pieces of the answer as they come. The conversation goes on once all have been taken."""
        asked = [*self.messages, {"role": "user", "content": question}]
        ids = self._model.encode(asked, thinking=self._thinking)
        answer: list[int] = []
        yield from self._answer(ids, count, answer)
        content = self._model.tokenizer.decode(self._without_thought(answer))
        self.messages = [*asked, {"role": "assistant", "content": content}]

    def _answer(self, ids: list[int], count: int, answer: list[int]) -> Iterator[str]:
        engine, text = self._model.engine, self._model.tokenizer.stream()
        stop = self._model.stop_token_ids
        rest = self._continue_sequence(ids)
        for token in engine.stream(self._sequence, rest, count=count, stop=stop):
            # It is in the cache when the next one comes.
            self._ids = [*ids, *answer]
            answer.append(token)
            if token not in stop and (piece := text.push(token)):
                yield piece
        if rest_of_text := text.finish():
            yield rest_of_text

    def _without_thought(self, answer: list[int]) -> list[int]:
        """What it thought is not said again."""
        said = [token for token in answer if token not in self._model.stop_token_ids]
        end = self._model.tokenizer.encode("</think>")
        if not self._thinking or len(end) != 1 or end[0] not in said:
            return said
        return said[len(said) - said[::-1].index(end[0]) :]

    def _continue_sequence(self, ids: list[int]) -> list[int]:
        """Which of `ids` the sequence lacks; a new one where it has others."""
        known = len(self._ids)
        if self._sequence is None or ids[:known] != self._ids or known >= len(ids):
            if self._sequence is not None:
                self._model.engine.free(self._sequence)
            self._sequence, known = self._model.engine.create_sequence(**self._sampling), 0
        self._ids = list(ids)
        return ids[known:]


def _generation_stops(directory: Path) -> frozenset[int]:
    """Of generation_config.json, which names more end tokens than config.json where turns end in several ways."""
    stops = read_json_if_there(directory / "generation_config.json").get("eos_token_id", [])
    return frozenset(stops if isinstance(stops, list) else [stops])
