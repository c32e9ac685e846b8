"""A row's operands on the device, who computes it, and how results are compared."""

import dataclasses
from collections.abc import Callable

import references
import torch

ROTATED_BYTES = 256 << 20

# Of the norm of the difference over the norm of the reference. Rounding alone is 1.7e-3 for bfloat16, 2.6e-2 for e4m3.
TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 3e-3, torch.float8_e4m3fn: 4e-2}

random = torch.Generator().manual_seed(13)


@dataclasses.dataclass
class Contender:
    name: str
    packages: str  # of rivals.PACKAGES, by spaces; none for ours
    call: Callable  # of one of the case's arguments
    remark: str = ""  # where it does less than the others
    tolerance: float | None = None  # where it computes less precisely than its output is


@dataclasses.dataclass
class Case:
    arguments: list  # what rotates; the first is what is compared
    reset: Callable  # before each contender: outputs are wiped, inputs are as they were
    results: Callable  # after a call: list of (name, result as float64 array, reference, tolerance)
    contenders: list
    bytes: float  # that must be moved, at least
    calls: int = 200  # in a graph


def normal(*shape, dtype=torch.bfloat16, scale=1.0):
    """Made on the CPU: torch's own kernels do not run on the emulated device."""
    return (torch.randn(*shape, generator=random) * scale).to(dtype).cuda()


def zeros(*shape, dtype=torch.bfloat16):
    return torch.zeros(*shape, dtype=dtype).cuda()


def rotated(first, copies):
    """Enough copies of what it is, tensor or tuple of tensors, to fill the GPU's caches several times; one without timing."""
    if not copies:
        return [first]
    tensors = first if isinstance(first, tuple) else (first,)
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors if tensor is not None)
    result = [first]
    for _ in range(max(2, min(128, ROTATED_BYTES // size)) - 1):
        made = tuple(
            None if tensor is None else torch.empty_like(tensor).copy_(tensor) for tensor in tensors
        )
        result.append(made if isinstance(first, tuple) else made[0])
    return result


def on_host(tensor):
    return tensor.cpu().double().numpy()


def wipe(*tensors):
    for tensor in tensors:
        host = torch.zeros(tensor.shape, dtype=torch.float32).to(tensor.dtype)
        tensor.copy_(host)


def result(name, tensor, reference, tolerance=None):
    return name, on_host(tensor), reference, tolerance or TOLERANCES[tensor.dtype]


def problem_of(results, tolerance=None):
    """None, or the first result that is too far from its reference."""
    for name, found, wanted, limit in results:
        error = references.relative_error(found, wanted)
        limit = tolerance or limit
        if not error <= limit:
            return f"{name}: error {error:.2g}, must be at most {limit}"
    return None


def largest_error(results):
    return max(references.relative_error(found, wanted) for _, found, wanted, _ in results)
