"""What a request may ask for. What the engine cannot do is refused by name before it is queued.

Nothing of vLLM is imported here: its sampling parameters are an argument.
"""

from slipstream.serving import MAX_LOGPROBS

# Fields of vllm.SamplingParams that must have no value.
UNSUPPORTED = (
    "prompt_logprobs",
    "prompt_logprob_token_ids",
    "logprob_token_ids",
    "bad_words",
    "thinking_token_budget",
    "watermarking",
    "trace_decode_token_ids",
    "extra_args",
)
# Below this vLLM itself takes the most likely token.
SMALLEST_TEMPERATURE = 1e-5


class UnsupportedRequest(ValueError):
    """What is asked for, by the API's name, cannot be done."""

    def __init__(self, parameter: str, message: str):
        super().__init__(message)
        self.parameter = parameter


def check_request(inputs, params) -> None:
    """Throws an UnsupportedRequest. Fields that a version of vLLM lacks are not asked for."""
    if not hasattr(params, "temperature"):
        raise UnsupportedRequest("task", "slipstream generates only: pooling is not supported")
    kind = inputs.get("type", "token") if isinstance(inputs, dict) else "token"
    if kind in ("embeds", "multimodal", "enc_dec"):
        raise UnsupportedRequest(
            "prompt", f"the prompt must be text or token ids, is of type {kind}"
        )
    for name in UNSUPPORTED:
        value = getattr(params, name, None)
        if value is None or value is False or value in ([], {}):
            continue
        raise UnsupportedRequest(
            name, f"{name} is not supported by slipstream: leave it out (is {value!r})"
        )
    logprobs = params.logprobs
    if logprobs is not None and not 0 <= logprobs <= MAX_LOGPROBS:
        raise UnsupportedRequest(
            "logprobs", f"logprobs must be from 0 to {MAX_LOGPROBS} with slipstream, is {logprobs}"
        )


def sampling_of(params, seed: int) -> dict:
    """The engine's options for a sequence, from vLLM's sampling parameters."""
    return {
        "temperature": 0.0
        if params.temperature < SMALLEST_TEMPERATURE
        else float(params.temperature),
        "top_k": max(params.top_k, 0),
        "top_p": float(params.top_p),
        "min_p": float(params.min_p),
        "repetition_penalty": float(params.repetition_penalty),
        "presence_penalty": float(params.presence_penalty),
        "frequency_penalty": float(params.frequency_penalty),
        "logprobs": -1 if params.logprobs is None else params.logprobs,
        "logit_bias": {
            int(token): float(bias) for token, bias in (params.logit_bias or {}).items()
        },
        "seed": seed,
    }


def counts_tokens(params) -> bool:
    """Whether the engine must know which tokens there have been."""
    return (params.repetition_penalty, params.presence_penalty, params.frequency_penalty) != (
        1.0,
        0.0,
        0.0,
    )
