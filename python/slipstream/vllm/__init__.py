"""vLLM's plug-in: vLLM's server and scheduler, with the whole step given to Slipstream's engine.

    slipstream serve MODEL            which is SLIPSTREAM_VLLM=1 vllm serve MODEL

vLLM calls every platform plug-in that is installed, whatever model it will serve, and one that
answers takes the place of the GPU platform. So this one answers only where it is asked to:
SLIPSTREAM_VLLM=1, or VLLM_PLUGINS that names it.
"""

import os

PLUGIN_NAME = "slipstream"
SWITCH = "SLIPSTREAM_VLLM"


def platform_plugin() -> str | None:
    """The entry point of the group `vllm.platform_plugins`."""
    named = os.environ.get("VLLM_PLUGINS", "").split(",")
    if os.environ.get(SWITCH, "") == "1" or PLUGIN_NAME in named:
        return "slipstream.vllm.platform.SlipstreamPlatform"
    return None
