"""The launches of the engine's decode step one by one, on torch's tensors: for measurements next to the kernels of others.

No public interface: shapes and layouts are those of the engine and change with it. src/python/step_call.h checks them.
"""

import dataclasses
import typing

from slipstream._library import library, torch

PAGE_SIZE = 64  # positions of a page of the caches
INDEX_PAGE_BYTES = PAGE_SIZE * (128 + 4)  # keys in e4m3, then their scales

attention_splits = library.step_attention_splits


@dataclasses.dataclass
class Matrix:
    """A matrix in the order in which the kernels multiply it: e4m3 with `scales`, else bfloat16."""

    tiles: typing.Any
    scales: typing.Any
    rows: int


def pack(matrix, block_scales=None):
    """[rows, columns] and its scales of blocks of 128 x 128, both on the CPU, as a Matrix on the CPU."""
    rows, columns = matrix.shape
    tiles_down, groups = -(-rows // 16), -(-columns // 128)
    tiles = torch.empty(tiles_down * groups * 16 * 128 * matrix.element_size(), dtype=torch.uint8)
    scales = None if block_scales is None else torch.empty(tiles_down, groups)
    library.step_pack(matrix, block_scales, tiles, scales)
    return Matrix(tiles, scales, rows)


def pack_bands(matrix, block_scales):
    """The same of an e4m3 matrix, in the order in which expert_down multiplies it: scales are among the tiles."""
    rows, columns = matrix.shape
    tiles = torch.empty(library.step_band_bytes(rows, columns), dtype=torch.uint8)
    library.step_pack_bands(matrix, block_scales, tiles)
    return Matrix(tiles, None, rows)


def step_rows(positions):
    """Rows of a step, on the CPU: tokens at these positions (int32), each of a sequence of its own."""
    rows = torch.empty(positions.numel(), library.step_row_bytes(), dtype=torch.uint8)
    library.step_rows(positions, rows)
    return rows


def operand_space(rows):
    """Room for what a product of many rows multiplies with, made once for all multiprocessors: `operands` below."""
    tokens, columns = rows.shape
    return torch.empty(
        library.step_operand_bytes(tokens, columns), dtype=torch.uint8, device=rows.device
    )


def plain_linear(rows, matrix, output, enable_pdl=None, ue8m0=False, operands=None):
    """output = quantized rows times the transposed matrix."""
    library.step_plain_linear(
        rows, matrix.tiles, matrix.scales, matrix.rows, output, ue8m0, operands, enable_pdl
    )


def norm_linear(
    rows,
    delta,
    gamma,
    eps,
    total,
    matrix,
    output,
    enable_pdl=None,
    ue8m0=False,
    operands=None,
):
    """total = rows + delta; output = its quantized RMSNorm times the transposed matrix."""
    library.step_norm_linear(
        rows,
        delta,
        gamma,
        eps,
        total,
        matrix.tiles,
        matrix.scales,
        matrix.rows,
        output,
        ue8m0,
        operands,
        enable_pdl,
    )


score_keys = library.step_scores
select_keys = library.step_select
attend = library.step_attend


def project_values(matrix, partials, weights, output, enable_pdl=None):
    """Combines attention's splits, and multiplies each head by its rows of the matrix."""
    library.step_values(matrix.tiles, matrix.rows, partials, weights, output, enable_pdl)


@dataclasses.dataclass
class Routing:
    """DeepSeek's choice of experts: of `groups` groups of them, `kept_groups` are looked at."""

    groups: int
    kept_groups: int
    scaling: float


def code_units(codes, scales):
    """Rows that are quantized in groups of 128, both on the CPU, as the experts read them: on the CPU."""
    tokens, columns = codes.shape
    units = tokens * columns // 128
    result = torch.empty(units * 128 + -(-units // 4) * 16, dtype=torch.uint8)
    library.step_code_units(codes, scales, result)
    return result


def routed_experts(
    logits, bias, routing, codes, columns, gate_up, choices, activated, enable_pdl=None
):
    """Chooses experts; activated = gate and up of each. The tiles of all experts follow each other."""
    library.step_routed(
        logits,
        bias,
        routing.groups,
        routing.kept_groups,
        routing.scaling,
        codes,
        columns,
        gate_up.tiles,
        gate_up.scales,
        choices,
        activated,
        enable_pdl,
    )


def expert_down(
    choices,
    experts,
    activated,
    down,
    shared_rows,
    shared_down,
    output,
    enable_pdl=None,
    ue8m0=False,
):
    """output = the weighted sum of down projections of chosen experts, and that of the shared one, which are in bands.

    Comes right after routed_experts: shared_rows are read before that has ended."""
    library.step_down(
        choices,
        experts,
        activated,
        down.tiles,
        shared_rows,
        shared_down.tiles,
        output,
        ue8m0,
        enable_pdl,
    )
