"""What several tests start from."""

import json

import pytest
import tiny_checkpoint
from tiny_checkpoint import run_program


def generated_ids(checkpoint, prompt, count, *options):
    """What `slipstream generate` says."""
    ids = ",".join(map(str, prompt))
    output = run_program(
        "slipstream", "generate", checkpoint, "--prompt-ids", ids, "-n", count, "--json", *options
    )
    return json.loads(output)["tokens"]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A tiny DeepSeek-V3.2 with a tokenizer of as many tokens."""
    return tiny_checkpoint.write(tmp_path_factory.mktemp("checkpoints"))
