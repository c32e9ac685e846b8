"""The instruction forms whose results are recorded on a GPU and replayed on the emulator.

A form is PTX text with $0, $1, ... for results, then operands, their types (form.cc says which register holds one,
inputs.cc what its values look like), and how far a result may be off where PTX does not define its bits. Run as a
program, this writes the forms as a table in C++; form_kernel.cc makes a kernel of each:

    python3 forms.py OUTPUT_FILE
"""

import dataclasses
import itertools
import pathlib
import re
import sys

import later_forms
import texture_forms
import wgmma_forms


@dataclasses.dataclass(frozen=True)
class Form:
    text: str
    results: tuple
    operands: tuple
    bound: str = "exact"  # "relative E": 2^E of the value; "absolute E": 2^E; "ulp N"


FORMS = []


def form(text, results, operands, bound="exact"):
    FORMS.append(Form(text, tuple(results.split()), tuple(operands.split()), bound))


def each(spelling, results, operands, **options):
    """One form per combination of the alternatives in braces: "{add,sub}.{s32,u32}"; $T repeats the last choice."""
    parts = []
    rest = spelling
    while "{" in rest and "}" in rest:
        head, rest = rest.split("{", 1)
        choices, rest = rest.split("}", 1)
        parts += [[head], choices.split(",")]
    parts.append([rest])
    for choice in itertools.product(*parts):
        last = choice[-2] if len(choice) > 1 else ""
        kind = last.lstrip(".")
        form("".join(choice), results.replace("$T", kind), operands.replace("$T", kind), **options)


def predicate(compare, results, operands, dialect=""):
    """A form that writes a predicate, seen as 0 or 1."""
    form(
        dialect + "{ .reg .pred p; " + compare.replace("$P", "p") + " selp.u32 $0, 1, 0, p; }",
        results,
        operands,
    )


def integer_forms():
    each("{add,sub,min,max}.{s16,u16,s32,u32,s64,u64} $0, $1, $2;", "$T", "$T $T")
    each("mul.{lo,hi}.{s16,u16,s32,u32,s64,u64} $0, $1, $2;", "$T", "$T $T")
    each("mad.{lo,hi}.{s16,u16,s32,u32,s64,u64} $0, $1, $2, $3;", "$T", "$T $T $T")
    for narrow, wide in (("s16", "s32"), ("u16", "u32"), ("s32", "s64"), ("u32", "u64")):
        form(f"mul.wide.{narrow} $0, $1, $2;", wide, f"{narrow} {narrow}")
        form(f"mad.wide.{narrow} $0, $1, $2, $3;", wide, f"{narrow} {narrow} {wide}")
    each("mul24.{lo,hi}.{s32,u32} $0, $1, $2;", "$T", "$T $T")
    each("mad24.{lo,hi}.{s32,u32} $0, $1, $2, $3;", "$T", "$T $T $T")
    each("{add.sat,sub.sat}.{s32} $0, $1, $2;", "$T", "$T $T")
    form("mad.hi.sat.s32 $0, $1, $2, $3;", "s32", "s32 s32 s32")
    each("{abs,neg}.{s16,s32,s64} $0, $1;", "$T", "$T")
    each("sad.{s32,u32} $0, $1, $2, $3;", "$T", "$T $T $T")
    # Division by zero is not defined.
    for kind, bits in (
        ("s16", "b16"),
        ("u16", "b16"),
        ("s32", "b32"),
        ("u32", "b32"),
        ("s64", "b64"),
        ("u64", "b64"),
    ):
        for operation in ("div", "rem"):
            form(
                f"{{ .reg .{bits} odd; or.{bits} odd, $2, 1; {operation}.{kind} $0, $1, odd; }}",
                kind,
                f"{kind} {kind}",
            )
    each("{popc,clz}.{b32,b64} $0, $1;", "u32", "$T")
    each("brev.{b32,b64} $0, $1;", "$T", "$T")
    each("bfind.{s32,u32,s64,u64} $0, $1;", "u32", "$T")
    each("bfind.shiftamt.{s32,u32,s64,u64} $0, $1;", "u32", "$T")
    each("bfe.{s32,u32,s64,u64} $0, $1, $2, $3;", "$T", "$T shift shift", bound="bitfield")
    each("bfi.{b32,b64} $0, $1, $2, $3, $4;", "$T", "$T $T shift shift", bound="bitfield")
    each("szext.{clamp,wrap}.{s32,u32} $0, $1, $2;", "$T", "$T shift")
    each("bmsk.{clamp,wrap}.b32 $0, $1, $2;", "b32", "shift shift")
    each("fns.b32 $0, $1, $2, $3;", "b32", "b32 lane lane")
    form("vabsdiff4.u32.u32.u32.add $0, $1, $2, $3;", "u32", "u32 u32 u32")
    for a, b in itertools.product(("s32", "u32"), repeat=2):
        accumulator = "u32" if (a, b) == ("u32", "u32") else "s32"
        form(f"dp4a.{a}.{b} $0, $1, $2, $3;", accumulator, f"{a} {b} {accumulator}")
        form(f"dp2a.lo.{a}.{b} $0, $1, $2, $3;", accumulator, f"{a} {b} {accumulator}")
        form(f"dp2a.hi.{a}.{b} $0, $1, $2, $3;", accumulator, f"{a} {b} {accumulator}")
    form("{ add.cc.u32 $0, $2, $3; addc.u32 $1, $2, $4; }", "u32 u32", "u32 u32 u32")
    form("{ sub.cc.u32 $0, $2, $3; subc.u32 $1, $2, $4; }", "u32 u32", "u32 u32 u32")
    form("{ mad.lo.cc.u32 $0, $2, $3, $4; madc.hi.u32 $1, $2, $3, $4; }", "u32 u32", "u32 u32 u32")
    form("{ add.cc.u64 $0, $2, $3; addc.u64 $1, $2, $4; }", "u64 u64", "u64 u64 u64")


def logic_forms():
    each("{and,or,xor}.{b16,b32,b64} $0, $1, $2;", "$T", "$T $T")
    each("{not,cnot}.{b16,b32,b64} $0, $1;", "$T", "$T")
    each("shl.{b16,b32,b64} $0, $1, $2;", "$T", "$T shift")
    each("shr.{b16,s16,u16,b32,s32,u32,b64,s64,u64} $0, $1, $2;", "$T", "$T shift")
    each("shf.{l,r}.{clamp,wrap}.b32 $0, $1, $2, $3;", "b32", "b32 b32 shift")
    for table in (0x00, 0x1E, 0x80, 0x96, 0xCA, 0xE8, 0xFE):
        form(f"lop3.b32 $0, $1, $2, $3, {table:#x};", "b32", "b32 b32 b32")
    each("prmt.b32{,.f4e,.b4e,.rc8,.ecl,.ecr,.rc16} $0, $1, $2, $3;", "b32", "b32 b32 b32")
    for kind in ("b16", "b32", "b64"):
        form(
            f"{{ .reg .pred p; setp.ne.u32 p, $3, 0; selp.{kind} $0, $1, $2, p; }}",
            kind,
            f"{kind} {kind} bool",
        )
    form("slct.u32.s32 $0, $1, $2, $3;", "u32", "u32 u32 s32")
    form("slct.f32.f32 $0, $1, $2, $3;", "f32", "f32 f32 f32")
    form("slct.ftz.f32.f32 $0, $1, $2, $3;", "f32", "f32 f32 f32")


def compare_forms():
    for kind in ("s16", "u16", "s32", "u32", "s64", "u64"):
        for compare in ("eq", "ne", "lt", "le", "gt", "ge"):
            predicate(f"setp.{compare}.{kind} $P, $1, $2;", "u32", f"{kind} {kind}")
    for kind in ("f32", "f64", "f16", "bf16"):
        for compare in (
            "eq",
            "ne",
            "lt",
            "le",
            "gt",
            "ge",
            "equ",
            "neu",
            "ltu",
            "leu",
            "gtu",
            "geu",
            "num",
            "nan",
        ):
            predicate(f"setp.{compare}.{kind} $P, $1, $2;", "u32", f"{kind} {kind}")
    for compare in ("lt", "gtu"):
        predicate(f"setp.{compare}.ftz.f32 $P, $1, $2;", "u32", "f32 f32")
    each("set.{lt,ge,ne}.u32.{f32,s32} $0, $1, $2;", "u32", "$T $T")
    each("set.{gt,leu}.u32.f16x2 $0, $1, $2;", "b32", "f16x2 f16x2")
    each("set.{gt,leu}.f16x2.f16x2 $0, $1, $2;", "b32", "f16x2 f16x2")
    for kind in ("f32", "f64"):
        for test in ("finite", "infinite", "number", "notanumber", "normal", "subnormal"):
            predicate(f"testp.{test}.{kind} $P, $1;", "u32", kind)


def float_forms():
    for operation in ("add", "sub", "mul"):
        each(operation + ".{rn,rz,rm,rp}{,.ftz}{,.sat}.f32 $0, $1, $2;", "f32", "f32 f32")
        each(operation + ".{rn,rz,rm,rp}.f64 $0, $1, $2;", "f64", "f64 f64")
    each("fma.{rn,rz,rm,rp}{,.ftz}{,.sat}.f32 $0, $1, $2, $3;", "f32", "f32 f32 f32")
    each("fma.{rn,rz,rm,rp}.f64 $0, $1, $2, $3;", "f64", "f64 f64 f64")
    each("div.{rn,rz,rm,rp}{,.ftz}.f32 $0, $1, $2;", "f32", "f32 f32")
    each("div.{rn,rz,rm,rp}.f64 $0, $1, $2;", "f64", "f64 f64")
    each("{rcp,sqrt}.{rn,rz,rm,rp}{,.ftz}.f32 $0, $1;", "f32", "f32")
    each("{rcp,sqrt}.{rn,rz,rm,rp}.f64 $0, $1;", "f64", "f64")
    each("{min,max}{,.ftz}{,.NaN}{,.xorsign.abs}.f32 $0, $1, $2;", "f32", "f32 f32")
    each("{min,max}.f64 $0, $1, $2;", "f64", "f64 f64")
    each("{abs,neg}{,.ftz}.f32 $0, $1;", "f32", "f32")
    each("{abs,neg}.f64 $0, $1;", "f64", "f64")
    each("copysign.{f32,f64} $0, $1, $2;", "$T", "$T $T")


def approximate_forms():
    each("rcp.approx{,.ftz}.f32 $0, $1;", "f32", "f32", bound="ulp 1")
    each("sqrt.approx{,.ftz}.f32 $0, $1;", "f32", "f32", bound="relative -23")
    each("rsqrt.approx{,.ftz}.f32 $0, $1;", "f32", "f32", bound="relative -22")
    each("div.approx{,.ftz}.f32 $0, $1, $2;", "f32", "f32 f32", bound="division 2")
    each("div.full{,.ftz}.f32 $0, $1, $2;", "f32", "f32 f32", bound="division 2")
    each("ex2.approx{,.ftz}.f32 $0, $1;", "f32", "f32", bound="relative -22")
    each("lg2.approx{,.ftz}.f32 $0, $1;", "f32", "f32", bound="logarithm -22")
    each("{sin,cos}.approx{,.ftz}.f32 $0, $1;", "f32", "f32", bound="trigonometric -20")
    form("tanh.approx.f32 $0, $1;", "f32", "f32", bound="relative -10")
    each("tanh.approx.{f16,f16x2} $0, $1;", "$T", "$T", bound="absolute -10")
    each("tanh.approx.{bf16,bf16x2} $0, $1;", "$T", "$T", bound="absolute -8")
    each("ex2.approx.{f16,f16x2} $0, $1;", "$T", "$T", bound="relative -9")
    each("ex2.approx.ftz.{bf16,bf16x2} $0, $1;", "$T", "$T", bound="relative -7")
    each(
        "{rcp.approx.ftz,rsqrt.approx,rsqrt.approx.ftz}.f64 $0, $1;",
        "f64",
        "f64",
        bound="relative -19",
    )


def half_forms():
    each("{add,sub,mul}{,.rn}{,.ftz}{,.sat}.{f16,f16x2} $0, $1, $2;", "$T", "$T $T")
    each("{add,sub,mul}.{bf16,bf16x2} $0, $1, $2;", "$T", "$T $T")
    each("fma.rn{,.ftz}{,.sat,.relu}.{f16,f16x2} $0, $1, $2, $3;", "$T", "$T $T $T")
    each("fma.rn{,.relu}.{bf16,bf16x2} $0, $1, $2, $3;", "$T", "$T $T $T")
    each("{min,max}{,.NaN}{,.xorsign.abs}.{f16,f16x2,bf16,bf16x2} $0, $1, $2;", "$T", "$T $T")
    each("{abs,neg}.{f16,f16x2,bf16,bf16x2} $0, $1;", "$T", "$T")


INTEGERS = ("u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64")


def holds(to, source):
    """Whether every value of the integer type `source` is one of `to`; then .sat is not allowed."""
    to_bits, source_bits = int(to[1:]), int(source[1:])
    return (
        to_bits >= source_bits if to[0] == source[0] else source[0] == "u" and to_bits > source_bits
    )


def conversion_forms():
    for to, source in itertools.product(INTEGERS, repeat=2):
        if to != source:
            form(f"cvt.{to}.{source} $0, $1;", to, source)
            if not holds(to, source):
                form(f"cvt.sat.{to}.{source} $0, $1;", to, source)
    for kind in ("f32", "f64"):
        each("cvt.{rn,rz,rm,rp}." + kind + ".{u8,s8,u16,s16,u32,s32,u64,s64} $0, $1;", kind, "$T")
        for integer in INTEGERS:
            each("cvt.{rni,rzi,rmi,rpi}." + f"{integer}.{kind} $0, $1;", integer, kind)
        each("cvt.{rni,rzi,rmi,rpi}." + f"{kind}.{kind} $0, $1;", kind, kind)
    form("cvt.rzi.ftz.s32.f32 $0, $1;", "s32", "f32")
    form("cvt.rni.ftz.f32.f32 $0, $1;", "f32", "f32")
    each("cvt{,.ftz}.sat.f32.f32 $0, $1;", "f32", "f32")
    each("cvt.{rn,rz,rm,rp}{,.ftz}{,.sat}.f32.f64 $0, $1;", "f32", "f64")
    each("cvt{,.ftz}.f64.f32 $0, $1;", "f64", "f32")


def short_conversion_forms():
    each("cvt.f32.{f16,bf16} $0, $1;", "f32", "$T")
    each("cvt.f64.{f16,bf16} $0, $1;", "f64", "$T")
    each("cvt.{rn,rz,rm,rp}{,.ftz}{,.sat}.f16.f32 $0, $1;", "f16", "f32")
    each("cvt.{rn,rz,rm,rp}.{f16,bf16}.f64 $0, $1;", "$T", "f64")
    each("cvt.{rn,rz,rm,rp}.bf16.f32 $0, $1;", "bf16", "f32")
    each("cvt.{rn,rz}{.relu,.satfinite,.relu.satfinite}.{f16,bf16}.f32 $0, $1;", "$T", "f32")
    each("cvt.{rn,rz}{,.relu}{,.satfinite}.{f16x2,bf16x2}.f32 $0, $1, $2;", "$T", "f32 f32")
    form("cvt.rna.tf32.f32 $0, $1;", "b32", "f32")
    each("cvt.{rn,rz}{,.relu}.tf32.f32 $0, $1;", "b32", "f32")
    each("cvt.rn.satfinite{,.relu}.{e4m3x2,e5m2x2}.f32 $0, $1, $2;", "$T", "f32 f32")
    each("cvt.rn.satfinite{,.relu}.{e4m3x2,e5m2x2}.f16x2 $0, $1;", "$T", "f16x2")
    each("cvt.rn{,.relu}.f16x2.{e4m3x2,e5m2x2} $0, $1;", "f16x2", "$T")
    for kind in ("f16", "bf16"):
        for integer in INTEGERS if kind == "f16" else INTEGERS[2:]:
            each("cvt.{rn,rz,rm,rp}." + f"{kind}.{integer} $0, $1;", kind, integer)
            each("cvt.{rni,rzi,rmi,rpi}." + f"{integer}.{kind} $0, $1;", integer, kind)
        each("cvt.{rni,rzi,rmi,rpi}." + f"{kind}.{kind} $0, $1;", kind, kind)
    each("cvt.{rn,rz,rm,rp}.bf16.f16 $0, $1;", "bf16", "f16")
    each("cvt.{rn,rz,rm,rp}.f16.bf16 $0, $1;", "f16", "bf16")


def collective_forms():
    for mode in ("up", "down", "bfly", "idx"):
        clamp = 0 if mode == "up" else 0x1F
        for segment in (0, 0x1800):  # segments of 32 lanes, and of 8
            form(
                f"{{ .reg .pred p; shfl.sync.{mode}.b32 $0|p, $2, $3, {clamp | segment:#x}, -1; selp.u32 $1, 1, 0, p; }}",
                "b32 u32",
                "b32 lane",
            )
    form("{ .reg .pred p; setp.ne.u32 p, $1, 0; vote.sync.ballot.b32 $0, p, -1; }", "b32", "bool")
    for mode in ("any", "all", "uni"):
        form(
            f"{{ .reg .pred p, q; setp.ne.u32 p, $1, 0; vote.sync.{mode}.pred q, p, -1; selp.u32 $0, 1, 0, q; }}",
            "u32",
            "bool",
        )
    each("redux.sync.{add,min,max}.{s32,u32} $0, $1, -1;", "$T", "$T")
    each("redux.sync.{and,or,xor}.b32 $0, $1, -1;", "b32", "b32")
    form("match.any.sync.b32 $0, $1, -1;", "b32", "bool")
    form(
        "{ .reg .pred p; match.all.sync.b32 $0|p, $2, -1; selp.u32 $1, 1, 0, p; }",
        "b32 u32",
        "bool",
    )


def registers(first, count):
    return "{" + ", ".join(f"${first + i}" for i in range(count)) + "}"


def product(head, types, counts):
    """A matrix product: `types` of the registers of d, a, b and c, and how many of each there are."""
    firsts = [sum(counts[:i]) for i in range(4)]
    operands = ", ".join(registers(first, count) for first, count in zip(firsts, counts))
    d, *sources = (" ".join([kind] * count) for kind, count in zip(types, counts))
    form(f"{head} {operands};", d, " ".join(sources))


def mma(shape, kinds, a, b, results, counts, modifier=""):
    """mma.sync with the registers of d, a and b given by `counts`; c has as many as d."""
    d_count, a_count, b_count = counts
    head = f"mma.sync.aligned.{shape}.row.col{modifier}." + ".".join(kinds.split())
    product(head, (results, a, b, results), (d_count, a_count, b_count, d_count))


def double_products():
    shapes = (
        ("m8n8k4", (2, 1, 1)),
        ("m16n8k4", (4, 2, 1)),
        ("m16n8k8", (4, 4, 2)),
        ("m16n8k16", (4, 8, 4)),
    )
    for shape, counts in shapes:
        for mode in ("", ".rz", ".rm", ".rp") if shape in ("m8n8k4", "m16n8k16") else ("",):
            mma(shape, "f64 f64 f64 f64", "tensor_f64", "tensor_f64", "tensor_f64", counts, mode)


def integer_products():
    shapes = {
        "8": (("m8n8k16", (2, 1, 1)), ("m16n8k16", (4, 2, 1)), ("m16n8k32", (4, 4, 2))),
        "4": (("m8n8k32", (2, 1, 1)), ("m16n8k32", (4, 2, 1)), ("m16n8k64", (4, 4, 2))),
    }
    for bits, signs, saturate in itertools.product(
        "84", itertools.product("su", repeat=2), ("", ".satfinite")
    ):
        a, b = (sign + bits for sign in signs)
        for shape, counts in shapes[bits]:
            if saturate and a != b and (bits == "4" or shape == "m8n8k16"):
                continue
            mma(shape, f"s32 {a} {b} s32", "b32", "b32", "s32", counts, saturate)
    for operation in ("and", "xor"):
        for shape, counts in (
            ("m8n8k128", (2, 1, 1)),
            ("m16n8k128", (4, 2, 1)),
            ("m16n8k256", (4, 4, 2)),
        ):
            mma(shape, "s32 b1 b1 s32", "b32", "b32", "s32", counts, f".{operation}.popc")


def fp8_products():
    for a, b in itertools.product(("e4m3", "e5m2"), repeat=2):
        for sums, results, d_count in (("f32", "tensor_f32", 4), ("f16", "tensor_f16x2", 2)):
            for shape, a_count in (("m16n8k32", 4), ("m16n8k16", 2)):
                counts = (d_count, a_count, a_count // 2)
                mma(
                    shape,
                    f"{sums} {a} {b} {sums}",
                    f"tensor_{a}x4",
                    f"tensor_{b}x4",
                    results,
                    counts,
                )


SUMS = {"f16": ("tensor_f16x2", 4), "f32": ("tensor_f32", 8)}


def quad_pair_products():
    for layouts in itertools.product(("row", "col"), repeat=2):
        for d, c in (("f16", "f16"), ("f32", "f16"), ("f32", "f32")):
            if d != c and layouts != ("row", "col"):
                continue
            (d_type, d_count), (c_type, c_count) = SUMS[d], SUMS[c]
            product(
                f"mma.sync.aligned.m8n8k4.{layouts[0]}.{layouts[1]}.{d}.f16.f16.{c}",
                (d_type, "tensor_f16x2", "tensor_f16x2", c_type),
                (d_count, 2, 2, c_count),
            )


WMMA_SHAPES = {"m16n16k16": (4, 4), "m32n8k16": (8, 2), "m8n32k16": (2, 8)}


def copies(first, distinct):
    """The eight registers of a fragment of f16, of which only some differ."""
    return "{" + ", ".join(f"${first + i % distinct}" for i in range(8)) + "}"


def fragment_products():
    for shape, (a, b) in WMMA_SHAPES.items():
        head = f"wmma.mma.sync.aligned.row.col.{shape}"
        for (d, (d_type, d_count)), (c, (c_type, c_count)) in itertools.product(
            SUMS.items(), repeat=2
        ):
            if d != c and shape != "m16n16k16":
                continue
            # Registers that hold the same elements must hold the same values: the product reads either.
            fragments = f"{copies(d_count, a)}, {copies(d_count + a, b)}"
            text = f"{head}.{d}.{c} {registers(0, d_count)}, {fragments}, {registers(d_count + a + b, c_count)};"
            form(
                text,
                " ".join([d_type] * d_count),
                " ".join(["tensor_f16x2"] * (a + b) + [c_type] * c_count),
            )
        product(
            f"{head}.f32.bf16.bf16.f32",
            ("tensor_f32", "tensor_bf16x2", "tensor_bf16x2", "tensor_f32"),
            (8, a, b, 8),
        )
        for kind in ("s8", "u8"):
            product(
                f"{head}.s32.{kind}.{kind}.s32",
                ("s32", "b32", "b32", "s32"),
                (8, a // 2, b // 2, 8),
            )
    head = "wmma.mma.sync.aligned.row.col.m16n16k8"
    product(
        f"{head}.f32.tf32.tf32.f32",
        ("tensor_f32", "tensor_tf32", "tensor_tf32", "tensor_f32"),
        (8, 4, 4, 8),
    )


def fragment_loads():
    """Where elements lie. $B is the shared memory of the CTA, where every thread has put its operands."""
    for matrix, layout, (shape, counts) in itertools.product(
        "ab", ("row", "col"), WMMA_SHAPES.items()
    ):
        count = counts["ab".index(matrix)]
        m, n, depth = (int(number) for number in re.findall(r"\d+", shape))
        rows, columns = (m, depth) if matrix == "a" else (depth, n)
        stride = columns if layout == "row" else rows
        for kind, loaded in (("f16", 8), ("bf16", count), ("s8", count // 2)):
            head = f"wmma.load.{matrix}.sync.aligned.{layout}.{shape}.shared.{kind}"
            form(
                f"{head} {registers(0, loaded)}, [$B], {stride};",
                " ".join(["b32"] * loaded),
                "b32 b32 b32 b32",
            )


def matrix_forms():
    for kind in ("f16", "bf16"):
        operand = f"tensor_{kind}x2"
        mma("m16n8k16", f"f32 {kind} {kind} f32", operand, operand, "tensor_f32", (4, 4, 2))
        mma("m16n8k8", f"f32 {kind} {kind} f32", operand, operand, "tensor_f32", (4, 2, 1))
    mma("m16n8k16", "f16 f16 f16 f16", "tensor_f16x2", "tensor_f16x2", "tensor_f16x2", (2, 4, 2))
    mma("m16n8k8", "f16 f16 f16 f16", "tensor_f16x2", "tensor_f16x2", "tensor_f16x2", (2, 2, 1))
    mma("m16n8k8", "f32 tf32 tf32 f32", "tensor_tf32", "tensor_tf32", "tensor_f32", (4, 4, 2))
    mma("m16n8k4", "f32 tf32 tf32 f32", "tensor_tf32", "tensor_tf32", "tensor_f32", (4, 2, 1))
    fp8_products()
    integer_products()
    double_products()
    quad_pair_products()
    fragment_products()
    fragment_loads()
    for count, trans in itertools.product((1, 2, 4), ("", ".trans")):
        form(
            f"ldmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16 {registers(0, count)}, [$S];",
            " ".join(["b32"] * count),
            "b32 b32 b32 b32",
        )
    form("movmatrix.sync.aligned.m8n8.trans.b16 $0, $1;", "b32", "b32")


def warpgroup_forms():
    for product in wgmma_forms.products():
        form(product.text(), " ".join(["b32"] * product.results()), product.operands())


def listed_forms():
    for one in (*texture_forms.forms(), *later_forms.forms()):
        form(*one)


def old_forms():
    """PTX 1.x, whose f32 arithmetic flushes: see form_kernel.cc."""
    for text in ("add", "add.sat", "sub", "mul", "min", "max"):
        form(f"ptx-1.4: {text}.f32 $0, $1, $2;", "f32", "f32 f32")
    for text in ("mad", "mad.sat"):
        form(f"ptx-1.4: {text}.f32 $0, $1, $2, $3;", "f32", "f32 f32 f32")
    for text in ("abs.f32", "neg.f32", "cvt.rni.f32.f32"):
        form(f"ptx-1.4: {text} $0, $1;", "f32", "f32")
    for compare in ("lt", "gtu"):
        predicate(f"setp.{compare}.f32 $P, $1, $2;", "u32", "f32 f32", dialect="ptx-1.4: ")


def all_forms():
    for make in (
        integer_forms,
        logic_forms,
        compare_forms,
        float_forms,
        approximate_forms,
        half_forms,
        conversion_forms,
        short_conversion_forms,
        collective_forms,
        matrix_forms,
        warpgroup_forms,
        listed_forms,
        old_forms,
    ):
        make()
    texts = [one.text for one in FORMS]
    duplicates = {text for text in texts if texts.count(text) > 1}
    assert not duplicates, duplicates
    return FORMS


def source(forms):
    rows = "\n".join(
        f'    {{"{one.text}", "{" ".join(one.results)}", "{" ".join(one.operands)}", "{one.bound}"}},'
        for one in forms
    )
    return f"""// Made by forms.py.
#include "form.h"

namespace slipstream::record_vectors {{
namespace {{

constexpr Form kForms[] = {{
{rows}
}};

}}  // namespace

std::span<const Form> all_forms() {{ return kForms; }}

}}  // namespace slipstream::record_vectors
"""


def main():
    pathlib.Path(sys.argv[1]).write_text(source(all_forms()))


if __name__ == "__main__":
    main()
