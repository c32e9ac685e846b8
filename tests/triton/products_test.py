"""Runs under `slipstream emulate`: products of torch's tensors on "cuda", which call cuBLAS and cuBLASLt, compared with
torch's on the CPU."""

import unittest

import torch


def rand(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape))) - 0.5


class Products(unittest.TestCase):
    def expect_close(self, result, expected, tolerance=1e-5):
        self.assertEqual(result.device.type, "cuda")
        self.assertLess((result.cpu().double() - expected.double()).abs().max().item(), tolerance)

    def test_matmul_in_every_type(self):
        for dtype, tolerance in (
            (torch.float32, 1e-5),
            (torch.float64, 1e-13),
            (torch.float16, 4e-3),
            (torch.bfloat16, 3e-2),
        ):
            a, b = rand(65, 40).to(dtype), rand(40, 33).to(dtype)
            with self.subTest(dtype=dtype):
                self.expect_close(a.cuda() @ b.cuda(), a.double() @ b.double(), tolerance)
                self.expect_close(
                    b.cuda().t() @ a.cuda().t(), b.t().double() @ a.t().double(), tolerance
                )

    def test_matmul_of_vectors_and_batches(self):
        matrix, vector = rand(20, 30), rand(30)
        self.expect_close(matrix.cuda() @ vector.cuda(), matrix @ vector)
        self.expect_close(torch.dot(vector.cuda(), vector.cuda()), torch.dot(vector, vector))
        left, right = rand(5, 12, 7), rand(5, 7, 9)
        self.expect_close(left.cuda() @ right.cuda(), left @ right)

    def test_linear_adds_its_bias(self):
        layer, inputs = torch.nn.Linear(40, 33), rand(65, 40)
        expected = layer(inputs).detach()
        self.expect_close(layer.cuda()(inputs.cuda()).detach(), expected)

    def test_addmm_with_gelu(self):
        bias, a, b = rand(33), rand(65, 40), rand(40, 33)
        expected = torch.nn.functional.gelu(torch.addmm(bias, a, b), approximate="tanh")
        result = torch._addmm_activation(bias.cuda(), a.cuda(), b.cuda(), use_gelu=True)
        self.expect_close(result, expected)

    def test_matmul_of_integers(self):
        a = torch.arange(-100, -100 + 32 * 4).reshape(32, 4).repeat(1, 16).to(torch.int8)
        result = torch._int_mm(a.cuda(), a.t().contiguous().cuda())
        self.assertTrue(torch.equal(result.cpu(), (a.int() @ a.t().int())))

    def test_matmul_of_fp8_with_scales(self):
        a, b = (rand(rows, 64).to(torch.float8_e4m3fn) for rows in (32, 48))
        half = torch.tensor(0.5).cuda()
        result = torch._scaled_mm(
            a.cuda(), b.cuda().t(), scale_a=half, scale_b=half, out_dtype=torch.bfloat16
        )
        self.expect_close(result, 0.25 * (a.double() @ b.double().t()), 1e-2)

    def test_matmul_in_a_graph(self):
        a, b = rand(12, 20), rand(20, 8)
        inputs, weights = a.cuda(), b.cuda()
        graph = torch.cuda.CUDAGraph()
        _ = inputs @ weights  # so that the workspace is there before the capture
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            result = inputs @ weights
        inputs.copy_(2 * a)
        graph.replay()
        self.expect_close(result, 2 * (a @ b))


unittest.main()
