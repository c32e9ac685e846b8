"""Writes the functions of a library as C++: python3 generate_api.py EXPORTS OUTPUT

* Those of ROUTINES, for each of their types and with integers of 32 and 64 bits: each fills in its arguments and calls
  what routines.h declares.
* A weak definition of every name in EXPORTS. Where the library implements it, there is a strong definition elsewhere,
  which wins; the others say at the first call that they are not supported.
"""

import sys
from pathlib import Path

# Of a letter in a name: the types of what is read, of what is written, and of scalars.
TYPES = {
    "S": ("R_32F", "R_32F", "R_32F"),
    "D": ("R_64F", "R_64F", "R_64F"),
    "C": ("C_32F", "C_32F", "C_32F"),
    "Z": ("C_64F", "C_64F", "C_64F"),
    "Sc": ("C_32F", "C_32F", "R_32F"),
    "Dz": ("C_64F", "C_64F", "R_64F"),
    "H": ("R_16F", "R_16F", "R_16F"),
    "HSH": ("R_16F", "R_16F", "R_32F"),
    "HSS": ("R_16F", "R_32F", "R_32F"),
    "TST": ("R_16BF", "R_16BF", "R_32F"),
    "TSS": ("R_16BF", "R_32F", "R_32F"),
}

# Parameters are a kind and the member of the arguments that takes them.
KINDS = {
    "op": "cublasOperation_t",
    "int": "Int",
    "stride": "long long",  # in every form
    "in": "const void*",
    "out": "void*",
    "ins": "const void* const*",  # of a batch
    "outs": "void* const*",
    "type": "cudaDataType",
    "compute": "cublasComputeType_t",
    "algo": "cublasGemmAlgo_t",
}

SIZES = "op transa, op transb, int m, int n, int k, "
GEMM = (
    SIZES
    + "in alpha, in a.data, int a.step, in b.data, int b.step, in beta, out c.data, int c.step"
)
GEMM_STRIDED = (
    SIZES
    + "in alpha, in a.data, int a.step, stride a.stride, in b.data, int b.step, stride b.stride, "
    "in beta, out c.data, int c.step, stride c.stride, int batch_count"
)
GEMM_BATCHED = (
    SIZES
    + "in alpha, ins a.data, int a.step, ins b.data, int b.step, in beta, outs c.data, int c.step, "
    "int batch_count"
)
GEMV = (
    "op trans, int m, int n, in alpha, in a.data, int a.step, in x.data, int x.step, in beta, "
    "out y.data, int y.step"
)
GEMV_STRIDED = (
    "op trans, int m, int n, in alpha, in a.data, int a.step, stride a.stride, in x.data, int x.step, "
    "stride x.stride, in beta, out y.data, int y.step, stride y.stride, int batch_count"
)
GEMV_BATCHED = (
    "op trans, int m, int n, in alpha, ins a.data, int a.step, ins x.data, int x.step, in beta, "
    "outs y.data, int y.step, int batch_count"
)
ONE = "int n, in x.data, int x.step"
TWO = "int n, in x.data, int x.step, in y.data, int y.step"
TWO_CHANGED = "int n, in x.data, int x.step, out y.data, int y.step"
AXPY_TYPED = (
    "int n, in alpha, type scalar, in x.data, type x.type, int x.step, out y.data, type y.type, "
    "int y.step, type execution"
)
TYPED = "int n, in x.data, type x.type, int x.step"


def with_types(parameters: str) -> str:
    for name in "abc":
        for kind in ("in", "ins", "out", "outs"):
            data = f"{kind} {name}.data,"
            parameters = parameters.replace(f" {data}", f" {data} type {name}.type,")
    return parameters


# Names by the letters of their types, the function behind them, its arguments, and the parameters after the handle.
# Where letters are "", the types are parameters.
ROUTINES = [
    ("S D C Z", "cublas{}gemm_v2", "gemm", "Gemm", GEMM),
    ("H", "cublas{}gemm", "gemm", "Gemm", GEMM),
    ("C Z", "cublas{}gemm3m", "gemm", "Gemm", GEMM),
    ("S C", "cublas{}gemmEx", "gemm", "Gemm", with_types(GEMM)),
    ("S D C Z H", "cublas{}gemmStridedBatched", "gemm", "Gemm", GEMM_STRIDED),
    ("C", "cublas{}gemm3mStridedBatched", "gemm", "Gemm", GEMM_STRIDED),
    ("S D C Z H", "cublas{}gemmBatched", "gemm", "Gemm", GEMM_BATCHED),
    ("C", "cublas{}gemm3mBatched", "gemm", "Gemm", GEMM_BATCHED),
    ("", "cublasGemmEx", "gemm", "Gemm", with_types(GEMM) + ", compute compute, algo algorithm"),
    (
        "",
        "cublasGemmStridedBatchedEx",
        "gemm",
        "Gemm",
        with_types(GEMM_STRIDED) + ", compute compute, algo algorithm",
    ),
    (
        "",
        "cublasGemmBatchedEx",
        "gemm",
        "Gemm",
        with_types(GEMM_BATCHED) + ", compute compute, algo algorithm",
    ),
    ("S D C Z", "cublas{}gemv_v2", "gemv", "Gemv", GEMV),
    ("S D C Z HSH HSS TST TSS", "cublas{}gemvStridedBatched", "gemv", "Gemv", GEMV_STRIDED),
    ("S D C Z HSH HSS TST TSS", "cublas{}gemvBatched", "gemv", "Gemv", GEMV_BATCHED),
    ("S D C Z", "cublas{}axpy_v2", "axpy", "Vectors", TWO_CHANGED.replace("n,", "n, in alpha,")),
    ("S D C Z", "cublas{}scal_v2", "scal", "Vectors", "int n, in alpha, out x.data, int x.step"),
    ("Sc", "cublasCsscal_v2", "scal", "Vectors", "int n, in alpha, out x.data, int x.step"),
    ("Dz", "cublasZdscal_v2", "scal", "Vectors", "int n, in alpha, out x.data, int x.step"),
    ("S D C Z", "cublas{}copy_v2", "copy", "Vectors", TWO_CHANGED),
    ("S D C Z", "cublas{}swap_v2", "swap", "Vectors", TWO_CHANGED),
    ("S D", "cublas{}dot_v2", "dot", "Vectors", TWO + ", out result"),
    ("C Z", "cublas{}dotu_v2", "dot", "Vectors", TWO + ", out result"),
    ("C Z", "cublas{}dotc_v2", "dotc", "Vectors", TWO + ", out result"),
    ("S D Sc Dz", "cublas{}nrm2_v2", "nrm2", "Vectors", ONE + ", out result"),
    ("S D Sc Dz", "cublas{}asum_v2", "asum", "Vectors", ONE + ", out result"),
    ("S D C Z", "cublasI{}amax_v2", "amax", "Vectors", ONE + ", out result"),
    ("S D C Z", "cublasI{}amin_v2", "amin", "Vectors", ONE + ", out result"),
    (
        "",
        "cublasAxpyEx",
        "axpy",
        "Vectors",
        AXPY_TYPED,
    ),
    (
        "",
        "cublasScalEx",
        "scal",
        "Vectors",
        "int n, in alpha, type scalar, out x.data, type x.type, int x.step, type execution",
    ),
    *(
        (
            "",
            name,
            function,
            "Vectors",
            TYPED + ", in y.data, type y.type, int y.step, out result, type scalar, type execution",
        )
        for name, function in (("cublasDotEx", "dot"), ("cublasDotcEx", "dotc"))
    ),
    ("", "cublasNrm2Ex", "nrm2", "Vectors", TYPED + ", out result, type scalar, type execution"),
]

MATRICES = {"Gemm": ("a", "b", "c"), "Gemv": ("a", "x", "y"), "Vectors": ("x", "y")}


def preset_types(arguments: str, letters: str) -> list[str]:
    read, written, scalar = TYPES[letters]
    operands = MATRICES[arguments]
    types = [written if operand == operands[-1] else read for operand in operands]
    lines = [f"arguments.{name}.type = CUDA_{kind};" for name, kind in zip(operands, types)]
    return [*lines, f"arguments.scalar = CUDA_{scalar};"]


def function_text(name, is_wide, letters, function, arguments, parameters) -> list[str]:
    integer = "int64_t" if is_wide else "int"
    pairs = [parameter.split() for parameter in parameters.split(", ")]
    declared = [
        f"{KINDS[kind].replace('Int', integer)} {member.replace('.', '_')}"
        for kind, member in pairs
    ]
    lines = [f'extern "C" cublasStatus_t {name}(cublasHandle_t handle, {", ".join(declared)}) {{']
    lines.append(f"  {arguments} arguments;")
    if letters:
        lines += [f"  {line}" for line in preset_types(arguments, letters)]
    for kind, member in pairs:
        lines.append(f"  arguments.{member} = {member.replace('.', '_')};")
        if kind in ("ins", "outs"):
            lines.append(f"  arguments.{member.replace('data', 'is_array')} = true;")
    wide = "true" if is_wide else "false"
    lines.append(f'  return {function}({{"{name}", handle, {wide}}}, arguments);')
    return [*lines, "}"]


def routines():
    for letters_list, pattern, function, arguments, parameters in ROUTINES:
        for letters in letters_list.split() or [""]:
            # A letter that follows another one is a small one.
            in_name = letters.lower() if "I{}" in pattern else letters
            name = pattern.format(in_name)
            for is_wide in (False, True):
                wide_name = name + "_64" if is_wide else name
                yield wide_name, (is_wide, letters, function, arguments, parameters)


def main() -> None:
    exports, output = (Path(path) for path in sys.argv[1:3])
    names = exports.read_text().split()
    implemented = {name: rest for name, rest in routines() if name in names}
    lines = [
        "// Generated by generate_api.py.",
        '#include "emulator/blas/routines.h"',
        "",
        "using namespace slipstream::emulator::blas;",
        "",
    ]
    for name, rest in implemented.items():
        lines += function_text(name, *rest)
    for name in names:
        if name not in implemented:
            lines.append(
                f'extern "C" [[gnu::weak]] int {name}() '
                f'{{ return slipstream_blas_not_supported("{name}"); }}'
            )
    output.write_text("\n".join([*lines, ""]))


main()
