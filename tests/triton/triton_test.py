"""Triton on the emulated device: kernels right, and a wrong use of dependent launch found with its line of Python.

    python3 triton_test.py --slipstream build/bin/slipstream --environment build/triton

Installs torch, which brings Triton, from PyPI into the environment at its first run: 4 GB, minutes. With
SLIPSTREAM_TRITON_PYTHON it takes that interpreter's packages. Says "skipped: " and why where it cannot run.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
CHAIN = HERE.parent.parent / "examples/triton/chain.py"


def skip(why):
    print(f"skipped: {why}")
    sys.exit(0)


def install(environment):
    """The environment's interpreter, with torch and Triton."""
    python = environment / "bin/python"
    installed = environment / "installed"
    if installed.exists():
        return str(python)
    if shutil.which("gcc") is None and shutil.which("clang") is None:
        skip("Triton compiles its launcher when it runs, and there is neither gcc nor clang")
    if not (pathlib.Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        skip(f"Triton's launcher needs the headers of {sys.executable} (Debian: python3-dev)")
    subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
    result = subprocess.run(
        [python, "-m", "pip", "install", "-q", "torch", "numpy"],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        skip(f"pip cannot install torch: {result.stderr.strip().splitlines()[-1]}")
    installed.touch()
    return str(python)


class Triton(unittest.TestCase):
    def emulate(self, *command, rc=0, **variables):
        with tempfile.TemporaryDirectory() as cache:
            result = subprocess.run(
                [OPTIONS.slipstream.resolve(), "emulate", *command],
                capture_output=True,
                text=True,
                check=False,
                cwd=HERE,
                env={**os.environ, "TRITON_CACHE_DIR": cache, **variables},
            )
        output = result.stdout + result.stderr
        self.assertEqual(result.returncode, rc, output)
        return output

    def line_of(self, kernel, text):
        """Where the kernel of the example says that."""
        lines = CHAIN.read_text().splitlines()
        start = next(i for i, line in enumerate(lines) if f"def {kernel}(" in line)
        return f"{CHAIN}:{next(i for i in range(start, len(lines)) if text in lines[i]) + 1}"

    def test_kernels_give_what_torch_gives(self):
        output = self.emulate("--", PYTHON, "kernels_test.py")
        self.assertRegex(output, r"Ran \d+ tests")

    def test_products_of_torch_give_what_the_cpu_gives(self):
        output = self.emulate("--", PYTHON, "products_test.py")
        self.assertRegex(output, r"Ran \d+ tests")

    def test_a_read_before_the_wait_is_found_with_its_line(self):
        output = self.emulate("--check", "--", PYTHON, CHAIN, "early", rc=1)
        self.assertRegex(output, r"error read-after-write")
        self.assertIn(f"at {self.line_of('double', 'tl.store')}\n", output)
        self.assertIn(f"at {self.line_of('increment_early', 'tl.load')}\n", output)

    def test_a_read_after_the_wait_is_silent(self):
        output = self.emulate("--check", "--", PYTHON, CHAIN, "late")
        self.assertIn("2 grids checked for races: 0 errors, 0 warnings", output)

    def test_an_extension_built_when_the_program_runs_is_checked_too(self):
        if shutil.which("nvcc") is None or shutil.which("ninja") is None:
            self.skipTest("needs nvcc and ninja")
        with tempfile.TemporaryDirectory() as built:
            folder = {"TORCH_EXTENSIONS_DIR": built}
            output = self.emulate("--check", "--", PYTHON, "extension.py", "right", **folder)
            self.assertIn("1 grids checked for races: 0 errors", output)
            self.assertRegex(output, r"(?m)^right$")
            output = self.emulate("--check", "--", PYTHON, "extension.py", "", rc=1, **folder)
            self.assertRegex(output, r"first: .*shift_tiles.*\n.*at .*cuda\.cu:\d+")
            self.assertIn("warps of one CTA need a barrier", output)

    def test_the_adversarial_schedule_makes_the_early_read_wrong(self):
        for when, expected in (("early", "wrong"), ("late", "right")):
            output = self.emulate("--schedule", "adversarial", "--", PYTHON, CHAIN, when)
            self.assertTrue(re.search(rf"^{expected}$", output, re.MULTILINE), output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slipstream", required=True, type=pathlib.Path)
    parser.add_argument("--environment", required=True, type=pathlib.Path)
    OPTIONS = parser.parse_args()
    PYTHON = os.environ.get("SLIPSTREAM_TRITON_PYTHON") or install(OPTIONS.environment.resolve())
    versions = (
        "import torch, triton; print('torch', torch.__version__, 'triton', triton.__version__)"
    )
    print(
        subprocess.run([PYTHON, "-c", versions], capture_output=True, text=True, check=True).stdout,
        end="",
        flush=True,
    )
    unittest.main(argv=[sys.argv[0], "-v"])
