"""Forms that sample and address images: textures in every geometry, filter, address mode and format, and surfaces.

A form begins with its image in brackets (image_spec.h); $I stands for the handle.
"""

COORDINATES = {
    "1d": (("x",), "{{{0}}}"),
    "2d": (("x", "x"), "{{{0}, {1}}}"),
    "3d": (("x", "x", "x"), "{{{0}, {1}, {2}, {2}}}"),
    "a1d": (("layer", "x"), "{{{0}, {1}}}"),
    "a2d": (("layer", "x", "x"), "{{{0}, {1}, {2}, {2}}}"),
    "cube": (("direction", "direction", "direction"), "{{{0}, {1}, {2}, {2}}}"),
    "acube": (("layer", "direction", "direction", "direction"), "{{{0}, {1}, {2}, {3}}}"),
}
SIZES = {"1d": "7x1x1", "2d": "7x5x1", "3d": "7x5x3", "a1d": "7x1x3", "a2d": "7x5x3"}


def place(geometry, unit, first):
    """The address of a sample, with registers from `first`, and the types of its coordinates."""
    kinds, text = COORDINATES[geometry]
    names = [f"${first + i}" for i in range(len(kinds))]
    types = [unit if kind == "x" else kind for kind in kinds]
    return "[$I, " + text.format(*names) + "]", " ".join(types)


def sample(image, geometry, unit, result="f32", instruction="tex", extra=""):
    """The text and the operands of one sample; tex.2d.v4.f32.f32 by default."""
    at, operands = place(geometry, unit, 4)
    coordinate = "s32" if unit == "index" else "f32"
    return (
        f"[{image}] {instruction}.{geometry}.v4.{result}.{coordinate} {{$0, $1, $2, $3}}, {at}{extra};",
        operands,
    )


def samples():
    """(text, operands, type of the results[, bound])"""
    for geometry, size in SIZES.items():
        for filter_mode in ("point", "linear"):
            for unit, modes in (
                ("texel", ("clamp", "border")),
                ("unit", ("wrap", "clamp", "mirror", "border")),
            ):
                for mode in modes:
                    image = f"{geometry} {size} f32x1 {filter_mode} {mode} {unit}"
                    yield (*sample(image, geometry, unit), "f32")
    for geometry, size in (("cube", "4x4x6"), ("cube", "5x5x6"), ("acube", "4x4x12")):
        for filter_mode in ("point", "linear"):
            for mode in ("wrap", "clamp", "mirror", "border"):
                image = f"{geometry} {size} f32x1 {filter_mode} {mode} unit"
                yield (*sample(image, geometry, "unit"), "f32")
    for kind in ("f32x2", "f32x4", "f16x1", "f16x4", "u8x4", "s8x2", "u16x1", "s16x4"):
        reads = "" if kind[0] == "f" else " fractions"
        for filter_mode in ("point", "linear"):
            image = f"2d 7x5x1 {kind} {filter_mode} border texel{reads}"
            # How an H200 extends signed bytes to the 16 bits with which it filters is not known to the last bit.
            is_rounded = kind[:2] == "s8" and filter_mode == "linear"
            yield (*sample(image, "2d", "texel"), "f32", *(["absolute -14"] if is_rounded else []))
    for kind in ("u8x4", "s8x2", "u16x1", "s16x4", "u32x2", "s32x1"):
        result = "u32" if kind[0] == "u" else "s32"
        image = f"2d 7x5x1 {kind} point border texel"
        yield (*sample(image, "2d", "texel", result), "b32")
    yield from gathers()
    image = "2d 7x5x1 f32x1 linear wrap unit"
    yield (*sample(image, "2d", "unit", instruction="tex.level", extra=", 0f00000000"), "f32")
    gradients = ", {0f3C000000, 0f00000000}, {0f00000000, 0f3C000000}"
    yield (*sample(image, "2d", "unit", instruction="tex.grad", extra=gradients), "f32")
    yield from fetches()
    for mode in ("clamp", "border"):
        yield (*sample(f"plane 7x5x1 f32x1 linear {mode} texel", "2d", "texel"), "f32")


def gathers():
    for geometry, size, unit, mode in (
        ("2d", "7x5x1", "texel", "clamp"),
        ("2d", "7x5x1", "unit", "wrap"),
        ("a2d", "7x5x3", "texel", "border"),
    ):
        for channel in "rgba":
            image = f"{geometry} {size} f32x4 linear {mode} {unit} gather"
            yield (*sample(image, geometry, unit, instruction=f"tld4.{channel}"), "f32")


def fetches():
    for geometry, size, kind in (
        ("line", "7x1x1", "f32x1"),
        ("line", "7x1x1", "u8x4"),
        ("2d", "7x5x1", "f32x1"),
        ("3d", "7x5x3", "f32x1"),
        ("a2d", "7x5x3", "f32x1"),
    ):
        image = f"{geometry} {size} {kind} point clamp texel"
        result = "u32" if kind[0] == "u" else "f32"
        yield (
            *sample(image, "1d" if geometry == "line" else geometry, "index", result),
            result.replace("u", "b"),
        )


def surface_loads():
    """(text, results, operands): x counts bytes."""
    for geometry, size in SIZES.items():
        for outside in ("clamp", "zero"):
            for kind, element, count in (
                ("u8x4", "b8", 4),
                ("f32x2", "b32", 2),
                ("u16x1", "b16", 1),
            ):
                bits = {"b8": 8, "b16": 16, "b32": 32}[element]
                names = [f"${i}" for i in range(count)]
                vector = f".v{count}" if count > 1 else ""
                at, operands = place(geometry, "index", count)
                x = count + (1 if geometry[0] == "a" else 0)
                bytes_each = count * bits // 8
                text = (
                    f"[{geometry} {size} {kind} surface] {{ .reg .b32 x; mul.lo.s32 x, ${x}, {bytes_each}; "
                    f"suld.b.{geometry}{vector}.{element}.{outside} {{{', '.join(names)}}}, "
                    f"{at.replace(f'${x}', 'x', 1)}; }}"
                )
                yield text, " ".join([f"b{max(bits, 16)}"] * count), operands


def surface_stores():
    """Each thread reads what it has stored."""
    yield (
        (
            "[1d 512x1x1 f32x1 surface] { .reg .b32 x; shl.b32 x, index, 2; sust.b.1d.b32.clamp [$I, {x}], {$1}; "
            "suld.b.1d.b32.clamp {$0}, [$I, {x}]; }"
        ),
        "b32",
        "b32",
    )
    yield (
        (
            "[2d 512x2x1 f32x4 surface] { .reg .b32 x; shl.b32 x, index, 4; "
            "sust.b.2d.v4.b32.clamp [$I, {x, 1}], {$4, $5, $6, $7}; "
            "suld.b.2d.v4.b32.clamp {$0, $1, $2, $3}, [$I, {x, 1}]; }"
        ),
        "b32 b32 b32 b32",
        "b32 b32 b32 b32",
    )


def queries():
    for what in ("width", "height", "depth"):
        yield f"[3d 7x5x3 f32x1 point clamp texel] txq.{what}.b32 $0, [$I];", "b32", "b32"
        yield f"[3d 7x5x3 f32x1 surface] suq.{what}.b32 $0, [$I];", "b32", "b32"


def forms():
    """(text, results, operands[, bound]) of each form."""
    for text, operands, result, *bound in samples():
        yield text, " ".join([result] * 4), operands, *bound
    yield from surface_loads()
    yield from surface_stores()
    yield from queries()
