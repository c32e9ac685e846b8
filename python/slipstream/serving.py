"""The engine as a server uses it (slipstream/serving.h): steps of mixed rows that are enqueued before
the tokens of the last one are known, on pages that the server hands out.

    engine = ServingEngine.load(directory, cache_tokens=65536)
    first = engine.create_sequence(pages=[4, 9], temperature=1.0, seed=7)
    last = engine.enqueue([StepPart(first, prompt)])
    while serving:
        ticket = engine.enqueue([StepPart(first), StepPart(second, piece, sample=False)])
        deliver(engine.wait(last))  # while the next step runs
        last = ticket
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from slipstream._library import library
from slipstream.arguments import integer, integers, seed_bits
from slipstream.engine import Engine, load_options

if TYPE_CHECKING:
    import numpy

# In place of an id: the token that the sequence's last step sampled, wherever it is by now.
LAST_SAMPLED = -1
# Tokens of a page, and what one step can process at most.
PAGE_TOKENS = 64
MAX_STEP_TOKENS = 16
# The most likely tokens whose log probabilities can be asked for.
MAX_LOGPROBS = 20


@dataclasses.dataclass(slots=True)
class StepPart:
    """The tokens of one sequence in a step."""

    sequence: int
    # At least one. LAST_SAMPLED may be the first of them. They are appended.
    ids: list[int] = dataclasses.field(default_factory=lambda: [LAST_SAMPLED])
    # Choose the token after the last of `ids`.
    sample: bool = True
    # Which tokens can be chosen: bit i % 32 of word i / 32 stands for token i. uint32; None: all.
    mask: "numpy.ndarray | None" = None


class TokenLogprobs(NamedTuple):
    """Under the model's logits with the mask, before bias, penalties, temperature and limits."""

    logprob: float  # of the chosen token
    rank: int  # how many tokens are at least as likely
    ids: list[int]  # the most likely tokens
    logprobs: list[float]


class StepToken(NamedTuple):
    """What a step chose for one of its parts."""

    sequence: int
    token: int  # -1: it was not to be sampled
    is_stop: bool
    logprobs: TokenLogprobs | None


class MemoryPlan(NamedTuple):
    """Bytes of device memory of a rank."""

    weight_bytes: int
    cache_bytes: int
    workspace_bytes: int


def device_memory() -> tuple[int, int]:
    """Bytes of the current device: free ones, and all."""
    return tuple(library.device_memory())


class ServingEngine(Engine):
    """An engine whose pages are handed out by its caller, who may let sequences share them."""

    @classmethod
    def load(cls, directory, **options) -> "ServingEngine":
        """The options of Engine.load, and max_adjusted_sequences: how many of the sequences can have
        penalties or a logit bias at a time (16)."""
        return cls._load(directory, **_options(**options))

    @staticmethod
    def plan(directory, **options) -> MemoryPlan:
        """What `load` with these options would take of each device, from the checkpoint alone."""
        return MemoryPlan(**library.engine_plan(str(directory), _options(**options)))

    @property
    def cache_pages(self) -> int:
        return library.engine_cache_pages(self._handle)

    def create_sequence(
        self,
        *,
        pages: Iterable[int] = (),
        length: int = 0,
        given_ids: Iterable[int] = (),
        sampled_ids: Iterable[int] = (),
        logit_bias: Mapping[int, float] | None = None,
        stop_token_ids: Iterable[int] = (),
        seed: int = 0,
        **sampling,
    ) -> int:
        """A sequence on `pages`, of which the first `length` tokens are there already, written by other
        sequences. given_ids and sampled_ids are what penalties count of tokens before its first step.
        `sampling` are the fields of slipstream/sampling.h, `logprobs` among them."""
        biases = dict(logit_bias or {})
        return library.engine_create_sequence(
            self._handle,
            {
                "pages": integers("pages", pages),
                "length": integer("length", length),
                "given_ids": integers("given_ids", given_ids),
                "sampled_ids": integers("sampled_ids", sampled_ids),
                "logit_bias_tokens": integers("logit_bias", biases.keys()),
                "logit_biases": [float(bias) for bias in biases.values()],
                "stop_token_ids": integers("stop_token_ids", stop_token_ids),
                "seed": seed_bits(seed),
                **sampling,
            },
        )

    def append_pages(self, sequence: int, pages: Iterable[int]) -> None:
        library.engine_append_pages(
            self._handle, integer("sequence", sequence), integers("pages", pages)
        )

    def enqueue(self, parts: Sequence[StepPart]) -> int:
        """Enqueues a step, 1 to 16 tokens in all, each part another sequence; a ticket for `wait`."""
        masks = [part.mask for part in parts if part.mask is not None]
        next_row = iter(range(len(masks)))
        return library.engine_enqueue(
            self._handle,
            [part.sequence for part in parts],
            [len(part.ids) for part in parts],
            [token for part in parts for token in part.ids],
            [int(part.sample) for part in parts],
            [-1 if part.mask is None else next(next_row) for part in parts],
            _stacked(masks),
        )

    def wait(self, ticket: int) -> list[StepToken]:
        """What the step chose, one entry for each part. Steps are waited for once, in the order in which
        they were enqueued; the one call that another thread may make while the engine is in use."""
        return [
            StepToken(sequence, token, is_stop, _logprobs(logprobs))
            for sequence, token, is_stop, logprobs in library.engine_wait(self._handle, ticket)
        ]


def _options(*, max_adjusted_sequences: int = MAX_STEP_TOKENS, **options) -> dict:
    return load_options(
        external_pages=True,
        max_adjusted_sequences=integer("max_adjusted_sequences", max_adjusted_sequences),
        **options,
    )


def _stacked(masks: list):
    if not masks:
        return None
    import numpy  # which only masks need

    return numpy.stack(masks).view(numpy.int32)


def _logprobs(found) -> TokenLogprobs | None:
    if found is None:
        return None
    logprob, rank, ids, logprobs = found
    return TokenLogprobs(logprob, rank, list(ids), list(logprobs))
