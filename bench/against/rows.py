"""The rows of the table: operators and the shapes they are measured at. Needs nothing but Python."""

import dataclasses

TOKENS = (1, 2, 3, 4, 8, 12, 16)  # 3 and 12: tails of tiles
CONTEXTS = (4096, 8192, 16384, 32768, 65536, 131072)
DEFAULT_TOKENS = (1, 2, 4, 8, 16)


@dataclasses.dataclass(frozen=True)
class Operator:
    name: str
    title: str
    module: str  # of `families`: it has a function of the operator's name, from a row to a case
    sizes: tuple = ((),)  # of matrices, where there are several: rows and columns
    has_context: bool = False


@dataclasses.dataclass(frozen=True)
class Row:
    operator: Operator
    tokens: int
    context: int = 0
    size: tuple = ()

    @property
    def shape(self):
        parts = [f"{self.size[0]}x{self.size[1]}"] if self.size else []
        parts.append(f"{'B' if self.context else 'M'}={self.tokens}")
        if self.context:
            parts.append(f"{self.context // 1024}K")
        return " ".join(parts)


LINEARS = ((2112, 7168), (3072, 1536), (7168, 2048))

OPERATORS = (
    Operator("fused_a", "fused-A GEMM 2112 x 7168, bf16", "gemm"),
    Operator("router", "router GEMM 256 x 7168, fp32 result", "gemm"),
    Operator("quant", "quantize groups of 128 of 7168 to e4m3", "quantize"),
    Operator("gate_scale", "gates of 64 index heads, scaled", "quantize"),
    Operator("rope", "rope in place, 16 + 1 heads", "rope"),
    Operator("rope_quant", "rope and quantize, 16 heads", "rope"),
    Operator("cache_write", "latent cache write 512 + 64, bf16", "cache"),
    Operator("linear", "block-fp8 linear, quantization included", "linear", LINEARS),
    Operator(
        "norm_linear", "block-fp8 linear with residual, norm, quantization", "linear", LINEARS
    ),
    Operator("moe", "routed experts, 8 of 256 of width 256", "experts"),
    Operator("scores", "index scores, with rope and quantization", "indexer", has_context=True),
    Operator("topk", "top-k 2048 of the index scores", "indexer", has_context=True),
    Operator("indexer", "index scores and top-k", "indexer", has_context=True),
    Operator(
        "attend", "sparse attention, 16 heads, 656-byte rows, W_UV", "attention", has_context=True
    ),
)


def operators(names):
    """Those whose names are in the comma-separated text; all if it is empty."""
    if not names:
        return OPERATORS
    known = {operator.name: operator for operator in OPERATORS}
    chosen = names.split(",")
    for name in chosen:
        if name not in known:
            raise ValueError(f"--rows must be of {', '.join(known)}, is {name}")
    return tuple(known[name] for name in chosen)


def numbers(option, text, allowed_range):
    """Numbers of a comma-separated text, each in the range."""
    low, high = allowed_range
    result = []
    for part in text.split(","):
        if not part.isdigit() or not low <= int(part) <= high:
            raise ValueError(f"{option} must be numbers from {low} to {high}, is {part!r}")
        result.append(int(part))
    return result


def rows_of(chosen, tokens, contexts):
    """Every row of these operators: all sizes, all numbers of tokens; all contexts where there is one.

    Several tokens at every context would take most of the time: they are measured at the shortest and at 64K.
    """
    rows = []
    for operator in chosen:
        for size in operator.sizes:
            for count in tokens:
                for context in contexts if operator.has_context else (0,):
                    if count > 1 and context not in (0, min(contexts), 65536):
                        continue
                    rows.append(Row(operator, count, context, size))
    return rows
