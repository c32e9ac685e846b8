"""The worker that vLLM starts: an engine in place of a model runner."""

import torch
from vllm.logger import init_logger
from vllm.v1.kv_cache_interface import MLAAttentionSpec
from vllm.v1.outputs import (
    EMPTY_MODEL_RUNNER_OUTPUT,
    AsyncModelRunnerOutput,
    LogprobsLists,
    ModelRunnerOutput,
)
from vllm.v1.worker.worker_base import CompilationTimes, WorkerBase

from slipstream.serving import PAGE_TOKENS, ServingEngine
from slipstream.vllm.batch import Batch, EnqueuedStep, StepResult
from slipstream.vllm.loading import load_engine

logger = init_logger(__name__)


class StepOutput(AsyncModelRunnerOutput):
    """A step on its way: vLLM schedules the next one before it asks for this one's tokens."""

    def __init__(self, step: EnqueuedStep):
        self._step = step

    def get_output(self) -> ModelRunnerOutput:
        return _model_runner_output(self._step.wait())

    def get_kv_connector_output(self):
        return None


class Worker(WorkerBase):
    def init_device(self) -> None:
        self.device = torch.device("cpu")  # vLLM's; the GPUs are the engine's

    def load_model(self, *, load_dummy_weights: bool = False) -> None:
        if load_dummy_weights:
            raise ValueError("--load-format dummy is not supported by slipstream")
        self._engine: ServingEngine = load_engine(self.vllm_config)
        self._batch = Batch(self._engine)

    def get_kv_cache_spec(self) -> dict:
        # One entry for the rows of all layers: vLLM counts pages, and never touches them.
        return {
            "slipstream": MLAAttentionSpec(
                block_size=PAGE_TOKENS,
                num_kv_heads=1,
                head_size=self._bytes_per_token(),
                dtype=torch.uint8,
            )
        }

    def determine_available_memory(self) -> int:
        return self._engine.cache_pages * PAGE_TOKENS * self._bytes_per_token()

    def initialize_from_config(self, kv_cache_config) -> None:
        wanted, there = kv_cache_config.num_blocks, self._engine.cache_pages
        if wanted > there:
            raise ValueError(f"--num-gpu-blocks-override must be at most {there}, is {wanted}")

    def get_supported_kv_cache_layouts(self) -> list[str]:
        return ["LBHNC"]  # any: vLLM has no tensor of the caches

    def set_kv_cache_layout(self, kv_cache_layout: str, cp_kv_cache_interleave_size: int) -> None:
        pass

    def compile_or_warm_up_model(self) -> CompilationTimes:
        return CompilationTimes(language_model=0.0, encoder=0.0)

    def get_supported_tasks(self) -> tuple[str, ...]:
        return ("generate",)

    def execute_model(self, scheduler_output):
        if self._batch.schedule(scheduler_output):
            return None  # vLLM calls sample_tokens next
        return EMPTY_MODEL_RUNNER_OUTPUT

    def sample_tokens(self, grammar_output):
        output = StepOutput(self._batch.enqueue(grammar_output))
        return output if self.scheduler_config.async_scheduling else output.get_output()

    def take_draft_token_ids(self) -> None:
        return None

    def execute_dummy_batch(self) -> None:
        pass

    def synchronize_device(self) -> None:
        pass

    def update_max_model_len(self, max_model_len: int) -> None:
        self.model_config.max_model_len = max_model_len

    def shutdown(self) -> None:
        engine = getattr(self, "_engine", None)
        if engine is not None:
            engine.close()

    def _bytes_per_token(self) -> int:
        return self._engine.cache_bytes // (self._engine.cache_pages * PAGE_TOKENS)


def _model_runner_output(result: StepResult) -> ModelRunnerOutput:
    logprobs = None
    if result.logprobs is not None:
        logprobs = LogprobsLists(
            result.logprobs.ids, result.logprobs.logprobs, result.logprobs.ranks
        )
    return ModelRunnerOutput(
        req_ids=result.request_ids,
        req_id_to_index={request_id: index for index, request_id in enumerate(result.request_ids)},
        sampled_token_ids=result.tokens,
        logprobs=logprobs,
    )
