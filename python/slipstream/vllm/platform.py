"""The platform that vLLM runs on. To vLLM the device is a CPU: it has nothing to do on the GPU, whose
memory, streams and kernels are the engine's."""

import torch
from vllm.exceptions import VLLMValidationError
from vllm.platforms.interface import Platform, PlatformEnum

from slipstream.vllm.configuration import adapt_configuration
from slipstream.vllm.requests import UnsupportedRequest, check_request


class SlipstreamPlatform(Platform):
    _enum = PlatformEnum.OOT
    device_name = "slipstream"
    device_type = "cpu"
    dispatch_key = "CPU"
    dist_backend = "gloo"

    @classmethod
    def get_device_name(cls, device_id: int = 0) -> str:
        return cls.device_name

    @classmethod
    def get_device_total_memory(cls, device_id: int = 0) -> int:
        return 0  # only asked for defaults that adapt_configuration replaces

    @classmethod
    def is_pin_memory_available(cls) -> bool:
        return False

    @classmethod
    def inference_mode(cls):
        return torch.no_grad()

    @classmethod
    def manual_seed_all(cls, seed: int) -> None:
        pass

    @classmethod
    def set_device(cls, device: torch.device) -> None:
        pass

    @classmethod
    def verify_quantization(cls, quant: str) -> None:
        pass  # the engine reads quantization_config itself, and names what it cannot read

    @classmethod
    def check_and_update_config(cls, vllm_config) -> None:
        adapt_configuration(vllm_config)

    @classmethod
    def validate_request(cls, processed_inputs, params, *_others) -> None:
        try:
            check_request(processed_inputs, params)
        except UnsupportedRequest as error:
            # Of vLLM's own class, which its server answers with status 400 and nothing in its log.
            raise VLLMValidationError(str(error), parameter=error.parameter) from error
