"""Runs under `slipstream emulate`: tensors of torch on "cuda", results compared with torch's on the CPU."""

import unittest

import kernels
import torch
import triton


def rand(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


class Kernels(unittest.TestCase):
    def expect_close(self, result, expected, tolerance):
        self.assertLess((result.cpu().float() - expected.float()).abs().max().item(), tolerance)

    def test_add(self):
        count = 1000  # not a multiple of the block
        left, right, total = rand(count), rand(count) + 1, torch.empty(count, device="cuda")
        kernels.add[(triton.cdiv(count, 256),)](left.cuda(), right.cuda(), total, count, BLOCK=256)
        self.assertTrue(torch.equal(total.cpu(), left + right))

    def test_softmax(self):
        scores = rand(7, 300) * 10
        chances = torch.empty(7, 300, device="cuda")
        kernels.softmax[(7,)](scores.cuda(), chances, 300, 300, BLOCK=512)
        self.expect_close(chances, scores.softmax(dim=1), 1e-6)

    def test_matmul_on_tensor_cores(self):
        for dtype in (torch.float16, torch.bfloat16):
            for m, n, k in ((64, 64, 64), (100, 72, 48)):
                a, b = (rand(m, k) - 0.5).to(dtype), (rand(k, n) - 0.5).to(dtype)
                c = torch.empty(m, n, dtype=torch.float16, device="cuda")
                grid = (triton.cdiv(m, 64), triton.cdiv(n, 64))
                compiled = kernels.matmul[grid](a.cuda(), b.cuda(), c, m, n, k, M=64, N=64, K=32)
                self.assertIn("wgmma.mma_async", compiled.asm["ptx"])
                self.expect_close(c, (a.float() @ b.float()), 2e-3)

    def test_dropout(self):
        count = 4000
        values = rand(count) + 1
        runs = []
        for seed in (1, 1, 2):
            kept = torch.empty(count, device="cuda")
            kernels.dropout[(triton.cdiv(count, 512),)](
                values.cuda(), kept, count, 0.25, seed, BLOCK=512
            )
            runs.append(kept.cpu())
        self.assertTrue(torch.equal(runs[0], runs[1]))
        self.assertFalse(torch.equal(runs[0], runs[2]))
        stays = runs[0] != 0
        self.assertAlmostEqual(stays.float().mean().item(), 0.75, delta=0.03)
        self.expect_close(runs[0][stays], values[stays] / 0.75, 1e-6)

    def test_layer_norm(self):
        rows, columns, epsilon = 5, 200, 1e-5
        values, outer = rand(rows, columns) * 3, rand(rows, columns)
        weights, biases = rand(columns).requires_grad_(), rand(columns) - 0.5
        normal = torch.empty(rows, columns, device="cuda")
        kernels.layer_norm[(rows,)](
            values.cuda(),
            weights.detach().cuda(),
            biases.cuda(),
            normal,
            columns,
            epsilon,
            BLOCK=256,
        )
        expected = torch.nn.functional.layer_norm(values, (columns,), weights, biases, epsilon)
        self.expect_close(normal, expected.detach(), 1e-5)
        gradient = torch.zeros(columns).cuda()
        kernels.layer_norm_weight_gradient[(rows,)](
            values.cuda(), outer.cuda(), gradient, rows, columns, epsilon, BLOCK=256
        )
        (expected * outer).sum().backward()
        self.expect_close(gradient, weights.grad, 1e-4)

    @unittest.skipIf(
        torch.__version__ < (2, 14),
        "as it captures, torch 2.11 fills memory with a kernel of its own",
    )
    def test_kernels_in_a_graph(self):
        count = 256
        left, right, total = (
            rand(count).cuda(),
            rand(count).cuda(),
            torch.empty(count, device="cuda"),
        )
        launch = lambda: kernels.add[(1,)](left, right, total, count, BLOCK=256)
        launch()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            launch()
        total.copy_(torch.zeros(count))
        graph.replay()
        self.assertTrue(torch.equal(total.cpu(), left.cpu() + right.cpu()))

    def test_a_tensor_on_the_cpu_is_refused(self):
        with self.assertRaisesRegex(ValueError, "cpu tensor"):
            kernels.add[(1,)](rand(4), rand(4), rand(4), 4, BLOCK=256)


if __name__ == "__main__":
    unittest.main()
