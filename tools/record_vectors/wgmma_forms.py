"""The forms of wgmma.mma_async that forms.py records.

The two warpgroups of a block fill 6 KiB of shared memory each with their operands, as they come: the descriptors decide
what is read from where, so a wrong address shows as a wrong product. In the text, $D32 stands for 32 registers of
accumulators, and $T with hexadecimal digits for a descriptor whose start is relative to those 6 KiB. More than four
accumulators are folded into four results (see warpgroup_kernel.cc).
"""

import dataclasses
import itertools

TILE = 6144
START_OF_B = 2048  # the first third holds what is meant for A
ROWS = 64
CHUNK = 16
ACCUMULATOR_WORDS, WORDS_OF_A, WORDS_OF_B = 4, 4, 8  # of each thread

BYTES = {"f16": 2, "bf16": 2, "tf32": 4, "e4m3": 1, "e5m2": 1, "s8": 1, "u8": 1}
WORDS = {
    "f16": "group_f16x2",
    "bf16": "group_bf16x2",
    "tf32": "group_tf32",
    "e4m3": "group_e4m3x4",
    "e5m2": "group_e5m2x4",
}
ACCUMULATORS = {"f32": "group_f32", "f16": "group_f16x2", "s32": "s32"}
FP8 = ("e4m3", "e5m2")
INTEGERS = ("s8", "u8")


@dataclasses.dataclass(frozen=True)
class Layout:
    """A matrix in shared memory: the width of the swizzle in bytes (16: none), byte offsets, where it starts."""

    width: int = 16
    leading: int = 1024
    stride: int = 128
    transposed: bool = False
    start: int = 0
    base_offset: int = 0

    def end(self, rows):
        """The first byte after the matrix, at most."""
        chunks_across, lines = (rows // 8, 16) if self.transposed else (2, rows)
        per_line = self.width // CHUNK
        across, down = self.leading, self.stride
        if self.width == CHUNK and self.transposed:
            across, down = down, across
        elif self.width > CHUNK and not self.transposed:
            per_line = chunks_across
        last_line = (lines // 8 - 1) * down + 7 * self.width
        return (
            self.start
            + (chunks_across - 1) // per_line * across
            + last_line
            + max(self.width, 2 * CHUNK)
        )

    def descriptor(self, rows, start):
        moved = dataclasses.replace(self, start=self.start + start)
        assert moved.end(rows) <= TILE, (moved, rows)
        mode = {16: 0, 128: 1, 64: 2, 32: 3}[self.width]
        fields = ((moved.start, 0), (self.leading, 16), (self.stride, 32))
        bits = sum(value // CHUNK << shift for value, shift in fields)
        return f"$T{bits | self.base_offset << 49 | mode << 62:016x}"


PLAIN = Layout()
# Rows next to each other, or as near as the 6 KiB allow.
IN_DEPTH = (
    PLAIN,
    Layout(16, 128, 256),
    Layout(32, 16, 256),
    Layout(64, 16, 384),
    Layout(128, 16, 384),
)
IN_ROWS = (
    Layout(16, 128, 256, True),
    Layout(32, 512, 256, True),
    Layout(64, 1024, 512, True),
    Layout(128, 512, 1024, True),
)


@dataclasses.dataclass(frozen=True)
class Product:
    d: str
    a: str
    b: str
    n: int = 8
    layout_of_a: Layout = PLAIN
    layout_of_b: Layout = PLAIN
    a_in_registers: bool = False
    accumulates: int = 1
    scales: tuple = (1, 1)
    modifier: str = ""

    def registers(self):
        return self.n // (4 if self.d == "f16" else 2)

    def results(self):
        return min(self.registers(), 4)

    def text(self):
        first = self.results() + ACCUMULATOR_WORDS
        registers = ", ".join(f"${first + i}" for i in range(WORDS_OF_A))
        a = f"{{{registers}}}" if self.a_in_registers else self.layout_of_a.descriptor(ROWS, 0)
        b = self.layout_of_b.descriptor(self.n, START_OF_B)
        operands = [f"$D{self.registers()}", a, b, self.accumulates]
        if self.a not in INTEGERS:
            operands += self.scales
        if BYTES[self.a] == 2:
            operands += [] if self.a_in_registers else [int(self.layout_of_a.transposed)]
            operands += [int(self.layout_of_b.transposed)]
        shape = f"m64n{self.n}k{32 // BYTES[self.a]}"
        listed = ", ".join(str(operand) for operand in operands)
        return f"wgmma.mma_async.sync.aligned.{shape}.{self.d}.{self.a}.{self.b}{self.modifier} {listed};"

    def operands(self):
        words = [(ACCUMULATORS[self.d], ACCUMULATOR_WORDS)]
        words += [(WORDS.get(self.a, "b32"), WORDS_OF_A), (WORDS.get(self.b, "b32"), WORDS_OF_B)]
        return " ".join(" ".join([kind] * count) for kind, count in words)


BF16 = Product("f32", "bf16", "bf16")
E4M3 = Product("f32", "e4m3", "e4m3")
TF32 = Product("f32", "tf32", "tf32")
S8 = Product("s32", "s8", "s8")


def every_type():
    yield from (Product("f32", "f16", "f16"), Product("f16", "f16", "f16"), BF16, TF32)
    for a, b in itertools.product(FP8, repeat=2):
        yield from (Product("f32", a, b), Product("f16", a, b))
    for (a, b), modifier in itertools.product(
        itertools.product(INTEGERS, repeat=2), ("", ".satfinite")
    ):
        yield Product("s32", a, b, modifier=modifier)


def types():
    for one in every_type():
        yield one
        yield dataclasses.replace(one, accumulates=0)
        yield dataclasses.replace(one, a_in_registers=True)


def layouts():
    for one, layout in itertools.product((BF16, TF32, E4M3), IN_DEPTH):
        yield dataclasses.replace(one, layout_of_a=layout)
        yield dataclasses.replace(one, layout_of_b=layout, n=64)
    for layout in IN_ROWS:
        yield dataclasses.replace(BF16, layout_of_a=layout)
        yield dataclasses.replace(BF16, layout_of_b=layout, n=64)
        yield dataclasses.replace(BF16, layout_of_b=layout, n=64, a_in_registers=True)
    wide = Layout(128, 512, 1024, True)
    yield dataclasses.replace(BF16, layout_of_b=wide, n=256)
    yield dataclasses.replace(BF16, layout_of_a=IN_ROWS[3], layout_of_b=wide, n=128)
    # Steps along the depth within a swizzled row, and a tile of two whole patterns.
    for start in (32, 64, 96):
        yield dataclasses.replace(BF16, layout_of_a=Layout(128, 16, 512, start=start))
        yield dataclasses.replace(E4M3, layout_of_b=Layout(128, 16, 1024, start=start), n=16)


def columns():
    dense = Layout(16, 256, 96)  # so that 256 columns fit
    for n in (16, 24, 64, 128, 200, 256):
        yield dataclasses.replace(BF16, n=n, layout_of_b=dense)
    for one in (E4M3, TF32, S8, Product("f16", "e5m2", "e4m3")):
        for n in (24, 64, 256):
            yield dataclasses.replace(one, n=n, layout_of_b=dense)


def scales():
    for one, scale in itertools.product(
        (BF16, TF32, E4M3, Product("f16", "f16", "f16")), ((-1, 1), (1, -1), (-1, -1))
    ):
        yield dataclasses.replace(one, scales=scale)
    yield dataclasses.replace(BF16, scales=(-1, 1), a_in_registers=True)


def unusual_layouts():
    # Offsets that the swizzle is said to ignore.
    yield dataclasses.replace(BF16, layout_of_a=Layout(128, 0, 512))
    yield dataclasses.replace(BF16, layout_of_a=Layout(64, 4096, 512))
    # A pattern that does not start at a multiple of its size, with and without its base offset.
    for width, offset in ((128, 1), (128, 3), (128, 6), (64, 1), (64, 2), (32, 1)):
        for start, base_offset in ((128 * offset, offset), (128 * offset, 0), (0, offset)):
            layout = Layout(width, 16, 256, start=start, base_offset=base_offset)
            yield dataclasses.replace(BF16, layout_of_a=layout)
    for offset in (1, 5):
        layout = Layout(128, 512, 1024, True, start=128 * offset, base_offset=offset)
        yield dataclasses.replace(BF16, layout_of_a=layout)


def products():
    """Each once, those last that a GPU might refuse."""
    return dict.fromkeys(
        itertools.chain(types(), layouts(), columns(), scales(), unusual_layouts())
    )
