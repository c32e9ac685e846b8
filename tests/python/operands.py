"""Operands of the operators, on the device and on the host, for comparing bits."""

import numpy
import pytest
from arrays import Array, bits_type

try:
    import torch
except ImportError:
    torch = None


needs_torch = pytest.mark.skipif(torch is None, reason="needs torch")


class Operand:
    """One array twice: `device` goes to the operator, `host` to the reference. With torch, `device` is a tensor of it."""

    def __init__(self, bits, dtype):
        bits = numpy.asarray(bits).view(bits_type(dtype))
        self.host = Array(bits.copy(), dtype)
        if torch is None:
            self.device = Array(bits.copy(), dtype, device=0)
        else:
            same_width = {8: torch.uint8, 16: torch.int16, 32: torch.int32, 64: torch.int64}
            signed = bits.view(f"int{bits.itemsize * 8}") if bits.itemsize > 1 else bits
            plain = torch.from_numpy(signed.copy()).to("cuda")
            assert plain.dtype == same_width[bits.itemsize * 8]
            self.device = plain.view(getattr(torch, dtype))

    def device_bits(self):
        return bits_of(self.device)

    def host_bits(self):
        return self.host.to_host()


def bits_of(device_array):
    """The bits of what an operator wrote, be it an Array or a tensor."""
    if isinstance(device_array, Array):
        return device_array.to_host()
    width = device_array.element_size()
    signed = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[width]
    # Copied as it lies in memory: torch's own kernels do not run on the emulated device.
    plain = device_array.view(signed).cpu().numpy()
    return plain.view(f"uint{8 * width}")


def bfloat16_bits(values):
    """Rounded toward zero, which is as good as any rounding for making inputs."""
    return (numpy.asarray(values, numpy.float32).view(numpy.uint32) >> 16).astype(numpy.uint16)


class Random:
    def __init__(self, seed=1):
        self._generator = numpy.random.default_rng(seed)

    def bfloat16(self, *shape):
        return Operand(bfloat16_bits(self._generator.normal(size=shape) * 3), "bfloat16")

    def small_integers(self, *shape):
        """bfloat16 whose products add up exactly, in whatever order."""
        return Operand(bfloat16_bits(self._generator.integers(-3, 4, size=shape)), "bfloat16")

    def float32(self, *shape):
        return Operand(self._generator.normal(size=shape).astype(numpy.float32), "float32")

    def rope_table(self, positions, width):
        angles = self._generator.uniform(-3, 3, size=(positions, width // 2))
        table = numpy.concatenate([numpy.cos(angles), numpy.sin(angles)], axis=1)
        return Operand(table.astype(numpy.float32), "float32")


def integers(values, dtype="int64"):
    return Operand(numpy.asarray(values, dtype), dtype)


def filled(shape, dtype, byte=0xA5):
    """What was there before: an operator must leave what it does not write."""
    bits = numpy.frombuffer(
        bytes([byte]) * (int(numpy.prod(shape)) * bits_type(dtype).itemsize), bits_type(dtype)
    )
    return Operand(bits.reshape(shape), dtype)


def assert_same_bits(*operands):
    for operand in operands:
        numpy.testing.assert_array_equal(operand.device_bits(), operand.host_bits())
