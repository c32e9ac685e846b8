"""The functions of others, imported when they are first called: who lacks one gets its ImportError as a result."""

import functools
import importlib


@functools.cache
def function(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def flashinfer(name):
    return function(f"flashinfer.{name}")


def sglang(name):
    return function(f"sglang.kernels.ops.{name}")
