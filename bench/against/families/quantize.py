"""Quantization of activations, and what scales the gates of index heads."""

import numpy as np
import slipstream
import torch
from cases import Case, Contender, normal, on_host, result, wipe, zeros
from references import GROUP
from rivals import sglang

HIDDEN, INDEX_HEADS = 7168, 64


def quant(row, copies):
    del copies  # activations are new in each step, and stay in the cache
    hidden = normal(row.tokens, HIDDEN)
    codes = zeros(row.tokens, HIDDEN, dtype=torch.float8_e4m3fn)
    scales = zeros(row.tokens, HIDDEN // GROUP, dtype=torch.float32)
    expected = on_host(hidden)

    def results():
        values = on_host(codes) * np.repeat(on_host(scales), GROUP, -1)
        return [("codes * scales", values, expected, 4e-2)]

    return Case(
        [None],
        lambda: wipe(codes, scales),
        results,
        [
            Contender(
                "slipstream",
                "",
                lambda _: slipstream.per_token_group_quant_8bit(hidden, codes, scales, GROUP),
            ),
            Contender(
                "sglang per_token_group_quant",
                "sglang",
                lambda _: sglang("quantization.per_token_group_quant.per_token_group_quant")(
                    hidden, codes, scales, GROUP
                ),
            ),
        ],
        row.tokens * (3 * HIDDEN + 4 * HIDDEN // GROUP),
    )


def gate_scale(row, copies):
    del copies
    gates = normal(row.tokens, INDEX_HEADS, dtype=torch.float32)
    scales = normal(row.tokens, INDEX_HEADS, 1, dtype=torch.float32)
    output = zeros(row.tokens, INDEX_HEADS, 1, dtype=torch.float32)
    returned = [output]
    softmax_scale = 128**-0.5
    expected = on_host(gates)[..., None] * on_host(scales) * softmax_scale

    def reset():
        wipe(output)
        returned[0] = output

    def plain(gates, scales):
        return gates.unsqueeze(-1) * scales * softmax_scale

    compiled = torch.compile(plain, dynamic=True)  # as SGLang does

    def keep(function):
        def call(_):
            returned[0] = function(gates, scales)

        return call

    return Case(
        [None],
        reset,
        lambda: [result("output", returned[0], expected)],
        [
            Contender(
                "slipstream",
                "",
                lambda _: slipstream.apply_q_scale_and_softmax_scale(
                    gates, scales, softmax_scale, output
                ),
            ),
            Contender("torch.compile, as in sglang", "torch", keep(compiled)),
            Contender("torch", "torch", keep(plain)),
        ],
        row.tokens * INDEX_HEADS * 12,
    )
