"""What of vLLM's configuration the engine has, what it refuses, and what it takes over.

Nothing of vLLM is imported here: its configuration is an argument.
"""

import dataclasses
import logging

from slipstream.serving import MAX_STEP_TOKENS, PAGE_TOKENS

logger = logging.getLogger("vllm.slipstream")

WORKER = "slipstream.vllm.worker.Worker"
MODEL_TYPES = ("deepseek_v3", "deepseek_v32", "glm_moe_dsa")
MAX_RANKS = 8
# Formats of the latent cache, by vLLM's names.
KV_FORMATS = {
    "auto": "bf16",
    "bfloat16": "bf16",
    "fp8": "fp8",
    "fp8_e4m3": "fp8",
    "fp8_ds_mla": "fp8",
}


@dataclasses.dataclass
class EngineSettings:
    """--additional-config of vLLM, as JSON: what the engine has and vLLM has no flag for."""

    cache_tokens: int | None = None  # None: what --gpu-memory-utilization leaves
    poll_limit: float = 10.0
    step_limit: float = 0.0
    trace_launches: bool = False
    lora_norm_eps: float | None = None

    @classmethod
    def of(cls, vllm_config) -> "EngineSettings":
        given = vllm_config.additional_config or {}
        known = {field.name for field in dataclasses.fields(cls)}
        for name in given:
            if name not in known:
                raise ValueError(
                    f"--additional-config has no {name}; it may have {', '.join(sorted(known))}"
                )
        return cls(**given)


def adapt_configuration(vllm_config) -> None:
    """Throws a ValueError that names what is not supported."""
    if vllm_config.model_config is None:
        return  # a part of vLLM that has no model to do with
    _refuse_unsupported(vllm_config)
    EngineSettings.of(vllm_config)
    parallel = vllm_config.parallel_config
    parallel.worker_cls = WORKER
    # The ranks are threads of the one worker, so that no step is sent through shared memory first.
    parallel.distributed_executor_backend = "uni"
    parallel.disable_custom_all_reduce = True
    vllm_config.cache_config.block_size = PAGE_TOKENS
    compilation = vllm_config.compilation_config
    compilation.mode = type(compilation.mode)(0) if compilation.mode is not None else 0
    compilation.cudagraph_capture_sizes = []
    _limit_steps(vllm_config.scheduler_config)


def kv_format(vllm_config) -> str:
    dtype = str(vllm_config.cache_config.cache_dtype)
    if dtype not in KV_FORMATS:
        raise ValueError(f"--kv-cache-dtype must be one of {', '.join(KV_FORMATS)}, is {dtype}")
    return KV_FORMATS[dtype]


def _limit_steps(scheduler) -> None:
    for name in ("max_num_seqs", "max_num_batched_tokens"):
        wanted = getattr(scheduler, name)
        if wanted > MAX_STEP_TOKENS:
            logger.info(
                "slipstream: %s is %d, as a step has as many rows (not %d)",
                name,
                MAX_STEP_TOKENS,
                wanted,
            )
            setattr(scheduler, name, MAX_STEP_TOKENS)
    # Whatever is left of a step's rows takes pieces of prompts.
    scheduler.enable_chunked_prefill = True
    scheduler.max_num_encoder_input_tokens = scheduler.encoder_cache_size = (
        scheduler.max_num_batched_tokens
    )


def _refuse_unsupported(vllm_config) -> None:
    model_type = getattr(vllm_config.model_config.hf_config, "model_type", None)
    if model_type not in MODEL_TYPES:
        raise ValueError(
            f"slipstream serves models of type {', '.join(MODEL_TYPES)}; {vllm_config.model_config.model} is "
            f"{model_type!r}: unset SLIPSTREAM_VLLM to serve it by vLLM itself"
        )
    if getattr(vllm_config.model_config, "runner_type", "generate") != "generate":
        raise ValueError("--runner must be generate: slipstream has no pooling")
    for name, config in (
        ("--speculative-config", vllm_config.speculative_config),
        ("--enable-lora", vllm_config.lora_config),
        ("--kv-transfer-config", vllm_config.kv_transfer_config),
    ):
        if config is not None:
            raise ValueError(f"{name} is not supported by slipstream: leave it out")
    parallel = vllm_config.parallel_config
    for name in ("pipeline_parallel_size", "data_parallel_size", "decode_context_parallel_size"):
        size = getattr(parallel, name, 1)
        if size != 1:
            raise ValueError(f"--{name.replace('_', '-')} must be 1 with slipstream, is {size}")
    ranks = parallel.tensor_parallel_size
    if not 1 <= ranks <= MAX_RANKS:
        raise ValueError(
            f"--tensor-parallel-size must be 1 to {MAX_RANKS} with slipstream, is {ranks}"
        )
    kv_format(vllm_config)
