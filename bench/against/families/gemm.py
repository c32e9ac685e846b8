"""Skinny products of bfloat16: the router and the fused projection at the start of a layer."""

import slipstream
import torch
from cases import Case, Contender, normal, on_host, result, rotated, wipe, zeros
from rivals import flashinfer, sglang

HIDDEN, EXPERTS, FUSED_A = 7168, 256, 2112


def _bytes(tokens, outputs, output_size):
    return 2 * HIDDEN * (outputs + tokens) + tokens * outputs * output_size


def router(row, copies):
    tokens = row.tokens
    hidden = normal(tokens, HIDDEN)
    weights = rotated(normal(EXPERTS, HIDDEN, scale=HIDDEN**-0.5), copies)
    output = zeros(tokens, EXPERTS, dtype=torch.float32)
    expected = on_host(hidden) @ on_host(weights[0]).T
    return Case(
        weights,
        lambda: wipe(output),
        lambda: [result("output", output, expected)],
        [
            Contender(
                "slipstream",
                "",
                lambda weight: slipstream.dsv3_router_gemm(hidden, weight, output=output),
            ),
            Contender(
                "sglang tiny_gemm_bf16",
                "sglang",
                lambda weight: sglang("gemm.tiny_gemm.tiny_gemm_bf16")(hidden, weight, output),
            ),
            Contender(
                "flashinfer mm_M1_16_K7168_N256",
                "flashinfer",
                lambda weight: flashinfer("gemm.mm_M1_16_K7168_N256")(
                    hidden, weight.t(), output, launch_with_pdl=True
                ),
            ),
        ],
        _bytes(tokens, EXPERTS, 4),
    )


def fused_a(row, copies):
    tokens = row.tokens
    hidden = normal(tokens, HIDDEN)
    weights = rotated(normal(FUSED_A, HIDDEN, scale=HIDDEN**-0.5), copies)
    output = zeros(tokens, FUSED_A)
    returned = [output]
    expected = on_host(hidden) @ on_host(weights[0]).T

    def reset():
        wipe(output)
        returned[0] = output

    def without_output(weight):
        # With an output given it would copy into it.
        returned[0] = sglang("gemm.fused_a_gemm.dsv3_fused_a_gemm")(hidden, weight.t())

    return Case(
        weights,
        reset,
        lambda: [result("output", returned[0], expected)],
        [
            Contender(
                "slipstream",
                "",
                lambda weight: slipstream.dsv3_fused_a_gemm(hidden, weight.t(), output),
            ),
            Contender("sglang dsv3_fused_a_gemm", "sglang", without_output),
            Contender(
                "flashinfer tinygemm_bf16",
                "flashinfer",
                lambda weight: flashinfer("gemm.tinygemm_bf16")(
                    hidden, weight, output, use_pdl=True
                ),
            ),
            Contender("torch mm", "torch", lambda weight: torch.mm(hidden, weight.t(), out=output)),
        ],
        _bytes(tokens, FUSED_A, 2),
    )
