"""Two GPUs inside vLLM: ranks that are threads of the one worker; and what is seen where one of them does not answer."""

import json
import time

import openai
import pytest
import tiny_checkpoint
import tiny_tokenizer
from conftest import started_server

TWO_DEVICES = {"SLIPSTREAM_EMULATOR_DEVICES": "2"}
PROMPT = [7, 300, 45, 8, 91, 222, 13]


@pytest.fixture(scope="module")
def shared_checkpoint(tmp_path_factory):
    checkpoint = tiny_checkpoint.write_for_ranks(tmp_path_factory.mktemp("shared"))
    tiny_tokenizer.write(checkpoint)
    return checkpoint


def complete(client, prompt, count):
    answer = client.completions.create(
        model="tiny",
        prompt=prompt,
        max_tokens=count,
        temperature=0,
        extra_body={"ignore_eos": True, "return_token_ids": True},
    )
    return answer.choices[0].token_ids


def test_two_ranks_say_what_two_ranks_of_the_engine_say(
    shared_checkpoint, tmp_path_factory, monkeypatch
):
    """Sums of two ranks are in another order than those of one, so they are compared with the engine at --tp 2."""
    monkeypatch.setenv("SLIPSTREAM_EMULATOR_DEVICES", "2")
    directory = tmp_path_factory.mktemp("two")
    with started_server(
        shared_checkpoint, directory, "--tensor-parallel-size", "2", **TWO_DEVICES
    ) as server:
        client = server.client()
        assert "on 2 GPU(s)" in server.log.read_text()
        for prompt in (PROMPT, [(index * 11) % 500 + 8 for index in range(20)]):
            expected = tiny_checkpoint.generated_ids(
                shared_checkpoint, prompt, 4, "--ignore-eos", "--tp", 2
            )
            assert complete(client, prompt, 4) == expected


def test_a_rank_that_is_silent_ends_the_server_with_the_engine_s_message(
    shared_checkpoint, tmp_path_factory
):
    """A millisecond is less than a peer takes here, so that the first step fails as it does where a GPU is lost."""
    impatient = json.dumps({"poll_limit": 0.001})
    directory = tmp_path_factory.mktemp("silent")
    arguments = ["--tensor-parallel-size", "2", "--additional-config", impatient]
    with started_server(shared_checkpoint, directory, *arguments, **TWO_DEVICES) as server:
        with pytest.raises(openai.APIError):
            complete(server.client(), PROMPT, 4)
        end = time.monotonic() + 120
        while server.process.poll() is None and time.monotonic() < end:
            time.sleep(0.5)
        assert server.process.poll() is not None, "the server goes on without an engine"
        log = server.log.read_text()
    assert " heard nothing from rank " in log
    assert " for 0.001 s (step " in log
