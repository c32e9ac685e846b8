"""The constants that the emulated cuBLAS declares by itself are those of NVIDIA's headers.

    python3 headers_test.py INCLUDE_FOLDER...

Says "skipped: " where none of the folders has the headers: they come with 500 MB of libraries.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

SOURCES = pathlib.Path(__file__).resolve().parents[3] / "src/emulator/blas"


def main() -> None:
    folders = [folder for folder in sys.argv[1:] if pathlib.Path(folder, "cublasLt.h").exists()]
    if not folders:
        print("skipped: there is no cublasLt.h")
        return
    ours = "".join((SOURCES / name).read_text() for name in ("cublas_types.h", "cublaslt_types.h"))
    constants = re.findall(r"\b(CUBLAS(?:LT)?_\w+) = (-?\d+)", ours)
    structures = re.findall(r"struct (cublasLt\w+_t) \{\s*uint64_t data\[(\d+)\];", ours)
    lines = ["#include <cublasLt.h>", "#include <cublas_v2.h>"]
    lines += [f'static_assert({name} == {value}, "{name}");' for name, value in constants]
    lines += [
        f'static_assert(sizeof({name}) == {8 * int(words)}, "{name}");'
        for name, words in structures
    ]
    lines += ["static_assert(sizeof(cublasLtMatmulHeuristicResult_t) == 96);"]
    with tempfile.NamedTemporaryFile("w", suffix=".cc") as source:
        source.write("\n".join([*lines, ""]))
        source.flush()
        command = ["c++", "-std=c++17", "-fsyntax-only", *(f"-I{f}" for f in folders), source.name]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    print(result.stderr, end="")
    print(f"{len(constants)} constants, {len(structures)} structures")
    sys.exit(result.returncode)


main()
