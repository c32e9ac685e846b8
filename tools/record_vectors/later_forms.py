"""Forms that were first recorded on 2026-11-30: what the table of instructions has and forms.py lacked."""

import itertools


def integers():
    for operation, kind in itertools.product(("add", "min", "max"), ("u16x2", "s16x2")):
        yield f"{operation}.{kind} $0, $1, $2;", "b32", "b32 b32"
    for operation, kind in itertools.product(("min", "max"), ("s32", "s16x2")):
        yield f"{operation}.relu.{kind} $0, $1, $2;", "b32", "b32 b32"
    yield "mad24.hi.sat.s32 $0, $1, $2, $3;", "s32", "s32 s32 s32"
    for kind in ("s16", "u16", "s64", "u64"):
        yield f"sad.{kind} $0, $1, $2, $3;", kind, f"{kind} {kind} {kind}"
    yield "vabsdiff4.u32.u32.u32 $0, $1, $2, $3;", "u32", "u32 u32 u32"
    yield "{ sub.cc.u64 $0, $2, $3; subc.u64 $1, $2, $4; }", "u64 u64", "u64 u64 u64"
    yield "{ mad.lo.cc.u64 $0, $2, $3, $4; madc.hi.u64 $1, $2, $3, $4; }", "u64 u64", "u64 u64 u64"
    for kind in ("u32", "u64"):
        yield (
            f"{{ .reg .{kind} sum; add.cc.{kind} sum, $1, $2; addc.cc.{kind} sum, $1, $3; addc.{kind} $0, 0, 0; }}",
            kind,
            f"{kind} {kind} {kind}",
        )


def comparisons():
    for kind, compare in itertools.product(("s16", "u32", "s64", "f32", "f64"), ("lt", "ne")):
        for operation in ("and", "or", "xor"):
            yield (
                (
                    f"{{ .reg .pred p, q; setp.ne.u32 p, $3, 0; setp.{compare}.{operation}.{kind} q, $1, $2, p; "
                    "selp.u32 $0, 1, 0, q; }"
                ),
                "u32",
                f"{kind} {kind} bool",
            )
    for kind, compare in itertools.product(("f16x2", "bf16x2", "ftz.f16x2"), ("lt", "geu", "nan")):
        packed = kind.removeprefix("ftz.")
        yield (
            f"{{ .reg .pred p, q; setp.{compare}.{kind} p|q, $2, $3; selp.u32 $0, 1, 0, p; selp.u32 $1, 1, 0, q; }}",
            "u32 u32",
            f"{packed} {packed}",
        )
    integers = ("u16", "s16", "u32", "s32", "u64", "s64")
    for result, kind in itertools.product(("u32", "f32"), (*integers, "f64")):
        yield f"set.le.{result}.{kind} $0, $1, $2;", "b32", f"{kind} {kind}"
    for kind in ("f16", "bf16"):
        for result in ("u16", "s32", kind):
            register = "b32" if result == "s32" else "b16"
            yield f"set.leu.{result}.{kind} $0, $1, $2;", register, f"{kind} {kind}"
        for result in ("u32", f"{kind}x2"):
            yield f"set.ge.{result}.{kind}x2 $0, $1, $2;", "b32", f"{kind}x2 {kind}x2"


def selections():
    for kind in ("f32", "f64"):
        yield (
            f"{{ .reg .pred p; setp.ne.u32 p, $3, 0; selp.{kind} $0, $1, $2, p; }}",
            kind,
            f"{kind} {kind} bool",
        )
    for kind, by in itertools.product(("u16", "u64", "f64"), ("s32", "f32")):
        yield f"slct.{kind}.{by} $0, $1, $2, $3;", kind, f"{kind} {kind} {by}"
    yield "slct.f32.s32 $0, $1, $2, $3;", "f32", "f32 f32 s32"
    for operation in ("and", "or", "xor"):
        yield (
            (
                f"{{ .reg .pred p, q; setp.ne.u32 p, $1, 0; setp.ne.u32 q, $2, 0; {operation}.pred p, p, q; "
                "not.pred q, p; selp.u32 $0, 1, 0, q; }"
            ),
            "u32",
            "bool bool",
        )


def floats():
    for rounding, kind in itertools.product(("rn", "rz", "rm", "rp"), ("f32", "ftz.f32", "f64")):
        register = kind.removeprefix("ftz.")
        yield (
            f"mad.{rounding}.{kind} $0, $1, $2, $3;",
            register,
            f"{register} {register} {register}",
        )


def exchanges():
    yield "match.any.sync.b64 $0, $1, 0xffffffff;", "b32", "b64"
    yield (
        "{ .reg .pred p; match.all.sync.b64 $0|p, $2, 0xffffffff; selp.u32 $1, 1, 0, p; }",
        "b32 u32",
        "b64",
    )
    yield "{ .reg .pred p; elect.sync $0|p, 0xffffffff; selp.u32 $1, 1, 0, p; }", "b32 u32", "b32"
    yield (
        "{ .reg .pred p; setp.ne.u32 p, $1, 0; mov.u32 $0, 0; @p activemask.b32 $0; }",
        "b32",
        "bool",
    )


def atomics():
    """On the thread's own element of the array that holds the last operand: the old value, and the new one."""
    for kind in ("u32", "s32", "u64", "s64"):
        bits = f"b{kind[1:]}"
        for operation in ("add", "min", "max", "and", "or", "xor", "exch"):
            is_bitwise = operation in ("and", "or", "xor", "exch")
            if is_bitwise and kind[0] == "s" or (operation, kind) == ("add", "s64"):
                continue
            yield atomic(f"{operation}.{bits if is_bitwise else kind}", kind, kind)
    for operation in ("inc", "dec"):
        yield atomic(f"{operation}.u32", "u32", "u32")
    for kind in ("f32", "f64"):
        yield atomic(f"add.{kind}", kind, kind)
    for kind in ("f16", "bf16", "f16x2", "bf16x2"):
        yield atomic(f"add.noftz.{kind}", kind, kind)
    for bits in ("b16", "b32", "b64"):
        yield (
            f"{{ atom.global.cas.{bits} $0, [address], $2, $3; ld.global.{bits} $1, [address]; }}",
            f"{bits} {bits}",
            f"{bits} {bits} {bits}",
        )

    for kind, noftz in (("f32", ""), ("f16x2", ".noftz"), ("bf16x2", ".noftz")):
        yield (
            (
                f"{{ atom.global.add{noftz}.v2.{kind} {{$0, $1}}, [address], {{$4, $5}}; "
                "ld.global.v2.b32 {$2, $3}, [address]; }"
            ),
            " ".join([kind] * 4),
            f"{kind} {kind} b64",
        )
        yield (
            f"{{ atom.shared.add{noftz}.{kind} $0, [$S], $3; ld.shared.b32 $1, [$S]; }}",
            f"{kind} {kind}",
            f"{kind} {kind} b32 b32",
        )


def atomic(operation, kind, operand):
    bits = f"b{8 * {'u3': 4, 's3': 4, 'u6': 8, 's6': 8, 'f3': 4, 'f6': 8}.get(kind[:2], 4 if 'x2' in kind else 2)}"
    return (
        f"{{ atom.global.{operation} $0, [address], $2; ld.global.{bits} $1, [address]; }}",
        f"{kind} {kind}",
        f"{operand} {operand}",
    )


def registers(first, count):
    return "{" + ", ".join(f"${first + i}" for i in range(count)) + "}"


def small_products():
    """wmma.mma of f64, of 4 bits and of one."""
    kinds = [("m8n8k4", "", "f64.f64.f64.f64", "tensor_f64", "tensor_f64")]
    kinds += [("m8n8k4.rz", "", "f64.f64.f64.f64", "tensor_f64", "tensor_f64")]
    kinds += [("m8n8k32", "", f"s32.{kind}.{kind}.s32", "s32", "b32") for kind in ("s4", "u4")]
    kinds += [
        ("m8n8k128", f"{name}.popc.", "s32.b1.b1.s32", "s32", "b32") for name in ("and", "xor")
    ]
    for shape, operation, types, sums, elements in kinds:
        yield (
            (
                f"wmma.mma.{operation}sync.aligned.row.col.{shape}.{types} "
                f"{registers(0, 2)}, {registers(2, 1)}, {registers(3, 1)}, {registers(4, 2)};"
            ),
            f"{sums} {sums}",
            f"{elements} {elements} {sums} {sums}",
        )


# Of the fragments in memory: matrix, shape, type, layouts, elements from row to row (or column to column), registers.
FRAGMENTS = (
    ("a", "m16n16k8", "tf32", {"row": 8, "col": 16}, 4),
    ("b", "m16n16k8", "tf32", {"row": 16, "col": 8}, 4),
    ("a", "m8n8k4", "f64", {"row": 4, "col": 8}, 1),
    ("b", "m8n8k4", "f64", {"row": 8, "col": 4}, 1),
    ("a", "m8n8k32", "s4", {"row": 32}, 1),
    ("b", "m8n8k32", "u4", {"col": 32}, 1),
    ("a", "m8n8k128", "b1", {"row": 128}, 1),
    ("b", "m8n8k128", "b1", {"col": 128}, 1),
    ("c", "m16n16k16", "f16", {"row": 16, "col": 16}, 4),
    ("c", "m32n8k16", "f32", {"row": 8, "col": 32}, 8),
    ("c", "m8n32k16", "s32", {"row": 32, "col": 8}, 8),
    ("c", "m16n16k8", "f32", {"row": 16, "col": 16}, 8),
    ("c", "m8n8k4", "f64", {"row": 8, "col": 8}, 2),
    ("c", "m8n8k32", "s32", {"row": 8, "col": 8}, 2),
)


def fragments():
    for matrix, shape, kind, layouts, count in FRAGMENTS:
        for layout, stride in layouts.items():
            yield (
                f"wmma.load.{matrix}.sync.aligned.{layout}.{shape}.shared.{kind} {registers(0, count)}, [$B], {stride};",
                " ".join(["b64" if kind == "f64" else "b32"] * count),
                "b32 b32 b32 b32",
            )
    # A warp's rows are 512 bytes, which its fragment fills; each thread reads one.
    read = "bar.warp.sync -1; ld.shared.v4.b32 {$0, $1, $2, $3}, [$S]; }"
    for shape, layout, stride in (
        ("m16n16k16", "row", 16),
        ("m16n16k16", "col", 16),
        ("m32n8k16", "row", 8),
        ("m8n32k16", "col", 8),
    ):
        store = f"wmma.store.d.sync.aligned.{layout}.{shape}.shared.f16 [own], {registers(4, 4)}, {stride}; "
        own = "{ .reg .b32 own; and.b32 own, thread, 31; mul.lo.u32 own, own, 16; sub.u32 own, $S, own; bar.warp.sync -1; "
        yield own + store + read, "b32 b32 b32 b32", "b32 b32 b32 b32"
    for count in (1, 2, 4):
        for trans in ("", ".trans"):
            store = f"stmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16 [$S], {registers(4, count)}; "
            yield "{ bar.warp.sync -1; " + store + read, "b32 b32 b32 b32", "b32 b32 b32 b32"


def forms():
    """(text, results, operands) of each form."""
    for family in (
        small_products,
        fragments,
        integers,
        comparisons,
        selections,
        floats,
        exchanges,
        atomics,
    ):
        yield from family()
