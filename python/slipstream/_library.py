"""The library that tvm-ffi binds: `library.name(...)` calls what src/python exports as `name`."""

import pathlib

import tvm_ffi

try:
    # Where it is installed, tvm-ffi has imported it by now.
    import torch
except ImportError:
    torch = None

library = tvm_ffi.load_module(str(pathlib.Path(__file__).parent / "libslipstream_python.so"))
