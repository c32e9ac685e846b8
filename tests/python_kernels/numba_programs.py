"""Runs under `slipstream emulate`: kernels of numba-cuda, compared with NumPy."""

import math
import unittest

import numpy as np
from numba import cuda, float32, int32
from numba.cuda import CUSource
from numba.cuda.random import create_xoroshiro128p_states, xoroshiro128p_uniform_float32

TILE = 16


@cuda.jit
def add(a, b, c):
    i = cuda.grid(1)
    if i < c.size:
        c[i] = a[i] + b[i]


@cuda.jit(lto=False)
def double_without_lto(a):
    a[cuda.grid(1)] *= 2


@cuda.jit(debug=True, opt=False)
def double_with_debug(a):
    a[cuda.grid(1)] *= 2


@cuda.jit
def multiply(a, b, c):
    tile_a = cuda.shared.array((TILE, TILE), float32)
    tile_b = cuda.shared.array((TILE, TILE), float32)
    x, y = cuda.grid(2)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    total = float32(0)
    for step in range(a.shape[1] // TILE):
        tile_a[ty, tx] = a[y, tx + step * TILE]
        tile_b[ty, tx] = b[ty + step * TILE, x]
        cuda.syncthreads()
        for k in range(TILE):
            total += tile_a[ty, k] * tile_b[k, tx]
        cuda.syncthreads()
    c[y, x] = total


@cuda.jit
def count(values, counts):
    i = cuda.grid(1)
    if i < values.size:
        cuda.atomic.add(counts, values[i], 1)


@cuda.jit
def shift_across_blocks(values, out):
    grid = cuda.cg.this_grid()
    i = cuda.grid(1)
    values[i] += 1
    grid.sync()
    out[i] = values[(i + cuda.blockDim.x) % values.size]


@cuda.jit
def sum_of_a_warp(values):
    i = cuda.grid(1)
    total = values[i]
    for offset in (16, 8, 4, 2, 1):
        total += cuda.shfl_down_sync(0xFFFFFFFF, total, offset)
    values[i] = total


@cuda.jit
def estimate_pi(states, out):
    thread = cuda.grid(1)
    inside = 0
    for _ in range(50):
        x = xoroshiro128p_uniform_float32(states, thread)
        y = xoroshiro128p_uniform_float32(states, thread)
        if x * x + y * y <= 1.0:
            inside += 1
    out[thread] = 4.0 * inside / 50


@cuda.jit
def evaluate(values):
    i = cuda.grid(1)
    x = values[i]
    values[i] = math.sin(x) + math.exp(x) * math.sqrt(x) + math.pow(x, 1.5)


@cuda.reduce
def total_of(a, b):
    return a + b


@cuda.vectorize(["float32(float32, float32)"])
def product_and_one(x, y):
    return x * y + 1


class Numba(unittest.TestCase):
    def test_elementwise_addition(self):
        a = np.arange(1000, dtype=np.float32)
        c = cuda.device_array_like(a)
        add[8, 128](cuda.to_device(a), cuda.to_device(2 * a), c)
        np.testing.assert_array_equal(c.copy_to_host(), 3 * a)

    def test_without_link_time_optimization_and_with_debug_information(self):
        for kernel in (double_without_lto, double_with_debug):
            values = np.arange(32, dtype=np.float32)
            kernel[1, 32](values)
            np.testing.assert_array_equal(values, 2 * np.arange(32))

    def test_a_product_of_matrices_through_shared_memory(self):
        random = np.random.default_rng(1)
        a, b = random.random((48, 32), np.float32), random.random((32, 64), np.float32)
        c = np.zeros((48, 64), np.float32)
        multiply[(4, 3), (TILE, TILE)](a, b, c)
        np.testing.assert_allclose(c, a @ b, 1e-5)

    def test_a_reduction(self):
        values = np.arange(5000, dtype=np.float64)
        self.assertEqual(total_of(values), values.sum())

    def test_a_vectorized_function(self):
        ones = np.ones(32, np.float32)
        np.testing.assert_array_equal(product_and_one(ones, 3 * ones), 4 * ones)

    def test_atomics(self):
        values = np.random.default_rng(1).integers(0, 16, 2000).astype(np.int32)
        counts = np.zeros(16, np.int32)
        count[16, 128](values, counts)
        np.testing.assert_array_equal(counts, np.bincount(values, minlength=16))

    def test_the_barrier_of_a_grid(self):
        values, out = np.arange(256, dtype=np.int32), np.zeros(256, np.int32)
        shift_across_blocks[4, 64](values, out)
        np.testing.assert_array_equal(out, np.roll(np.arange(256) + 1, -64))

    def test_shuffles(self):
        values = np.arange(32, dtype=np.float32)
        sum_of_a_warp[1, 32](values)
        self.assertEqual(values[0], 31 * 32 / 2)

    def test_random_numbers(self):
        out = np.zeros(256, np.float32)
        estimate_pi[2, 128](create_xoroshiro128p_states(256, seed=1), out)
        self.assertAlmostEqual(float(out.mean()), math.pi, delta=0.05)

    def test_functions_of_libdevice(self):
        x = np.linspace(0.1, 3, 64)
        values = x.copy()
        evaluate[1, 64](values)
        np.testing.assert_allclose(values, np.sin(x) + np.exp(x) * np.sqrt(x) + x**1.5)

    def test_constant_and_local_arrays(self):
        table = np.arange(8, dtype=np.int32)

        @cuda.jit
        def look_up(out):
            constants = cuda.const.array_like(table)
            own = cuda.local.array(4, int32)
            i = cuda.grid(1)
            own[i % 4] = constants[i % 8]
            out[i] = own[i % 4]

        out = np.zeros(32, np.int32)
        look_up[1, 32](out)
        np.testing.assert_array_equal(out, np.arange(32) % 8)

    def test_streams_and_memory_of_the_host(self):
        stream = cuda.stream()
        values = np.arange(256, dtype=np.float32)
        with stream.auto_synchronize():
            on_device = cuda.to_device(values, stream=stream)
            add[2, 128, stream](on_device, on_device, on_device)
            on_device.copy_to_host(values, stream=stream)
        np.testing.assert_array_equal(values, 2 * np.arange(256))
        for make in (cuda.mapped_array, cuda.managed_array):
            shared = make(64, np.float32)
            shared[:] = 1
            add[1, 64](shared, shared, shared)
            cuda.synchronize()
            np.testing.assert_array_equal(shared, 2)

    def test_a_function_written_in_cuda(self):
        source = CUSource(
            'extern "C" __device__ int twice(float* result, float x) { *result = 2 * x; return 0; }'
        )
        twice = cuda.declare_device("twice", "float32(float32)", link=source)

        @cuda.jit
        def apply(values):
            i = cuda.grid(1)
            values[i] = twice(values[i])

        values = np.arange(32, dtype=np.float32)
        apply[1, 32](values)
        np.testing.assert_array_equal(values, 2 * np.arange(32))

    def test_a_function_that_nobody_defines_is_named(self):
        nothing = cuda.declare_device("nothing", "int32(int32)")

        @cuda.jit
        def apply(values):
            values[0] = nothing(values[0])

        with self.assertRaisesRegex(Exception, "undefined reference to 'nothing'"):
            apply[1, 1](np.zeros(1, np.int32))


if __name__ == "__main__":
    unittest.main()
