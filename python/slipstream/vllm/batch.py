"""The schedule of vLLM as steps of the engine.

A request is a sequence of the engine on the pages that vLLM gave it; a step of the scheduler is one
step of the engine. Nothing of vLLM is imported here: its scheduler's output is an argument.
"""

import dataclasses
import secrets
from typing import NamedTuple

import numpy

from slipstream.serving import ServingEngine, StepPart, StepToken
from slipstream.vllm.masks import Masks
from slipstream.vllm.requests import counts_tokens, sampling_of


@dataclasses.dataclass(slots=True)
class Request:
    """A request of vLLM, from its first step until it is finished."""

    params: object  # vllm.SamplingParams
    prompt_length: int
    seed: int
    allowed: numpy.ndarray | None  # the mask of allowed_token_ids
    # What it has been given to compute: its prompt, and what it had sampled before it was preempted.
    ids: list[int]
    computed: int = 0  # the position of its next token
    sequence: int | None = None  # None while it is preempted


class Logprobs(NamedTuple):
    """One row per request: the chosen token first, then the most likely ones."""

    ids: numpy.ndarray  # int32 [requests, 1 + n]
    logprobs: numpy.ndarray  # float32 [requests, 1 + n]
    ranks: numpy.ndarray  # int32 [requests]


class StepResult(NamedTuple):
    request_ids: list[str]
    tokens: list[list[int]]  # one or none of each request
    logprobs: Logprobs | None


class EnqueuedStep:
    """A step on its way."""

    def __init__(self, engine: ServingEngine, ticket: int, request_ids: list[str]):
        self._engine = engine
        self._ticket = ticket
        self._request_ids = request_ids

    def wait(self) -> StepResult:
        found = self._engine.wait(self._ticket)
        tokens = [[entry.token] if entry.token >= 0 else [] for entry in found]
        return StepResult(self._request_ids, tokens, _logprobs_of(found))


class Batch:
    """The requests that vLLM's scheduler has begun and not finished."""

    def __init__(self, engine: ServingEngine):
        self._engine = engine
        self._masks = Masks(engine.vocab_size)
        self._requests: dict[str, Request] = {}
        self._parts: dict[str, StepPart] = {}  # of the step that is being put together

    def schedule(self, output) -> bool:
        """Takes over a SchedulerOutput; False if it has nothing to compute."""
        for request_id in output.finished_req_ids:
            self._finish(request_id)
        for request_id in output.preempted_req_ids or ():
            self._leave_pages(self._requests[request_id])
        for new in output.scheduled_new_reqs:
            self._begin(new)
        self._continue(output.scheduled_cached_reqs)
        self._parts = {
            request_id: self._part(request_id, count)
            for request_id, count in output.num_scheduled_tokens.items()
        }
        return bool(self._parts)

    def enqueue(self, grammar) -> EnqueuedStep:
        """Enqueues what was scheduled last. `grammar` is vLLM's GrammarOutput, or None."""
        if grammar is not None:
            for request_id, row in zip(
                grammar.structured_output_request_ids, grammar.grammar_bitmask, strict=True
            ):
                part = self._parts.get(request_id)
                if part is not None and part.sample:
                    mask = self._masks.of_grammar(row)
                    part.mask = mask if part.mask is None else part.mask & mask
        ticket = self._engine.enqueue(list(self._parts.values()))
        step = EnqueuedStep(self._engine, ticket, list(self._parts))
        self._parts = {}
        return step

    def _finish(self, request_id: str) -> None:
        request = self._requests.pop(request_id, None)
        if request is not None:
            self._leave_pages(request)

    def _leave_pages(self, request: Request) -> None:
        if request.sequence is not None:
            self._engine.free(request.sequence)
            request.sequence = None

    def _begin(self, new) -> None:
        # A request that was preempted may come back as a new one, with what it had sampled.
        request = self._requests.get(new.req_id)
        if request is None:
            request = self._requests[new.req_id] = self._request_of(new)
        ids = getattr(new, "prefill_token_ids", None) or new.prompt_token_ids
        self._take_pages(request, ids, new.num_computed_tokens, new.block_ids)

    def _request_of(self, new) -> Request:
        params = new.sampling_params
        allowed = params.allowed_token_ids
        return Request(
            params=params,
            prompt_length=len(new.prompt_token_ids),
            seed=secrets.randbits(63) if params.seed is None else params.seed % 2**64,
            allowed=None if allowed is None else self._masks.only(allowed),
            ids=[],
        )

    def _continue(self, cached) -> None:
        for index, request_id in enumerate(cached.req_ids):
            request = self._requests[request_id]
            blocks, computed = cached.new_block_ids[index], cached.num_computed_tokens[index]
            if request_id in cached.resumed_req_ids:
                self._take_pages(request, cached.all_token_ids[request_id], computed, blocks)
            elif blocks is not None and blocks[0]:
                self._engine.append_pages(request.sequence, blocks[0])
            if computed != request.computed:
                raise RuntimeError(
                    f"request {request_id}: the scheduler has computed {computed} tokens, the engine {request.computed}"
                )

    def _take_pages(self, request: Request, ids: list[int], computed: int, blocks) -> None:
        self._leave_pages(request)
        request.ids, request.computed = list(ids), computed
        history = {}
        if counts_tokens(request.params):
            history["given_ids"] = request.ids[: min(computed, request.prompt_length)]
            history["sampled_ids"] = request.ids[request.prompt_length :]
        request.sequence = self._engine.create_sequence(
            pages=blocks[0], length=computed, **history, **sampling_of(request.params, request.seed)
        )

    def _part(self, request_id: str, count: int) -> StepPart:
        request = self._requests[request_id]
        first, last = request.computed, request.computed + count
        request.computed = last
        if first >= len(request.ids):
            if count != 1:
                raise RuntimeError(
                    f"request {request_id}: {count} tokens are scheduled after the last known one"
                )
            return StepPart(request.sequence, mask=self._mask(request))
        samples = last >= len(request.ids)
        return StepPart(
            request.sequence,
            request.ids[first:last],
            sample=samples,
            mask=self._mask(request) if samples else None,
        )

    def _mask(self, request: Request) -> numpy.ndarray | None:
        sampled_before = request.computed - request.prompt_length
        if sampled_before >= request.params.min_tokens:
            return request.allowed
        no_stop = self._masks.without(request.params.all_stop_token_ids)
        return no_stop if request.allowed is None else no_stop & request.allowed


def _logprobs_of(found: list[StepToken]) -> Logprobs | None:
    wanted = [entry.logprobs for entry in found]
    if not any(wanted):
        return None
    width = max(len(logprobs.ids) for logprobs in wanted if logprobs is not None)
    ids = numpy.zeros((len(found), 1 + width), numpy.int32)
    values = numpy.full((len(found), 1 + width), -numpy.inf, numpy.float32)
    ranks = numpy.zeros(len(found), numpy.int32)
    for row, (entry, logprobs) in enumerate(zip(found, wanted, strict=True)):
        if logprobs is None:
            continue
        count = 1 + len(logprobs.ids)
        ids[row, :count] = [entry.token, *logprobs.ids]
        values[row, :count] = [logprobs.logprob, *logprobs.logprobs]
        ranks[row] = logprobs.rank
    return Logprobs(ids, values, ranks)
