"""The worker with a real engine on the emulated device, and a recorded schedule in place of vLLM's scheduler."""

import dataclasses
import importlib
import logging
import sys
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

import pytest
from slipstream.vllm import loading
from slipstream.vllm.configuration import EngineSettings
from tiny_checkpoint import generated_ids
from vllm_fakes import cached, new_request, schedule

PROMPT = [7, 300, 45, 8, 91, 222, 13]
PAGES = 6


class WorkerBase:
    def __init__(self, vllm_config):
        self.vllm_config = vllm_config
        self.scheduler_config = vllm_config.scheduler_config


class CompilationTimes(NamedTuple):
    language_model: float
    encoder: float


class LogprobsLists(NamedTuple):
    logprob_token_ids: object
    logprobs: object
    sampled_token_ranks: object


@dataclasses.dataclass
class ModelRunnerOutput:
    req_ids: list
    req_id_to_index: dict
    sampled_token_ids: list
    logprobs: object = None


def module(name, **members):
    made = ModuleType(name)
    made.__dict__.update(members)
    return made


@pytest.fixture
def worker_module(monkeypatch):
    """slipstream.vllm.worker, with the few names of vLLM and torch that it uses."""
    outputs = {"EMPTY_MODEL_RUNNER_OUTPUT": "empty", "AsyncModelRunnerOutput": object}
    outputs |= {"LogprobsLists": LogprobsLists, "ModelRunnerOutput": ModelRunnerOutput}
    for fake in (
        module("torch", device=str, uint8="uint8"),
        module("vllm"),
        module("vllm.logger", init_logger=logging.getLogger),
        module("vllm.v1"),
        module("vllm.v1.kv_cache_interface", MLAAttentionSpec=SimpleNamespace),
        module("vllm.v1.outputs", **outputs),
        module("vllm.v1.worker"),
        module(
            "vllm.v1.worker.worker_base", CompilationTimes=CompilationTimes, WorkerBase=WorkerBase
        ),
    ):
        monkeypatch.setitem(sys.modules, fake.__name__, fake)
    yield importlib.import_module("slipstream.vllm.worker")
    del sys.modules["slipstream.vllm.worker"]


def configuration(checkpoint, *, asynchronous=True, **cache):
    values = {
        "cache_dtype": "auto",
        "num_gpu_blocks_override": PAGES,
        "gpu_memory_utilization": 0.5,
    } | cache
    return SimpleNamespace(
        model_config=SimpleNamespace(model=str(checkpoint), max_model_len=256),
        parallel_config=SimpleNamespace(tensor_parallel_size=1),
        cache_config=SimpleNamespace(**values),
        scheduler_config=SimpleNamespace(async_scheduling=asynchronous),
        additional_config=None,
    )


@pytest.fixture
def worker(worker_module, checkpoint):
    worker = worker_module.Worker(configuration(checkpoint))
    worker.init_device()
    worker.load_model()
    yield worker
    worker.shutdown()


def step(worker, output):
    assert worker.execute_model(output) is None
    return worker.sample_tokens(None)


def test_it_tells_vllm_how_many_pages_there_are(worker):
    (spec,) = worker.get_kv_cache_spec().values()
    assert spec.block_size == 64
    assert worker.determine_available_memory() == PAGES * spec.block_size * spec.head_size


def test_more_pages_than_there_are_is_an_error(worker):
    worker.initialize_from_config(SimpleNamespace(num_blocks=PAGES))
    with pytest.raises(ValueError, match="must be at most 6, is 7"):
        worker.initialize_from_config(SimpleNamespace(num_blocks=PAGES + 1))


def test_requests_that_join_in_pieces_get_generate_s_tokens(worker, checkpoint):
    other = [(index * 11) % 500 + 8 for index in range(20)]
    steps = [step(worker, schedule(new=[new_request("a", PROMPT, [3])], tokens={"a": 7}))]
    joins = schedule(
        new=[new_request("b", other, [1])], running=cached(a=(7, None)), tokens={"a": 1, "b": 15}
    )
    steps.append(step(worker, joins))
    steps.append(
        step(worker, schedule(running=cached(a=(8, None), b=(15, None)), tokens={"a": 1, "b": 5}))
    )
    tokens = {"a": [], "b": []}
    for output in (asynchronous.get_output() for asynchronous in steps):
        for name, index in output.req_id_to_index.items():
            tokens[name] += output.sampled_token_ids[index]
    assert tokens == {
        "a": generated_ids(checkpoint, PROMPT, 3),
        "b": generated_ids(checkpoint, other, 1),
    }


def test_a_prefix_s_pages_serve_another_request_with_the_same_tokens(worker, checkpoint):
    prompt = [(index * 13) % 500 + 8 for index in range(66)]
    for first in range(0, 64, 16):
        running = (
            {"running": cached(a=(first, None))}
            if first
            else {"new": [new_request("a", prompt, [2, 4])]}
        )
        step(worker, schedule(tokens={"a": 16}, **running)).get_output()
    hit = new_request("b", prompt, [2, 5], computed=64)
    output = step(
        worker, schedule(new=[hit], running=cached(a=(64, None)), tokens={"a": 2, "b": 2})
    ).get_output()
    (expected,) = generated_ids(checkpoint, prompt, 1)
    assert output.sampled_token_ids == [[expected], [expected]]


def test_logprobs_arrive_in_vllm_s_form(worker):
    output = step(
        worker, schedule(new=[new_request("a", PROMPT, [1], logprobs=2)], tokens={"a": 7})
    ).get_output()
    ((token,),) = output.sampled_token_ids
    # Greedy: the chosen token is the most likely one.
    assert output.logprobs.logprob_token_ids[0, :2].tolist() == [token, token]
    assert output.logprobs.logprobs[0, 0] == output.logprobs.logprobs[0, 1] < 0
    assert output.logprobs.sampled_token_ranks.tolist() == [1]


def test_a_schedule_without_work_is_answered_at_once(worker):
    assert worker.execute_model(schedule(tokens={})) == "empty"


def test_without_asynchronous_scheduling_the_tokens_come_at_once(worker_module, checkpoint):
    worker = worker_module.Worker(configuration(checkpoint, asynchronous=False))
    worker.load_model()
    output = step(worker, schedule(new=[new_request("a", PROMPT, [1])], tokens={"a": 7}))
    assert output.sampled_token_ids == [generated_ids(checkpoint, PROMPT, 1)]
    worker.shutdown()


class TestCacheSize:
    def tokens(self, checkpoint, settings=None, **cache):
        config = configuration(checkpoint, **cache)
        return loading.cache_tokens(config, settings or EngineSettings(), {})

    def test_what_the_user_says_wins(self, checkpoint):
        assert self.tokens(checkpoint, EngineSettings(cache_tokens=100)) == 100
        assert self.tokens(checkpoint) == PAGES * 64

    def test_bytes_are_whole_pages(self, checkpoint):
        page = loading.ServingEngine.plan(checkpoint, cache_tokens=64).cache_bytes
        room = {"num_gpu_blocks_override": None, "kv_cache_memory_bytes": 3 * page + 1}
        assert self.tokens(checkpoint, **room) == 3 * 64

    def test_else_a_share_of_the_device_less_weights_and_workspace(self, checkpoint, monkeypatch):
        plan = loading.ServingEngine.plan(checkpoint, cache_tokens=256)
        page = loading.ServingEngine.plan(checkpoint, cache_tokens=64).cache_bytes
        needed = plan.weight_bytes + plan.workspace_bytes + 2 * page
        monkeypatch.setattr(loading, "device_memory", lambda: (0, 2 * needed))
        assert self.tokens(checkpoint, num_gpu_blocks_override=None) == 2 * 64

    def test_no_room_is_an_error_that_names_the_flag(self, checkpoint, monkeypatch):
        monkeypatch.setattr(loading, "device_memory", lambda: (0, 1000))
        with pytest.raises(ValueError, match=r"--gpu-memory-utilization 0\.5 leaves no room"):
            self.tokens(checkpoint, num_gpu_blocks_override=None)
