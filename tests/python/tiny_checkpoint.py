"""A checkpoint that the emulated device decodes in a tenth of a second per token, and the programs of the build, which
are in the folder that SLIPSTREAM_BIN names."""

import json
import os
import pathlib
import subprocess

import tiny_tokenizer

PROGRAMS = pathlib.Path(os.environ.get("SLIPSTREAM_BIN", "build/bin")).resolve()
NAME = "deepseek-v32-tiny"
CHANGES = {
    "num_hidden_layers": 2,
    "n_routed_experts": 16,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "index_n_heads": 8,
}


def run_program(name, *arguments):
    """Its standard output; LD_PRELOAD is the tests' own affair."""
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    command = [str(PROGRAMS / name), *map(str, arguments)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_for_ranks(directory) -> pathlib.Path:
    """One that two ranks can share."""
    name = "deepseek-v32-ranks-tiny"
    run_program("make_tiny_checkpoint", directory, name, "--set", "index_n_heads=8")
    return pathlib.Path(directory) / name


def write(directory) -> pathlib.Path:
    """The checkpoint, with a tokenizer of as many tokens."""
    settings = [part for name, value in CHANGES.items() for part in ("--set", f"{name}={value}")]
    run_program("make_tiny_checkpoint", directory, NAME, *settings)
    tiny_tokenizer.write(directory / NAME)
    return directory / NAME


def generated_ids(checkpoint, prompt, count, *options):
    """What `slipstream generate` says."""
    ids = ",".join(map(str, prompt))
    command = ["generate", checkpoint, "--prompt-ids", ids, "-n", count, "--json", *options]
    return json.loads(run_program("slipstream", *command))["tokens"]
