"""Random matrices in e4m3 with scales of blocks of 128 x 128, for everybody: plain, packed for ours, as numbers."""

import dataclasses

import torch
from cases import on_host, random
from references import GROUP, scaled_blocks
from slipstream import _step


@dataclasses.dataclass
class Blocks:
    codes: torch.Tensor  # on the CPU, [rows, columns]
    scales: torch.Tensor

    def on_device(self):
        return self.codes.cuda(), self.scales.cuda()

    def packed(self):
        matrix = _step.pack(self.codes, self.scales)
        return _step.Matrix(matrix.tiles.cuda(), matrix.scales.cuda(), matrix.rows)

    def banded(self):
        matrix = _step.pack_bands(self.codes, self.scales)
        return _step.Matrix(matrix.tiles.cuda(), None, matrix.rows)

    def numbers(self):
        return scaled_blocks(on_host(self.codes), on_host(self.scales))


def random_scales(rows, columns):
    """That give a product with normal rows about the size of its rows."""
    shape = -(-rows // GROUP), -(-columns // GROUP)
    return (torch.rand(shape, generator=random) + 0.5) * columns**-0.5


def random_blocks(rows, columns):
    codes = torch.randn(rows, columns, generator=random).to(torch.float8_e4m3fn)
    return Blocks(codes, random_scales(rows, columns))
