"""Triton kernels as people write them, each small: elementwise, reductions, tensor cores, random numbers, atomics."""

import triton
import triton.language as tl


@triton.jit
def add(left, right, total, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    tl.store(
        total + at, tl.load(left + at, mask=inside) + tl.load(right + at, mask=inside), mask=inside
    )


@triton.jit
def softmax(scores, chances, columns, stride, BLOCK: tl.constexpr):
    """One row for each program."""
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    values = tl.load(scores + row * stride + at, mask=at < columns, other=-float("inf"))
    powers = tl.exp(values - tl.max(values, axis=0))
    tl.store(chances + row * stride + at, powers / tl.sum(powers, axis=0), mask=at < columns)


@triton.jit
def matmul(a, b, c, m, n, k, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    """Row-major a[m, k] times b[k, n], in tiles of M x N with steps of K along the sum."""
    rows = tl.program_id(0) * M + tl.arange(0, M)
    columns = tl.program_id(1) * N + tl.arange(0, N)
    steps = tl.arange(0, K)
    total = tl.zeros((M, N), dtype=tl.float32)
    for start in range(0, k, K):
        depth = start + steps
        a_tile = tl.load(
            a + rows[:, None] * k + depth[None, :],
            mask=(rows[:, None] < m) & (depth[None, :] < k),
            other=0.0,
        )
        b_tile = tl.load(
            b + depth[:, None] * n + columns[None, :],
            mask=(depth[:, None] < k) & (columns[None, :] < n),
            other=0.0,
        )
        total = tl.dot(a_tile, b_tile, total)
    inside = (rows[:, None] < m) & (columns[None, :] < n)
    tl.store(c + rows[:, None] * n + columns[None, :], total.to(tl.float16), mask=inside)


@triton.jit
def dropout(values, kept, count, chance, seed, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    stays = tl.rand(seed, at) > chance
    scaled = tl.load(values + at, mask=inside) / (1 - chance)
    tl.store(kept + at, tl.where(stays, scaled, 0.0), mask=inside)


@triton.jit
def layer_norm(values, weights, biases, normal, columns, epsilon, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < columns
    given = tl.load(values + row * columns + at, mask=inside, other=0.0)
    mean = tl.sum(given, axis=0) / columns
    centered = tl.where(inside, given - mean, 0.0)
    scale = 1 / tl.sqrt(tl.sum(centered * centered, axis=0) / columns + epsilon)
    weight = tl.load(weights + at, mask=inside)
    bias = tl.load(biases + at, mask=inside)
    tl.store(normal + row * columns + at, centered * scale * weight + bias, mask=inside)


@triton.jit
def layer_norm_weight_gradient(
    values, outer, gradient, rows, columns, epsilon, BLOCK: tl.constexpr
):
    """Every program adds its row's part by atomics."""
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < columns
    given = tl.load(values + row * columns + at, mask=inside, other=0.0)
    mean = tl.sum(given, axis=0) / columns
    centered = tl.where(inside, given - mean, 0.0)
    scale = 1 / tl.sqrt(tl.sum(centered * centered, axis=0) / columns + epsilon)
    part = centered * scale * tl.load(outer + row * columns + at, mask=inside, other=0.0)
    tl.atomic_add(gradient + at, part, mask=inside)
