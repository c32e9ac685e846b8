"""The engine in Python, on the emulated device: the same tokens as `slipstream generate`."""

import threading

import numpy
import pytest
from arrays import device_count
from slipstream import Engine
from slipstream.serving import ServingEngine
from tiny_checkpoint import generated_ids, write_for_ranks

PROMPT = [7, 300, 45, 8, 91, 222, 13]


@pytest.fixture(scope="module")
def engine(checkpoint):
    with Engine.load(checkpoint, cache_tokens=1024) as engine:
        yield engine


@pytest.fixture
def sequence(engine):
    number = engine.create_sequence()
    yield number
    engine.free(number)


def test_says_what_was_loaded(engine):
    assert (engine.vocab_size, engine.num_hidden_layers, engine.hidden_size) == (512, 2, 256)
    assert (engine.eos_token_ids, engine.rank) == ((1,), 0)
    assert engine.weight_bytes > 0
    assert engine.cache_bytes > 0
    assert engine.workspace_bytes > 0


def test_a_stream_is_what_generate_says(engine, checkpoint, sequence):
    expected = generated_ids(checkpoint, PROMPT, 6, "--ignore-eos")
    assert list(engine.stream(sequence, PROMPT, count=6)) == expected


def test_a_seed_gives_generate_s_tokens_next_to_another_sequence(engine, checkpoint, sequence):
    options = ["--ignore-eos", "--temperature", "1.5", "--top-k", "40", "--top-p", "0.9"]
    seed = 2**64 - 3
    expected = generated_ids(checkpoint, PROMPT, 4, *options, "--seed", seed)
    drawn = engine.create_sequence(temperature=1.5, top_k=40, top_p=0.9, seed=seed)
    engine.prefill(sequence, [5])
    tokens = [engine.prefill(drawn, numpy.array(PROMPT))]
    tokens += [engine.step([sequence, drawn])[1] for _ in range(3)]
    engine.free(drawn)
    assert tokens == expected


@pytest.mark.parametrize("drafts", [2, "auto"])
def test_drafts_give_the_same_tokens(checkpoint, drafts):
    options = ["--ignore-eos", "--temperature", "1", "--seed", "5"]
    expected = generated_ids(checkpoint, PROMPT, 6, *options)
    with Engine.load(checkpoint, cache_tokens=256, drafts=drafts) as drafting:
        sequence = drafting.create_sequence(temperature=1, seed=5)
        assert list(drafting.stream(sequence, PROMPT, count=6)) == expected
        assert drafting.draft_statistics()["steps"] > 0


def test_drafts_are_a_number_or_auto(checkpoint):
    with pytest.raises(ValueError, match="drafts must be from 0 to 5, are 6"):
        Engine.load(checkpoint, drafts=6)
    with pytest.raises(ValueError, match='drafts must be an integer or "auto", is'):
        Engine.load(checkpoint, drafts="many")


def test_run_calls_back_with_every_step_until_told_to_stop(engine, sequence):
    first = engine.prefill(sequence, PROMPT)
    seen = []
    engine.run([sequence], 5, lambda tokens: seen.append(tokens) or len(seen) < 3)
    assert len(seen) == 3
    assert engine.length(sequence) == len(PROMPT) + 3
    again = engine.create_sequence()
    assert list(engine.stream(again, PROMPT, count=4)) == [first, *(token for (token,) in seen)]
    engine.free(again)


def test_an_exception_of_a_callback_comes_out_and_leaves_the_sequence_as_it_was(engine, sequence):
    engine.prefill(sequence, PROMPT)

    def fail(_tokens):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        engine.run([sequence], 3, fail)
    assert engine.length(sequence) == len(PROMPT)


def test_a_callback_cannot_call_the_engine(engine, sequence):
    engine.prefill(sequence, PROMPT)
    with pytest.raises(RuntimeError, match="one call at a time"):
        engine.run([sequence], 1, lambda _tokens: engine.length(sequence))


def test_other_threads_run_while_the_engine_works(engine, sequence):
    counted = 0
    stops = False

    def count():
        nonlocal counted
        while not stops:
            counted += 1

    counter = threading.Thread(target=count)
    counter.start()
    before = counted
    engine.prefill(sequence, PROMPT * 4)
    during = counted - before
    stops = True
    counter.join()
    assert during > 100  # a GPU is done within a millisecond or two


def test_logits_are_those_of_the_sampled_token(engine, sequence):
    token = engine.prefill(sequence, PROMPT)
    logits = engine.logits(sequence)
    assert (logits.dtype, logits.shape) == (numpy.float32, (512,))
    assert int(logits.argmax()) == token


def test_a_forced_token_is_the_next_input(engine, sequence):
    engine.prefill(sequence, PROMPT)
    engine.force(sequence, 17)
    (token,) = engine.step([sequence])
    other = engine.create_sequence()
    assert engine.prefill(other, [*PROMPT, 17]) == token
    engine.free(other)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda engine, sequence: engine.prefill(sequence, [512]), "512"),
        (
            lambda engine, sequence: engine.prefill(sequence, [2**40]),
            "ids must be an integer of 32 bits",
        ),
        (
            lambda engine, sequence: engine.prefill(sequence, ["a"]),
            "ids must be a list of integers",
        ),
        (
            lambda engine, sequence: engine.prefill(sequence, numpy.ones(3)),
            "ids must be a list of integers",
        ),
        (lambda engine, sequence: engine.prefill(1.5, [1]), "sequence must be an integer, is 1.5"),
        (lambda engine, sequence: engine.step([sequence]), "must have been prefilled"),
        (lambda engine, sequence: engine.free(12345), "12345"),
        (lambda engine, _: engine.create_sequence(temperature=-1), "temperature"),
        (lambda engine, _: engine.create_sequence(seed=-1), "seed must be from 0"),
        (
            lambda engine, _: engine.create_sequence(top_k=2**40),
            "top_k must be an integer of 32 bits",
        ),
    ],
)
def test_wrong_arguments_are_value_errors_that_name_them(engine, sequence, call, complaint):
    with pytest.raises(ValueError, match=complaint):
        call(engine, sequence)
    assert engine.length(sequence) == 0


def test_a_directory_that_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"config\.json"):
        Engine.load(tmp_path)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"kv_format": "int4"}, "kv_format must be bf16 or fp8, is int4"),
        ({"cache_tokens": 0}, "cache_tokens"),
        ({"cache_tokens": 2**31 + 1}, "cache_tokens must be from 1 to 2147483648"),
        (
            {"cache_tokens": 163840, "max_sequences": 2**20},
            "max_sequences must be at most 838860 where a sequence can have 2560 pages, is 1048576",
        ),
        ({"ranks": 99}, "ranks"),
    ],
)
def test_wrong_load_options_are_named(checkpoint, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        Engine.load(checkpoint, **options)


def test_a_closed_engine_says_so(checkpoint):
    engine = Engine.load(checkpoint, cache_tokens=64)
    engine.close()
    engine.close()
    with pytest.raises(ValueError, match="must be open, was closed"):
        engine.create_sequence()


def test_a_plan_is_what_loading_takes(engine, checkpoint):
    plan = ServingEngine.plan(checkpoint, cache_tokens=1024)
    assert (plan.weight_bytes, plan.cache_bytes) == (engine.weight_bytes, engine.cache_bytes)
    assert plan.workspace_bytes == engine.workspace_bytes


def test_an_unknown_option_is_named(checkpoint):
    with pytest.raises(ValueError, match="load has no option cache_size"):
        Engine.load(checkpoint, cache_size=1)


@pytest.mark.skipif(device_count() < 2, reason="needs two GPUs")
def test_two_ranks_of_threads_are_what_generate_says_of_two(tmp_path):
    model = write_for_ranks(tmp_path)
    expected = generated_ids(model, PROMPT, 3, "--ignore-eos", "--tp", "2")
    with Engine.load(model, cache_tokens=64, max_sequences=1, ranks=2) as engine:
        assert list(engine.stream(engine.create_sequence(), PROMPT, count=3)) == expected
