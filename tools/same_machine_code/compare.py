#!/usr/bin/env python3
"""Compares the machine code of the shipped kernels in two builds.

    ninja -C build list_kernels
    tools/same_machine_code/compare.py BUILD_BEFORE build

Reads the CUDA objects of the operators and of the decode step in both with build/bin/list_kernels, pairs kernels by
their names without namespaces, and compares their code. Prints what differs; exit code 0 if nothing does.
"""

import collections
import pathlib
import re
import subprocess
import sys

LISTER = pathlib.Path(__file__).resolve().parents[2] / "build/bin/list_kernels"
FOLDERS = ("src/ops", "src/step", "src/engine")
# Copies of the kernels with hooks, and kernels that are not shipped.
LEFT_OUT = ("delayed", "traced", "instrumented", "synthetic")


def run(command, text=None):
    return subprocess.run(
        command, input=text, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def plain_name(name):
    name = re.sub(r"\(anonymous namespace\)::", "", name)
    return re.sub(r"\b(?:slipstream|ops|engine|step|kernels|plain|cuda|std)::", "", name)


def kernels_of(build):
    """Hashes of code by kernel name, of all objects of a build."""
    objects = [
        str(path)
        for folder in FOLDERS
        for path in (pathlib.Path(build) / folder).rglob("*.cu.o")
        if not any(part in str(path) for part in LEFT_OUT)
    ]
    found = collections.defaultdict(set)
    lines = [line.split(" ", 1) for line in run([LISTER, *objects])]
    names = run(["c++filt"], "\n".join(name for _, name in lines))
    for (code, _), name in zip(lines, names):
        found[plain_name(name)].add(code)
    return found


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    before, after = kernels_of(sys.argv[1]), kernels_of(sys.argv[2])
    different = [
        *(f"only before: {name}" for name in before.keys() - after.keys()),
        *(f"only after: {name}" for name in after.keys() - before.keys()),
        *(
            f"differs: {name}"
            for name in before.keys() & after.keys()
            if before[name] != after[name]
        ),
    ]
    print(
        "\n".join(sorted(different)) if different else f"{len(after)} kernels: the same to the byte"
    )
    return 1 if different or not after else 0


if __name__ == "__main__":
    sys.exit(main())
