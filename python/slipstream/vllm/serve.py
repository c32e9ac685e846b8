"""`slipstream serve MODEL ...`: `vllm serve MODEL ...` on Slipstream's engine, with the flags that the model wants."""

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from slipstream.chat.files import read_json
from slipstream.exit_code import ExitCode
from slipstream.vllm import SWITCH

TESTED_VERSIONS = ("0.23.0", "0.33.0")
# What vLLM needs to be told of a model's answers.
_DEEPSEEK_V32 = {"--reasoning-parser": "deepseek_v3", "--tool-call-parser": "deepseek_v32"}
_GLM = {"--reasoning-parser": "glm45", "--tool-call-parser": "glm47"}
PARSERS = {"deepseek_v32": _DEEPSEEK_V32, "glm_moe_dsa": _GLM}


def main(arguments: Sequence[str]) -> int:
    """`arguments` follow `slipstream serve`. Becomes vLLM's process; returns where it cannot."""
    if importlib.util.find_spec("vllm") is None:
        return _fail("serve needs vLLM, which is not installed: pip install 'slipstream[vllm]'")
    if (found := version("vllm")) not in TESTED_VERSIONS:
        print(
            f"slipstream: vLLM {found} is untested; tested are {' and '.join(TESTED_VERSIONS)}",
            file=sys.stderr,
        )
    try:
        flags = missing_flags(arguments)
    except ValueError as error:
        return _fail(str(error))
    command = [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", *arguments, *flags]
    os.execve(sys.executable, command, {**os.environ, SWITCH: "1"})


def missing_flags(arguments: Sequence[str]) -> list[str]:
    """The model's flags that the user has not given. A ValueError names a MODEL that is none."""
    given = {argument.partition("=")[0].replace("_", "-") for argument in arguments}
    if not arguments or given & {"-h", "--help"}:
        return []
    directory = Path(arguments[0])
    if arguments[0].startswith("-") or not (directory / "config.json").is_file():
        raise ValueError(
            f"serve: MODEL must be a directory with config.json and safetensors, is {arguments[0]}"
        )
    parsers = PARSERS.get(read_json(directory / "config.json").get("model_type"), {})
    flags = [
        part for flag, parser in parsers.items() if flag not in given for part in (flag, parser)
    ]
    if parsers and not given & {"--enable-auto-tool-choice", "--no-enable-auto-tool-choice"}:
        flags.append("--enable-auto-tool-choice")
    return flags


def _fail(message: str) -> int:
    print(f"slipstream: {message}", file=sys.stderr)
    return ExitCode.CANNOT
