"""Random operands, made on the CPU (torch's own kernels do not run on the emulated device), and how results compare."""

import torch

ROTATED_BYTES = 256 << 20

# Of the norm of the difference over the norm of the reference. Rounding alone is 1.7e-3 for bfloat16, 2.6e-2 for e4m3.
TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 3e-3, torch.float8_e4m3fn: 4e-2}

_random = torch.Generator().manual_seed(13)


def normal(*shape, dtype=torch.bfloat16, scale=1.0):
    return (torch.randn(*shape, generator=_random) * scale).to(dtype).cuda()


def zeros(*shape, dtype=torch.bfloat16):
    return torch.zeros(*shape, dtype=dtype).cuda()


def rotated(make, copies):
    """Enough of what `make` makes to fill the GPU's caches several times; one where nothing is timed."""
    first = make()
    if not copies:
        return [first]
    count = max(2, min(128, ROTATED_BYTES // (first.numel() * first.element_size())))
    return [first, *(make() for _ in range(count - 1))]


def on_host(tensor):
    return tensor.cpu().double()


def compared(pairs, precision=None):
    """None where each of (name, result, reference) is as close as `precision`, else the result's own, allows; else the
    first that is not."""
    for name, result, reference in pairs:
        found, wanted = on_host(result), reference.double()
        error = float((found - wanted).norm() / wanted.norm())
        limit = TOLERANCES[precision or result.dtype]
        if not error <= limit:
            return f"{name}: error {error:.2g}, must be at most {limit}"
    return None


def rotation_table(positions, width):
    """[positions, width] float32: cosines, then sines."""
    frequencies = 10000.0 ** (-torch.arange(0, width, 2) / width)
    angles = torch.arange(positions)[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], 1).float()


def rotate_interleaved(values, table, positions):
    """values [n, heads, width], rotated in float64 as pairs (0, 1), (2, 3), ..."""
    cosines, sines = table[positions].double()[:, None].chunk(2, -1)
    even, odd = values.double()[..., ::2], values.double()[..., 1::2]
    pairs = [even * cosines - odd * sines, odd * cosines + even * sines]
    return torch.stack(pairs, -1).flatten(-2)
