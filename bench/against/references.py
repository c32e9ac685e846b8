"""What the operators must compute, in float64: numpy arrays of numbers in, numpy arrays of numbers out."""

import numpy as np

GROUP = 128
E4M3_MAX = 448.0


def round_e4m3(values):
    """To the nearest number of e4m3fn, ties to even; beyond 448, 448."""
    magnitude = np.minimum(np.abs(values), E4M3_MAX)
    exponents = np.maximum(np.frexp(magnitude)[1] - 1, -6)  # below 2^-6 numbers are 2^-9 apart
    steps = np.ldexp(1.0, exponents - 3)
    return np.copysign(np.minimum(np.rint(magnitude / steps) * steps, E4M3_MAX), values)


def round_bf16(values):
    """To the nearest number of bfloat16, ties to even; of normal numbers."""
    steps = np.ldexp(1.0, np.frexp(values)[1] - 8)
    return np.rint(values / steps) * steps


def quantize_groups(values, group=GROUP, power_of_two=False):
    """(codes' numbers, scales): groups of the last axis, each scaled to the range of e4m3."""
    groups = values.reshape(*values.shape[:-1], -1, group)
    scales = np.maximum(np.abs(groups).max(-1), 1e-10) / E4M3_MAX
    if power_of_two:
        scales = np.exp2(np.ceil(np.log2(scales)))
    codes = round_e4m3(groups / scales[..., None])
    return codes.reshape(values.shape), scales


def requantized(values):
    """The values as codes and scales give them back."""
    codes, scales = quantize_groups(values)
    return codes * np.repeat(scales, GROUP, -1)


def scaled_blocks(codes, scales):
    """A matrix from its codes' numbers and the scales of its blocks of 128 x 128."""
    rows, columns = codes.shape
    spread = np.repeat(np.repeat(scales, GROUP, 0), GROUP, 1)
    return codes * spread[:rows, :columns]


def rms_norm(values, gamma, eps):
    return values / np.sqrt((values**2).mean(-1, keepdims=True) + eps) * gamma


def rotation_table(positions, width, base=10000.0):
    """[positions, width]: cosines, then sines."""
    angles = np.arange(positions)[:, None] * base ** (-np.arange(0, width, 2) / width)
    return np.concatenate([np.cos(angles), np.sin(angles)], 1)


def rotate(values, table, positions, interleaved):
    """values [n, heads, width], rotated as pairs (0, 1), (2, 3), ... or as (0, width / 2), ..."""
    cosines, sines = np.split(table[positions][:, None], 2, -1)
    if interleaved:
        first, second = values[..., ::2], values[..., 1::2]
    else:
        first, second = np.split(values, 2, -1)
    rotated = [first * cosines - second * sines, second * cosines + first * sines]
    if interleaved:
        return np.stack(rotated, -1).reshape(values.shape)
    return np.concatenate(rotated, -1)


def hadamard(values):
    """The orthonormal Walsh-Hadamard transform of the last axis, a power of two."""
    size = values.shape[-1]
    width = 1
    while width < size:
        pairs = values.reshape(*values.shape[:-1], -1, 2, width)
        first, second = pairs[..., 0, :], pairs[..., 1, :]
        values = np.stack([first + second, first - second], -2).reshape(values.shape)
        width *= 2
    return values / np.sqrt(size)


def silu(values):
    return values / (1 + np.exp(-values))


def index_scores(queries, weights, keys):
    """queries [heads, width], weights [heads], keys [n, width]: [n]."""
    return weights @ np.maximum(queries @ keys.T, 0)


def attention(queries, keys, values, scale):
    """queries [heads, width], keys [n, width], values [n, value width]: [heads, value width]."""
    products = queries @ keys.T * scale
    weights = np.exp(products - products.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ values


def expert(rows, gate_up, down):
    """A gated expert in block-fp8 with bfloat16 between its steps, rows [n, hidden]."""
    gate, up = np.split(round_bf16(requantized(rows) @ gate_up.T), 2, -1)
    return requantized(round_bf16(silu(gate) * up)) @ down.T


def relative_error(found, wanted):
    """The norm of the difference over the norm of the reference; NaN where anything is NaN."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
