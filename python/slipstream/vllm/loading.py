"""The engine as vLLM's configuration wants it. Nothing of vLLM is imported here."""

import logging

from slipstream.serving import PAGE_TOKENS, ServingEngine, device_memory
from slipstream.vllm.configuration import EngineSettings, kv_format

logger = logging.getLogger("vllm.slipstream")


def load_engine(vllm_config) -> ServingEngine:
    settings = EngineSettings.of(vllm_config)
    model = vllm_config.model_config.model
    options = {
        "kv_format": kv_format(vllm_config),
        "ranks": vllm_config.parallel_config.tensor_parallel_size,
        "poll_limit": settings.poll_limit,
        "step_limit": settings.step_limit,
        "trace_launches": settings.trace_launches,
        "lora_norm_eps": settings.lora_norm_eps,
    }
    engine = ServingEngine.load(
        model,
        cache_tokens=cache_tokens(vllm_config, settings, options),
        on_progress=_log_progress,
        **options,
    )
    logger.info(
        "slipstream: %.3f GB of weights, %.3f GB of caches for %d tokens, on %d GPU(s)",
        engine.weight_bytes / 1e9,
        engine.cache_bytes / 1e9,
        engine.cache_pages * PAGE_TOKENS,
        options["ranks"],
    )
    return engine


def cache_tokens(vllm_config, settings: EngineSettings, options: dict) -> int:
    """As many as the user says, else as many as --gpu-memory-utilization leaves room for."""
    cache = vllm_config.cache_config
    if settings.cache_tokens is not None:
        return settings.cache_tokens
    if cache.num_gpu_blocks_override is not None:
        return cache.num_gpu_blocks_override * PAGE_TOKENS
    model = vllm_config.model_config
    page_bytes = ServingEngine.plan(model.model, cache_tokens=PAGE_TOKENS, **options).cache_bytes
    room = getattr(cache, "kv_cache_memory_bytes", None)
    if room is None:
        # The workspace grows with the positions of a sequence, so with the longest there can be.
        longest = ServingEngine.plan(model.model, cache_tokens=model.max_model_len, **options)
        _, total = device_memory()
        room = total * cache.gpu_memory_utilization - longest.weight_bytes - longest.workspace_bytes
    pages = int(room // page_bytes)
    if pages < 1:
        raise ValueError(
            f"--gpu-memory-utilization {cache.gpu_memory_utilization} leaves no room for a page of the caches "
            f"({page_bytes} bytes) next to weights and workspace"
        )
    return pages * PAGE_TOKENS


def _log_progress(rank: int, done: int, total: int, seconds: float) -> None:
    logger.info(
        "slipstream: rank %d: %.2f of %.2f GB of weights in %.0f s",
        rank,
        done / 1e9,
        total / 1e9,
        seconds,
    )
