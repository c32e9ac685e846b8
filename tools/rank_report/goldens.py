"""Reads safetensors and compares logits: the standard library is enough."""

import array
import json
import math
import pathlib

# Of src/model/tiny/golden.cc: how far the mean cosine, and the share of equal largest logits, may be below those of the
# simulated engine.
COSINE_DROP = 0.0015
ARGMAX_DROP = 0.10


def tensors_of(file):
    data = pathlib.Path(file).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    return header, data[8 + size :]


def rows(file, name):
    """An F32 tensor of two dimensions, as a list of rows."""
    header, data = tensors_of(file)
    entry = header[name]
    begin, end = entry["data_offsets"]
    values = array.array("f")
    values.frombytes(data[begin:end])
    _, columns = entry["shape"]
    return [values[i : i + columns] for i in range(0, len(values), columns)]


def cosine(a, b):
    dot = math.fsum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(math.fsum(x * x for x in a) * math.fsum(y * y for y in b))


def mean_cosine(a, b):
    return sum(map(cosine, a, b)) / len(a)


def argmax(row):
    return max(range(len(row)), key=row.__getitem__)


def argmax_agreement(a, b):
    return sum(argmax(x) == argmax(y) for x, y in zip(a, b, strict=True)) / len(a)
