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
