"""The engine: a DeepSeek-V3.2 or GLM-5 checkpoint in, tokens out.

    with slipstream.Engine.load("GLM-5.2-FP8", cache_tokens=65536) as engine:
        sequence = engine.create_sequence(temperature=0.7, top_p=0.95, seed=1)
        for token in engine.stream(sequence, prompt, count=256, stop=engine.eos_token_ids):
            print(token)

Token ids go in as lists, numpy arrays or anything else of integers; they come out as ints. Wrong
arguments are a ValueError that says what the argument must be and what it is; failures of the device
or of another rank are a RuntimeError, and close the engine. Python's lock is free while the engine
works. An engine is used by one call at a time: a second thread's call is a RuntimeError.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from slipstream._library import library
from slipstream.arguments import integer, integers, seed_bits


class Engine:
    """A loaded checkpoint with its caches. `Engine.load` makes one."""

    def __init__(self, handle):
        self._handle = handle
        facts = library.engine_facts(handle)
        self.vocab_size: int = facts["vocab_size"]
        self.num_hidden_layers: int = facts["num_hidden_layers"]
        self.hidden_size: int = facts["hidden_size"]
        self.max_position_embeddings: int = facts["max_position_embeddings"]
        self.eos_token_ids: tuple[int, ...] = tuple(facts["eos_token_ids"])
        # Of this process: 0 where ranks are threads, and where there is one.
        self.rank: int = facts["rank"]
        # Bytes of device memory of a rank, taken at load.
        self.weight_bytes: int = facts["weight_bytes"]
        self.cache_bytes: int = facts["cache_bytes"]
        self.workspace_bytes: int = facts["workspace_bytes"]

    @classmethod
    def load(cls, directory, **options) -> "Engine":
        """Reads config.json and the safetensors in `directory`, and takes all memory there will be. The
        options are those of `load_options`."""
        return cls._load(directory, **load_options(**options))

    @classmethod
    def _load(cls, directory, **options) -> "Engine":
        return cls(library.engine_load(str(directory), options))

    def close(self) -> None:
        """Gives all memory back; whatever is asked afterwards is a ValueError."""
        library.engine_close(self._handle)

    def __enter__(self):
        return self

    def __exit__(self, *_exception) -> None:
        self.close()

    def draft_statistics(self) -> dict:
        """How drafts fared since the engine was loaded: "steps" in which any were judged (one for each
        sequence), "tokens" that these chose, and of draft j + 1 how often it was "checked", those before it
        having been right, and "accepted"."""
        facts = library.engine_draft_statistics(self._handle)
        return {
            "steps": facts["steps"],
            "tokens": facts["tokens"],
            "checked": list(facts["checked"]),
            "accepted": list(facts["accepted"]),
        }

    def follow(self) -> None:
        """For processes other than rank 0: takes part in what rank 0's engine is asked, until it goes."""
        library.engine_follow(self._handle)

    def create_sequence(
        self,
        *,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        presence_penalty: float = 0.0,
        frequency_penalty: float = 0.0,
    ) -> int:
        """An empty sequence: its number. temperature 0 is greedy; a seed gives the same tokens whatever
        else is in the batch."""
        sampling = {
            "temperature": float(temperature),
            "top_k": integer("top_k", top_k),
            "top_p": float(top_p),
            "seed": seed_bits(seed),
            "min_p": float(min_p),
            "repetition_penalty": float(repetition_penalty),
            "presence_penalty": float(presence_penalty),
            "frequency_penalty": float(frequency_penalty),
        }
        return library.engine_create_sequence(self._handle, sampling)

    def free(self, sequence: int) -> None:
        """Gives the sequence's pages back. Its number is never used again."""
        library.engine_free(self._handle, integer("sequence", sequence))

    def length(self, sequence: int) -> int:
        """Tokens in its cache: the position of the next one."""
        return library.engine_length(self._handle, integer("sequence", sequence))

    def prefill(self, sequence: int, ids: Iterable[int]) -> int:
        """Appends `ids`, in chunks of up to 16, and returns the token sampled after the last one."""
        return library.engine_prefill(
            self._handle, integer("sequence", sequence), integers("ids", ids)
        )

    def step(self, sequences: Iterable[int]) -> list[int]:
        """One step of 1 to 16 different sequences; the tokens sampled, in the same order. With drafts the
        next calls may have their tokens already, and take no step."""
        return list(library.engine_step(self._handle, integers("sequences", sequences)))

    def run(
        self,
        sequences: Iterable[int],
        count: int,
        on_tokens: Callable[[Sequence[int]], bool | None],
    ) -> None:
        """`count` tokens of each of the sequences, by steps enqueued ahead. on_tokens gets one token of
        each sequence at a time and may return False to stop; it cannot call the engine. If it raises,
        the sequences are as they were before."""
        library.engine_run(
            self._handle,
            integers("sequences", sequences),
            integer("count", count),
            lambda tokens: on_tokens(list(tokens)) is not False,
        )

    def force(self, sequence: int, token: int) -> None:
        """Makes `token` the next step's input in place of the sampled one."""
        library.engine_force(self._handle, integer("sequence", sequence), integer("token", token))

    def logits(self, sequence: int):
        """Logits after the sequence's last token, a numpy array float32 [vocab_size]; it must have taken
        part in the last prefill, step or run."""
        import numpy  # which nothing else here needs

        result = numpy.empty(self.vocab_size, numpy.float32)
        library.engine_logits(self._handle, integer("sequence", sequence), result)
        return result

    def stream(
        self, sequence: int, ids: Iterable[int], *, count: int, stop: Collection[int] = ()
    ) -> Iterator[int]:
        """Appends `ids` and yields up to `count` tokens as they come, the last one being the first of
        `stop`. Other sequences may be used between two of them."""
        token = self.prefill(sequence, ids)
        for produced in range(1, integer("count", count) + 1):
            yield token
            if token in stop or produced == count:
                return
            (token,) = self.step([sequence])


def load_options(
    *,
    kv_format: str = "bf16",
    cache_tokens: int = 8192,
    max_sequences: int = 16,
    drafts: int | str = 0,
    fp8_draft_head: bool = True,
    ranks: int | str = 1,
    poll_limit: float = 10.0,
    step_limit: float = 0.0,
    trace_launches: bool = False,
    lora_norm_eps: float | None = None,
    index_hadamard: bool = True,
    graphs: bool = True,
    on_progress: Callable[[int, int, int, float], None] | None = None,
    **serving,
) -> dict:
    """kv_format: rows of the latent cache, "bf16" or "fp8". cache_tokens: what all living sequences can
    hold together. drafts: tokens that the model's MTP layer drafts ahead in a step, 0 to 5, or "auto": as
    many as give the most tokens per second (docs/mtp.md). fp8_draft_head: drafts are chosen with a copy of
    the head as e4m3, sooner than with the head itself. ranks: GPUs that share the model, each with a
    thread of this process; or "environment": this process is one of WORLD_SIZE, as torchrun starts them
    (those other than rank 0 call `follow`). step_limit: seconds after which a step that has not ended is
    an error, 0: none; trace_launches: the error names the launch that hangs. on_progress(rank, bytes,
    total_bytes, seconds) is called every two seconds."""
    for name in serving.keys() - {"external_pages", "max_adjusted_sequences"}:
        raise ValueError(f"load has no option {name}")
    return {
        "kv_format": kv_format,
        "cache_tokens": integer("cache_tokens", cache_tokens),
        "max_sequences": integer("max_sequences", max_sequences),
        "poll_limit": float(poll_limit),
        "step_limit": float(step_limit),
        "trace_launches": bool(trace_launches),
        "lora_norm_eps": lora_norm_eps,
        "index_hadamard": bool(index_hadamard),
        "graphs": bool(graphs),
        "fp8_draft_head": bool(fp8_draft_head),
        "on_progress": on_progress,
        **_draft_options(drafts),
        **_rank_options(ranks),
        **serving,
    }


MAX_DRAFTS = 5


def _draft_options(drafts) -> dict:
    if drafts == "auto":
        return {"drafts": MAX_DRAFTS, "adaptive_drafts": True}
    if isinstance(drafts, str):
        raise ValueError(f'drafts must be an integer or "auto", is {drafts!r}')
    return {"drafts": integer("drafts", drafts)}


def _rank_options(ranks) -> dict:
    if ranks == "environment":
        return {"ranks_from_environment": True}
    return {"ranks": integer("ranks", ranks)}
