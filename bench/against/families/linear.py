"""Products with block-fp8 weights: bfloat16 in, bfloat16 out, activations quantized on the way."""

import references
import torch
from cases import Case, Contender, normal, on_host, result, rotated, wipe, zeros
from references import GROUP
from rivals import deep_gemm, flashinfer, sglang
from slipstream import _step

from families.blocks import random_blocks

EPS = 1e-6


class _Weights:
    """Of one size: what rotates has everybody's form of the same matrix."""

    def __init__(self, size, copies):
        blocks = random_blocks(*size)
        packed = blocks.packed()
        plain = rotated(blocks.on_device(), copies)
        ours = rotated((packed.tiles, packed.scales), copies)
        self.arguments = [
            (_step.Matrix(*tiles, size[0]), codes) for tiles, codes in zip(ours, plain, strict=True)
        ]
        self.numbers = blocks.numbers()


class _Quantized:
    """Activations as DeepGEMM wants them: codes, and scales that lie column by column, four tokens aligned."""

    def __init__(self, tokens, columns):
        self.codes = zeros(tokens, columns, dtype=torch.float8_e4m3fn)
        self.block_scales = zeros(columns // GROUP, -(-tokens // 4) * 4, dtype=torch.float32)
        self.scales = self.block_scales.t()[:tokens]

    def take(self, rows):
        sglang("quantization.per_token_group_quant.per_token_group_quant")(
            rows, self.codes, self.scales, GROUP
        )

    def multiply(self, weights, output):
        deep_gemm("fp8_gemm_nt")((self.codes, self.scales), weights, output)


def _bytes(row):
    rows, columns = row.size
    return rows * columns + 2 * row.tokens * (rows + columns)


def linear(row, copies):
    columns = row.size[1]
    hidden = normal(row.tokens, columns)
    weights = _Weights(row.size, copies)
    output = zeros(row.tokens, row.size[0])
    quantized = _Quantized(row.tokens, columns)
    operands = _step.operand_space(hidden)
    expected = references.requantized(on_host(hidden)) @ weights.numbers.T

    def rival(matrices):
        quantized.take(hidden)
        quantized.multiply(matrices[1], output)

    return Case(
        weights.arguments,
        lambda: wipe(output, quantized.codes),
        lambda: [result("output", output, expected)],
        [
            Contender(
                "slipstream plain_linear",
                "",
                lambda matrices: _step.plain_linear(hidden, matrices[0], output, operands=operands),
            ),
            Contender("sglang quant + deepgemm", "sglang deep_gemm", rival, tolerance=6e-3),
            Contender(
                "flashinfer fp8_blockscale_gemm_sm90",
                "flashinfer",
                lambda matrices: flashinfer("gemm.fp8_blockscale_gemm_sm90")(
                    hidden, matrices[1][0], None, matrices[1][1], out=output
                ),
                tolerance=6e-3,
            ),
        ],
        _bytes(row),
    )


def norm_linear(row, copies):
    columns = row.size[1]
    hidden, delta = normal(row.tokens, columns), normal(row.tokens, columns)
    stream = torch.empty_like(hidden)  # FlashInfer's adds in place
    gamma = normal(columns)
    gamma_float = gamma.cpu().float().cuda()
    weights = _Weights(row.size, copies)
    output, total = zeros(row.tokens, row.size[0]), zeros(row.tokens, columns)
    quantized = _Quantized(row.tokens, columns)
    operands = _step.operand_space(hidden)
    normed = references.rms_norm(on_host(hidden) + on_host(delta), on_host(gamma), EPS)
    expected = references.requantized(references.round_bf16(normed)) @ weights.numbers.T
    normed_rows = torch.empty_like(hidden)  # FlashInfer's input and output

    def separate(matrices):
        flashinfer("norm.fused_add_rmsnorm")(normed_rows, stream, gamma, EPS, enable_pdl=True)
        quantized.take(normed_rows)
        quantized.multiply(matrices[1], output)

    def fused(matrices):
        flashinfer("norm.fused_add_rmsnorm_fp8_block_quant")(
            quantized.codes,
            quantized.block_scales,
            normed_rows,
            delta,
            stream,
            gamma,
            EPS,
            enable_pdl=True,
        )
        quantized.multiply(matrices[1], output)

    def reset():
        wipe(output, total, quantized.codes)
        normed_rows.copy_(delta)
        stream.copy_(hidden)

    return Case(
        weights.arguments,
        reset,
        lambda: [result("output", output, expected, 6e-3)],
        [
            Contender(
                "slipstream norm_linear",
                "",
                lambda matrices: _step.norm_linear(
                    hidden,
                    delta,
                    gamma_float,
                    EPS,
                    total,
                    matrices[0],
                    output,
                    operands=operands,
                ),
            ),
            Contender(
                "flashinfer add, norm, quant in one + deepgemm", "flashinfer deep_gemm", fused
            ),
            Contender(
                "flashinfer add_rmsnorm + sglang quant + deepgemm",
                "flashinfer sglang deep_gemm",
                separate,
            ),
        ],
        _bytes(row) + 4 * row.tokens * columns,
    )
