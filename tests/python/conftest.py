import os
import pathlib
import sys

import pytest
import tvm_ffi

sys.path.insert(0, str(pathlib.Path(__file__).parent))


@pytest.fixture(scope="session")
def references():
    """The operators' references in plain C++, for arrays in host memory."""
    return tvm_ffi.load_module(os.environ["SLIPSTREAM_TEST_REFERENCES"])


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A tiny DeepSeek-V3.2 with a tokenizer of as many tokens."""
    import tiny_checkpoint  # next to this file

    return tiny_checkpoint.write(tmp_path_factory.mktemp("checkpoints"))
