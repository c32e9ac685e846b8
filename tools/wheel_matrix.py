#!/usr/bin/env python3
"""The wheel as users have it, in fresh environments on a machine without a GPU: no torch, torch 2.11, the newest torch.

    ./dev wheel && ./dev build slipstream slipstream_python_references make_tiny_checkpoint program_cub_algorithms
    tools/wheel_matrix.py [none 2.11 newest]

In each: installs the wheel, asks `slipstream info`, runs the tests of tests/python on the emulated device that the wheel
brings (operators against their references, on torch's tensors where torch is), `slipstream check` on installed packages,
and a program that uses CUB. Costs: torch is 1 to 1.2 GB of downloads and 5 GB of disk each time; 5 to 20 minutes on two
cores without the downloads, most of them `check` on libtorch_cuda.so (2.11 only).
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TORCH = {"none": [], "2.11": ["torch==2.11.*"], "newest": ["torch"]}
TEST_PACKAGES = ["pytest", "numpy"]
REFERENCES = ROOT / "build/python/libslipstream_python_references.so"
PROGRAMS = ROOT / "build/bin"
CUB_PROGRAM = PROGRAMS / "program_cub_algorithms"


class Environment:
    """A virtual environment, and the commands of its `bin`."""

    def __init__(self, folder):
        self._bin = folder / "bin"
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)

    def run(self, *command, expected=0, **variables):
        print("$", *command, flush=True)
        environment = {
            key: value
            for key, value in os.environ.items()
            if key not in ("PYTHONPATH", "LD_LIBRARY_PATH", "LD_PRELOAD")
        }
        environment["PATH"] = f"{self._bin}:{environment['PATH']}"
        result = subprocess.run(
            [str(part) for part in command],
            env={**environment, **variables},
            cwd=self._bin.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        output = result.stdout + result.stderr
        if result.returncode != expected:
            sys.exit(f"{output}\nexit code must be {expected}, is {result.returncode}")
        return output


def require(text, *parts):
    for part in parts:
        if part not in text:
            sys.exit(f"{text}\nthe output must have '{part}'")


def try_wheel(wheel, torch, folder):
    environment = Environment(folder)
    environment.run("pip", "install", "-q", f"{wheel}[text]", *TEST_PACKAGES, *TORCH[torch])
    require(environment.run("slipstream", "info"), "Slipstream emulated device")
    require(environment.run("slipstream", "--version"), "slipstream ")
    emulate = ("slipstream", "emulate", "--devices", "2", "--")
    tests = environment.run(
        *emulate,
        *("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", ROOT / "tests/python"),
        SLIPSTREAM_TEST_REFERENCES=str(REFERENCES),
        SLIPSTREAM_BIN=str(PROGRAMS),
    )
    require(tests, " passed")
    print(tests.strip().splitlines()[-1])
    plugins = (
        "from importlib.metadata import entry_points as e; print(e(group='sglang.srt.plugins'))"
    )
    require(environment.run("python", "-c", plugins), "slipstream.sglang:plugin")
    environment.run(*emulate, CUB_PROGRAM, "merge_sort")
    site = next(folder.glob("lib/python3*/site-packages"))
    environment.run("slipstream", "check", site / "slipstream/libslipstream_python.so")
    if torch == "2.11":
        # CCCL 5297: partitions are read before the wait.
        found = environment.run(
            "slipstream", "check", site / "torch/lib/libtorch_cuda.so", expected=1
        )
        require(found, "DeviceMergeSortMergeKernel")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("torch", nargs="*", default=list(TORCH), help=", ".join(TORCH))
    chosen = parser.parse_args().torch
    wheels = list((ROOT / "dist").glob("slipstream-*.whl"))
    if len(wheels) != 1:
        sys.exit(f"dist must hold one wheel, holds {len(wheels)}: run ./dev wheel")
    for needed in (REFERENCES, CUB_PROGRAM):
        if not needed.exists():
            sys.exit(f"{needed} must be built, is not there")
    for torch in chosen:
        print(f"== torch: {torch}", flush=True)
        folder = pathlib.Path(tempfile.mkdtemp(prefix="slipstream-wheel-"))
        try:
            try_wheel(wheels[0], torch, folder)
        finally:
            shutil.rmtree(folder)
    print("the wheel works with torch:", ", ".join(chosen))


if __name__ == "__main__":
    main()
