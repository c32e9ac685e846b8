"""vLLM's whole server on our engine, asked through the `openai` client: tokens equal to the engine alone."""

import concurrent.futures
import json
import math
import struct
import time

import openai
import pytest
from slipstream.chat import deepseek_v32
from tiny_checkpoint import run_program
from tiny_tokenizer import SPECIAL, token_of_byte

PROMPT = [7, 300, 45, 8, 91, 222, 13]


def alone(checkpoint, prompt, count, *options):
    """What the engine alone says: `slipstream generate`."""
    ids = ",".join(map(str, prompt))
    arguments = ["--prompt-ids", ids, "-n", count, "--ignore-eos", "--json", *options]
    return json.loads(run_program("slipstream", "generate", checkpoint, *arguments))["tokens"]


def complete(client, prompt, count, **options):
    extra = {"ignore_eos": True, "return_token_ids": True} | options.pop("extra_body", {})
    return client.completions.create(
        model="tiny",
        prompt=prompt,
        max_tokens=count,
        temperature=options.pop("temperature", 0),
        extra_body=extra,
        **options,
    )


def token_ids(completion):
    return completion.choices[0].token_ids


def prompt_of_user(user, length):
    return [(user * 37 + index * 11) % 500 + 8 for index in range(length)]


def test_it_is_healthy_and_says_what_it_serves(server, client):
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert server.metric("vllm:num_requests_running") == 0


def test_a_completion_is_what_the_engine_alone_says(client, checkpoint):
    assert token_ids(complete(client, PROMPT, 5)) == alone(checkpoint, PROMPT, 5)


def test_a_prompt_longer_than_a_step_goes_in_pieces(client, checkpoint):
    prompt = prompt_of_user(1, 39)
    assert token_ids(complete(client, prompt, 3)) == alone(checkpoint, prompt, 3)


def test_a_stream_is_the_same_text_in_pieces(client):
    whole = complete(client, PROMPT, 6).choices[0].text
    chunks = list(complete(client, PROMPT, 6, stream=True))
    assert len(chunks) > 1
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole


def test_a_seed_draws_what_the_engine_alone_draws(client, checkpoint):
    options = ["--temperature", 1.5, "--top-p", 0.9, "--top-k", 40, "--seed", 11]
    drawn = complete(
        client, PROMPT, 5, temperature=1.5, top_p=0.9, seed=11, extra_body={"top_k": 40}
    )
    assert token_ids(drawn) == alone(checkpoint, PROMPT, 5, *options)


def test_sixteen_users_join_and_leave_and_each_gets_its_own_tokens(client, checkpoint):
    def user(number):
        prompt = prompt_of_user(number, 3 + number)
        return prompt, token_ids(complete(client, prompt, 2 + number % 5))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(user, range(16)))
    for prompt, tokens in answers[::5]:
        assert tokens == alone(checkpoint, prompt, len(tokens))
    assert [len(tokens) for _, tokens in answers] == [2 + number % 5 for number in range(16)]


def test_few_pages_force_a_preemption_that_changes_no_token(server, client, checkpoint):
    """Eleven prompts of a page each, all of which are still going when the last needs its second, and there are 21.

    Whole prompts have room: newer versions of vLLM let nobody in who has none.
    """
    before = server.metric("vllm:num_preemptions_total")
    prompts = [prompt_of_user(100 + number, 60) for number in range(11)]
    # One request, so that they meet however fast the device is.
    answers = complete(client, prompts, 74).choices
    assert server.metric("vllm:num_preemptions_total") > before
    assert [len(answer.token_ids) for answer in answers] == [74] * 11
    last = max(answers, key=lambda answer: answer.index)  # vLLM preempts who came last
    assert last.token_ids[:20] == alone(checkpoint, prompts[-1], 20)


def test_a_prefix_that_is_there_is_not_computed_again(server, client, checkpoint):
    prompt = prompt_of_user(300, 67)
    first = token_ids(complete(client, prompt, 3))
    before = server.metric("vllm:prefix_cache_hits_total")
    again = token_ids(complete(client, prompt, 3))
    assert server.metric("vllm:prefix_cache_hits_total") == before + 64
    assert first == again == alone(checkpoint, prompt, 3)


def test_a_client_that_leaves_is_forgotten(server, client):
    stream = complete(client, PROMPT, 400, stream=True)
    next(iter(stream))
    stream.close()
    end = time.monotonic() + 120
    while server.metric("vllm:num_requests_running") and time.monotonic() < end:
        time.sleep(0.5)
    assert server.metric("vllm:num_requests_running") == 0
    assert server.metric("vllm:generation_tokens_total") > 0


def test_logprobs_are_those_of_the_engine_s_logits(client, checkpoint, tmp_path):
    completion = complete(
        client, PROMPT, 2, logprobs=3, extra_body={"return_tokens_as_token_ids": True}
    )
    expected = alone(checkpoint, PROMPT, 2, "--logits", tmp_path / "logits")
    found = completion.choices[0].logprobs
    assert found.tokens == [f"token_id:{token}" for token in expected]
    for row, token, logprob, top in zip(
        rows_of(tmp_path / "logits"),
        expected,
        found.token_logprobs,
        found.top_logprobs,
        strict=True,
    ):
        total = math.log(sum(math.exp(logit) for logit in row))
        assert logprob == pytest.approx(row[token] - total, abs=1e-4)
        best = sorted(range(len(row)), key=lambda token, row=row: -row[token])[:3]
        assert list(top)[:3] == [f"token_id:{token}" for token in best]


def rows_of(path):
    """The one fp32 matrix of a safetensors file."""
    data = path.read_bytes()
    (header,) = struct.unpack_from("<Q", data)
    rows, columns = json.loads(data[8 : 8 + header])["logits"]["shape"]
    return [
        struct.unpack_from(f"<{columns}f", data, 8 + header + row * columns * 4)
        for row in range(rows)
    ]


WEATHER = {
    "type": "object",
    "properties": {"city": {"enum": ["Oslo", "Rome"]}, "rain": {"type": "boolean"}},
    "required": ["city", "rain"],
    "additionalProperties": False,
}


def ask_for_weather(client, **options):
    """`strict`: without it 0.33.0 holds a call to its form only, not to the schema."""
    function = {"name": "weather", "parameters": WEATHER, "strict": True}
    return client.chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": "Weather?"}],
        tools=[{"type": "function", "function": function}],
        # A call as DeepSeek writes it is some 270 bytes, each a token here.
        max_tokens=320,
        temperature=0,
        # The grammar allows any number of spaces between the parts of a call: this model would never stop.
        logit_bias={str(token_of_byte(byte)): -100 for byte in b"\t\n\r "},
        **options,
    )


def assert_weather(function_name, arguments):
    assert function_name == "weather"
    found = json.loads(arguments)
    assert sorted(found) == ["city", "rain"]
    assert found["city"] in ("Oslo", "Rome")
    assert found["rain"] in (True, False)


def test_a_tool_call_has_the_tool_s_schema(client):
    choice = {"type": "function", "function": {"name": "weather"}}
    (answer,) = ask_for_weather(client, tool_choice=choice).choices
    (call,) = answer.message.tool_calls
    assert answer.finish_reason != "length"
    assert_weather(call.function.name, call.function.arguments)


def test_a_tool_call_that_is_required_streams_in_pieces(client):
    stream = ask_for_weather(client, tool_choice="required", parallel_tool_calls=False, stream=True)
    calls = [
        call
        for chunk in stream
        for choice in chunk.choices
        for call in choice.delta.tool_calls or ()
    ]
    assert {call.index for call in calls} == {0}
    names = [call.function.name for call in calls if call.function.name]
    pieces = [call.function.arguments for call in calls if call.function.arguments]
    assert len(pieces) > 1
    assert_weather(*names, "".join(pieces))


# Of what a model thinks and says here: a few letters and the end of the thought, drawn almost evenly.
LETTERS = [token_of_byte(byte) for byte in b"abcdefg"]
END_OF_THOUGHT = SPECIAL.index(deepseek_v32.END_OF_THOUGHT)


def think(client, seed, **options):
    return client.chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": "Hello"}],
        max_tokens=12,
        temperature=2,
        seed=seed,
        extra_body={
            "allowed_token_ids": [*LETTERS, END_OF_THOUGHT],
            "chat_template_kwargs": {"thinking": True},
            "return_token_ids": True,
            "ignore_eos": True,
        },
        **options,
    )


def test_a_thought_is_told_from_the_answer_also_in_a_stream(client):
    for seed in range(40):
        (whole,) = think(client, seed).choices
        ids = whole.token_ids
        if ids.count(END_OF_THOUGHT) == 1 and END_OF_THOUGHT in ids[2:-2]:
            break
    end = ids.index(END_OF_THOUGHT)
    thought, said = (
        "".join(chr(token - token_of_byte(0)) for token in part)
        for part in (ids[:end], ids[end + 1 :])
    )
    assert (whole.message.reasoning, whole.message.content) == (thought, said)
    chunks = think(client, seed, stream=True)
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert sum(1 for delta in deltas if delta.content) > 1
    assert "".join(getattr(delta, "reasoning", None) or "" for delta in deltas) == thought
    assert "".join(delta.content or "" for delta in deltas) == said


def test_a_bias_forbids_a_token(client, checkpoint):
    (first,) = alone(checkpoint, PROMPT, 1)
    assert token_ids(complete(client, PROMPT, 1, logit_bias={str(first): -100})) != [first]


def test_what_is_not_supported_is_refused_by_name(client):
    with pytest.raises(openai.BadRequestError, match="prompt_logprobs"):
        complete(client, PROMPT, 1, extra_body={"prompt_logprobs": 1})
    assert len(token_ids(complete(client, PROMPT, 1))) == 1  # the connection goes on
