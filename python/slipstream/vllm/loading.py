"""The engine as vLLM's configuration wants it. Nothing of vLLM is imported here."""

import logging

from slipstream.serving import PAGE_TOKENS, ServingEngine
from slipstream.vllm.configuration import EngineSettings, kv_format

logger = logging.getLogger("vllm.slipstream")


def load_engine(vllm_config) -> ServingEngine:
    settings = EngineSettings.of(vllm_config)
    ranks = vllm_config.parallel_config.tensor_parallel_size
    engine = ServingEngine.load(
        vllm_config.model_config.model,
        cache_tokens=_cache_tokens(vllm_config, settings),
        kv_format=kv_format(vllm_config),
        ranks=ranks,
        poll_limit=settings.poll_limit,
        lora_norm_eps=settings.lora_norm_eps,
        on_progress=_log_progress,
    )
    logger.info(
        "slipstream: %.2f GB of weights, %.2f GB of caches for %d tokens, on %d GPU(s)",
        engine.weight_bytes / 1e9,
        engine.cache_bytes / 1e9,
        engine.cache_pages * PAGE_TOKENS,
        ranks,
    )
    return engine


def _cache_tokens(vllm_config, settings: EngineSettings) -> int:
    if settings.cache_tokens is not None:
        return settings.cache_tokens
    cache = vllm_config.cache_config
    if cache.num_gpu_blocks_override is not None:
        return cache.num_gpu_blocks_override * PAGE_TOKENS
    raise NotImplementedError


def _log_progress(rank: int, done: int, total: int, seconds: float) -> None:
    logger.info(
        "slipstream: rank %d: %.2f of %.2f GB of weights in %.0f s",
        rank,
        done / 1e9,
        total / 1e9,
        seconds,
    )
