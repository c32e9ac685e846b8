"""Slipstream: the operators of a low-latency decode step, and its engine.

Names are loaded when they are first used, so that the command `slipstream` needs nothing but itself.
"""

import importlib

# Each public name and the module that defines it.
_HOMES = {
    "Conversation": "text",
    "Engine": "engine",
    "TextModel": "text",
    "apply_q_scale_and_softmax_scale": "operators",
    "generate": "text",
}

__all__ = list(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'slipstream' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"slipstream.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
