"""What the plug-in sees of vLLM, without vLLM: its scheduler's output as vLLM 0.23 and 0.33 send it, and an engine that
answers by a rule and refuses what the real one refuses."""

from types import SimpleNamespace

from slipstream.serving import LAST_SAMPLED, PAGE_TOKENS, StepToken, TokenLogprobs

VOCAB_SIZE = 70


def params(**changes):
    values = {
        "temperature": 0.0,
        "top_k": 0,
        "top_p": 1.0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "logprobs": None,
        "logit_bias": None,
        "seed": None,
        "allowed_token_ids": None,
        "min_tokens": 0,
        "all_stop_token_ids": set(),
    }
    return SimpleNamespace(**values | changes)


def new_request(req_id, prompt, blocks, *, computed=0, **changes):
    return SimpleNamespace(
        req_id=req_id,
        prompt_token_ids=prompt,
        sampling_params=params(**changes),
        block_ids=(blocks,),
        num_computed_tokens=computed,
    )


def cached(**requests):
    """name=(computed tokens, new blocks or None) or, resumed, (computed tokens, blocks, all token ids)."""
    resumed = {name: values[2] for name, values in requests.items() if len(values) == 3}
    return SimpleNamespace(
        req_ids=list(requests),
        resumed_req_ids=set(resumed),
        all_token_ids=resumed,
        new_block_ids=[None if values[1] is None else (values[1],) for values in requests.values()],
        num_computed_tokens=[values[0] for values in requests.values()],
    )


def schedule(*, new=(), running=None, tokens, finished=(), preempted=None):
    return SimpleNamespace(
        scheduled_new_reqs=list(new),
        scheduled_cached_reqs=running or cached(),
        num_scheduled_tokens=tokens,
        finished_req_ids=set(finished),
        preempted_req_ids=preempted,
    )


def grammar(**rows):
    return SimpleNamespace(
        structured_output_request_ids=list(rows), grammar_bitmask=list(rows.values())
    )


class Engine:
    """The token after a sequence is the sum of its tokens, and its length, modulo the vocabulary; a mask moves it up to
    the next one that is allowed."""

    vocab_size = VOCAB_SIZE

    def __init__(self):
        self.created = []  # the options of each sequence
        self.steps = []  # [(sequence, ids, sample)] of each step
        self.cache = {}  # (page, offset): id
        self._alive = {}
        self._results = {}

    def create_sequence(self, *, pages, length, logprobs=-1, **options):
        assert length <= len(pages) * PAGE_TOKENS
        self.created.append(options)
        sequence = len(self.created)
        ids = [
            self.cache[pages[position // PAGE_TOKENS], position % PAGE_TOKENS]
            for position in range(length)
        ]
        self._alive[sequence] = SimpleNamespace(
            pages=list(pages), ids=ids, sampled=None, logprobs=logprobs
        )
        return sequence

    def append_pages(self, sequence, pages):
        self._alive[sequence].pages += pages

    def free(self, sequence):
        del self._alive[sequence]

    @property
    def alive(self):
        return len(self._alive)

    def enqueue(self, parts):
        assert 1 <= sum(len(part.ids) for part in parts) <= 16
        self.steps.append([(part.sequence, part.ids, part.sample) for part in parts])
        ticket = len(self.steps)
        self._results[ticket] = [self._compute(part) for part in parts]
        return ticket

    def wait(self, ticket):
        return self._results.pop(ticket)

    def _compute(self, part):
        state = self._alive[part.sequence]
        for token in part.ids:
            if token == LAST_SAMPLED:
                assert state.sampled is not None, "no token has been sampled"
                token = state.sampled
            position = len(state.ids)
            self.cache[state.pages[position // PAGE_TOKENS], position % PAGE_TOKENS] = token
            state.ids.append(token)
        state.sampled = token_after(state.ids, part.mask) if part.sample else None
        if state.sampled is None:
            return StepToken(part.sequence, -1, False, None)
        logprobs = None
        if state.logprobs >= 0:
            top = list(range(state.logprobs))
            logprobs = TokenLogprobs(-0.5, 3, top, [-1.0 - token for token in top])
        return StepToken(part.sequence, state.sampled, False, logprobs)


def token_after(ids, mask=None):
    token = (sum(ids) + len(ids)) % VOCAB_SIZE
    while mask is not None and not mask[token // 32] >> (token % 32) & 1:
        token = (token + 1) % VOCAB_SIZE
    return token


def continuation(prompt, count):
    ids = list(prompt)
    for _ in range(count):
        ids.append(token_after(ids))
    return ids[len(prompt) :]
