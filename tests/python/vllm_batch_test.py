"""Schedules of vLLM as steps of the engine: recorded schedules, without vLLM."""

import numpy
import pytest
from slipstream.serving import LAST_SAMPLED
from slipstream.vllm.batch import Batch
from vllm_fakes import (
    VOCAB_SIZE,
    Engine,
    cached,
    continuation,
    grammar,
    new_request,
    schedule,
    token_after,
)

PROMPT = list(range(20))


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def batch(engine):
    return Batch(engine)


def step(batch, output, grammar_output=None):
    assert batch.schedule(output)
    return batch.enqueue(grammar_output)


def test_a_prompt_in_pieces_is_sampled_after_the_last(engine, batch):
    first = step(batch, schedule(new=[new_request("a", PROMPT, [3])], tokens={"a": 16})).wait()
    last = step(batch, schedule(running=cached(a=(16, None)), tokens={"a": 4})).wait()
    assert (first.request_ids, first.tokens) == (["a"], [[]])
    assert last.tokens == [continuation(PROMPT, 1)]
    assert engine.steps == [[(1, PROMPT[:16], False)], [(1, PROMPT[16:], True)]]


def test_a_step_is_enqueued_before_the_last_one_s_token_is_known(engine, batch):
    first = step(batch, schedule(new=[new_request("a", [5], [1])], tokens={"a": 1}))
    second = step(batch, schedule(running=cached(a=(1, None)), tokens={"a": 1}))
    assert engine.steps[1] == [(1, [LAST_SAMPLED], True)]
    assert first.wait().tokens + second.wait().tokens == [[token] for token in continuation([5], 2)]


def test_decode_rows_and_a_piece_of_a_prompt_share_a_step(engine, batch):
    step(batch, schedule(new=[new_request("a", [5], [1])], tokens={"a": 1})).wait()
    mixed = schedule(
        new=[new_request("b", PROMPT, [2])], running=cached(a=(1, None)), tokens={"a": 1, "b": 15}
    )
    result = step(batch, mixed).wait()
    assert result.request_ids == ["a", "b"]
    assert result.tokens == [continuation([5], 2)[1:], []]


def test_a_request_that_waits_for_a_step_goes_on_with_its_own_token(engine, batch):
    new = [new_request("a", [5], [1]), new_request("b", [9], [2])]
    step(batch, schedule(new=new, tokens={"a": 1, "b": 1})).wait()
    step(batch, schedule(running=cached(b=(1, None)), tokens={"b": 1})).wait()
    result = step(
        batch, schedule(running=cached(a=(1, None), b=(2, None)), tokens={"a": 1, "b": 1})
    ).wait()
    assert result.tokens == [continuation([5], 2)[1:], continuation([9], 3)[2:]]


def test_new_pages_are_appended(engine, batch):
    prompt = list(range(64))
    pieces = [schedule(new=[new_request("a", prompt, [7])], tokens={"a": 16})]
    pieces += [schedule(running=cached(a=(done, None)), tokens={"a": 16}) for done in (16, 32, 48)]
    for piece in pieces:
        step(batch, piece).wait()
    step(batch, schedule(running=cached(a=(64, [4])), tokens={"a": 1})).wait()
    assert engine.cache[4, 0] == continuation(prompt, 1)[0]


def test_a_prefix_of_another_request_is_not_computed_again(engine, batch):
    prompt = list(range(64))
    step(batch, schedule(new=[new_request("a", prompt[:16], [7])], tokens={"a": 16})).wait()
    for done in (16, 32, 48):  # what vLLM would have the first request do
        engine.cache |= {(7, position): prompt[position] for position in range(done, done + 16)}
    hit = new_request("b", [*prompt, 69], [7, 8], computed=64)
    assert step(batch, schedule(new=[hit], tokens={"b": 1})).wait().tokens == [
        continuation([*prompt, 69], 1)
    ]
    assert engine.steps[-1] == [(2, [69], True)]


def test_a_finished_or_aborted_request_gives_its_sequence_back(engine, batch):
    step(batch, schedule(new=[new_request("a", [5], [1])], tokens={"a": 1}))
    assert not batch.schedule(schedule(tokens={}, finished=["a"]))
    assert engine.alive == 0


def test_a_request_that_was_aborted_before_it_began_is_nobody_s(batch):
    assert not batch.schedule(schedule(tokens={}, finished=["never seen"]))


class TestPreemption:
    def preempt(self, batch, **options):
        step(
            batch, schedule(new=[new_request("a", [5, 6], [1], **options)], tokens={"a": 2})
        ).wait()
        step(batch, schedule(running=cached(a=(2, None)), tokens={"a": 1})).wait()
        assert not batch.schedule(schedule(tokens={}, preempted={"a"}))
        return [5, 6, *continuation([5, 6], 2)]

    def test_a_preempted_request_computes_what_it_had_again(self, engine, batch):
        known = self.preempt(batch)
        assert engine.alive == 0
        resumed = schedule(running=cached(a=(0, [9], known)), tokens={"a": 4})
        assert step(batch, resumed).wait().tokens == [continuation([5, 6], 3)[2:]]
        assert engine.steps[-1] == [(2, known, True)]

    def test_it_may_come_back_as_a_new_request(self, engine, batch):
        known = self.preempt(batch, temperature=1.0)
        again = new_request("a", [5, 6], [9], temperature=1.0)
        again.prefill_token_ids = known
        assert step(batch, schedule(new=[again], tokens={"a": 4})).wait().tokens == [
            continuation([5, 6], 3)[2:]
        ]
        assert engine.created[0]["seed"] == engine.created[1]["seed"]

    def test_what_penalties_count_comes_back_too(self, engine, batch):
        known = self.preempt(batch, presence_penalty=1.0)
        step(batch, schedule(running=cached(a=(0, [9], known)), tokens={"a": 4})).wait()
        assert (engine.created[1]["given_ids"], engine.created[1]["sampled_ids"]) == ([], known[2:])


class TestSampling:
    def created(self, engine, batch, **options):
        step(batch, schedule(new=[new_request("a", [5], [1], **options)], tokens={"a": 1}))
        return engine.created[0]

    def test_a_temperature_that_vllm_takes_for_greedy_is_zero(self, engine, batch):
        assert self.created(engine, batch, temperature=1e-6)["temperature"] == 0.0

    def test_all_options_reach_the_sequence(self, engine, batch):
        options = {"temperature": 0.5, "top_k": -1, "top_p": 0.9, "min_p": 0.1, "seed": -2}
        options |= {"repetition_penalty": 1.1, "presence_penalty": 0.2, "frequency_penalty": 0.3}
        created = self.created(engine, batch, logit_bias={"4": 2}, **options)
        expected = options | {"top_k": 0, "seed": 2**64 - 2, "logit_bias": {4: 2.0}}
        assert {name: created[name] for name in expected} == expected

    def test_requests_without_a_seed_get_different_ones(self, engine, batch):
        new = [
            new_request("a", [5], [1], temperature=1.0),
            new_request("b", [5], [2], temperature=1.0),
        ]
        step(batch, schedule(new=new, tokens={"a": 1, "b": 1}))
        assert engine.created[0]["seed"] != engine.created[1]["seed"]


class TestMasks:
    def first_token(self, batch, grammar_output=None, **options):
        new = new_request("a", [5], [1], **options)
        return step(batch, schedule(new=[new], tokens={"a": 1}), grammar_output).wait().tokens[0][0]

    def test_without_one_the_rule_s_token_comes(self, batch):
        assert self.first_token(batch) == token_after([5])

    def test_allowed_tokens_are_the_only_ones(self, batch):
        assert self.first_token(batch, allowed_token_ids=[3, 69]) == 69

    def test_a_stop_token_cannot_come_before_min_tokens(self, batch):
        unwanted = token_after([5])
        options = {"min_tokens": 1, "all_stop_token_ids": {unwanted, 10**6}}
        assert self.first_token(batch, **options) == unwanted + 1

    def test_a_stop_token_can_come_after_min_tokens(self, batch):
        self.first_token(batch, min_tokens=1, all_stop_token_ids=set(range(VOCAB_SIZE - 1)))
        result = step(batch, schedule(running=cached(a=(1, None)), tokens={"a": 1})).wait()
        assert result.tokens == [[token_after([5, VOCAB_SIZE - 1])]]

    def test_a_grammar_s_row_is_its_request_s(self, batch):
        row = numpy.zeros(4, numpy.int32)  # vLLM may have more words than the vocabulary needs
        row[1] = -(2**31)  # token 63
        new = [new_request("a", [5], [1]), new_request("b", [9], [2])]
        result = step(batch, schedule(new=new, tokens={"a": 1, "b": 1}), grammar(b=row)).wait()
        assert result.tokens == [[token_after([5])], [63]]

    def test_a_grammar_and_allowed_tokens_must_both_allow(self, batch):
        row = numpy.full(3, -1, numpy.int32)
        row[0] &= ~(1 << 3)
        assert self.first_token(batch, grammar(a=row), allowed_token_ids=[3, 4]) == 4

    def test_tokens_beyond_the_vocabulary_are_not_allowed(self, engine, batch):
        row = numpy.full(3, -1, numpy.int32)
        batch.schedule(schedule(new=[new_request("a", [5], [1])], tokens={"a": 1}))
        masks = []
        real = engine.enqueue
        engine.enqueue = lambda parts: masks.extend(part.mask for part in parts) or real(parts)
        batch.enqueue(grammar(a=row))
        assert [int(word) for word in masks[0]] == [
            2**32 - 1,
            2**32 - 1,
            2 ** (VOCAB_SIZE - 64) - 1,
        ]


def test_logprobs_are_a_row_per_request_with_the_chosen_token_first(batch):
    new = [
        new_request("a", [5], [1], logprobs=2),
        new_request("b", [9], [2]),
        new_request("c", [9], [3], logprobs=0),
    ]
    result = step(batch, schedule(new=new, tokens={"a": 1, "b": 1, "c": 1})).wait()
    ids, logprobs, ranks = result.logprobs
    assert ids.tolist() == [[token_after([5]), 0, 1], [0, 0, 0], [token_after([9]), 0, 0]]
    assert logprobs[0].tolist() == [-0.5, -1.0, -2.0]
    assert logprobs[2].tolist() == [-0.5, -numpy.inf, -numpy.inf]
    assert ranks.tolist() == [3, 0, 3]


def test_nobody_asks_for_logprobs_and_there_are_none(batch):
    assert (
        step(batch, schedule(new=[new_request("a", [5], [1])], tokens={"a": 1})).wait().logprobs
        is None
    )


class TestDisagreement:
    def test_another_number_of_computed_tokens_is_an_error_that_names_both(self, batch):
        step(batch, schedule(new=[new_request("a", PROMPT, [1])], tokens={"a": 16})).wait()
        with pytest.raises(
            RuntimeError, match="request a: the scheduler has computed 15 tokens, the engine 16"
        ):
            batch.schedule(schedule(running=cached(a=(15, None)), tokens={"a": 4}))

    def test_several_tokens_after_the_last_known_one_are_an_error(self, batch):
        step(batch, schedule(new=[new_request("a", [5], [1])], tokens={"a": 1})).wait()
        with pytest.raises(RuntimeError, match="request a: 2 tokens are scheduled"):
            batch.schedule(schedule(running=cached(a=(1, None)), tokens={"a": 2}))
