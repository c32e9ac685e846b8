"""The commands of `slipstream` that Python runs: `serve`, and `generate` with text; and the device they run on."""

import os
import pathlib
from collections.abc import Sequence

from slipstream import text_command

_EMULATED_RUNTIME = "emulator/libcudart.so.13"
# What the program looks for, too (src/pdl/device_fallback.cc).
_SIGNS_OF_A_GPU = ("/proc/driver/nvidia/gpus", "/dev/nvidia0", "/dev/dxg")


def belongs_to_python(arguments: Sequence[str]) -> bool:
    return list(arguments[:1]) == ["serve"] or text_command.wants_text(arguments)


def run(arguments: Sequence[str]) -> int:
    command, *rest = arguments
    if command == "serve":
        from slipstream.vllm import serve

        return serve.main(rest)
    return text_command.main(rest)


def needs_emulated_device() -> bool:
    """Whether the process must be started again under `slipstream emulate`, which puts the emulated device's
    runtime in front of every other one."""
    setting = os.environ.get("SLIPSTREAM_DEVICE", "")
    if setting == "gpu" or _EMULATED_RUNTIME in os.environ.get("LD_PRELOAD", ""):
        return False
    return setting == "emulated" or not any(pathlib.Path(sign).exists() for sign in _SIGNS_OF_A_GPU)
