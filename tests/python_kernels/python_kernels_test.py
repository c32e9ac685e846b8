"""Kernels of numba-cuda, cuda.bindings and cuda.core on the emulated device, and a race found with its line of Python.

    python3 python_kernels_test.py --slipstream build/bin/slipstream --environment build/python_kernels

Installs these packages from PyPI into the environment at its first run: 0.8 GB. With SLIPSTREAM_KERNELS_PYTHON it takes
that interpreter's packages. Says "skipped: " and why where it cannot run.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
PACKAGES = ("numba-cuda[cu13]==0.30.4", "cuda-core==1.2.2", "numba==0.68.1")


def install(environment):
    """The environment's interpreter, with the packages."""
    python = environment / "bin/python"
    installed = environment / "installed"
    if installed.exists() and installed.read_text() == str(PACKAGES):
        return str(python)
    subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
    result = subprocess.run(
        [python, "-m", "pip", "install", "-q", *PACKAGES],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        print(f"skipped: pip cannot install them: {result.stderr.strip().splitlines()[-1]}")
        sys.exit(0)
    installed.write_text(str(PACKAGES))
    return str(python)


class PythonKernels(unittest.TestCase):
    def emulate(self, *command, expected=0):
        result = subprocess.run(
            [OPTIONS.slipstream.resolve(), "emulate", *command],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd=HERE,
        )
        output = result.stdout + result.stderr
        self.assertEqual(result.returncode, expected, output)
        return output

    def test_kernels_of_numba_give_what_numpy_gives(self):
        output = self.emulate("--", PYTHON, "-W", "ignore", "numba_programs.py")
        self.assertRegex(output, r"Ran \d+ tests")

    def test_programs_of_cuda_bindings_and_cuda_core_run(self):
        output = self.emulate("--", PYTHON, "-W", "ignore", "bindings_programs.py")
        self.assertRegex(output, r"Ran \d+ tests")
        self.assertNotIn("not supported", output)

    def test_a_missing_barrier_is_found_with_its_lines(self):
        lines = (HERE / "race.py").read_text().splitlines()
        output = self.emulate(
            "--check", "--", PYTHON, "-W", "ignore", "race.py", "wrong", expected=1
        )
        for text in ("tile[i] = values[i]", "values[i] = tile["):
            line = next(i for i, found in enumerate(lines) if text in found) + 1
            self.assertRegex(output, rf"at .*race\.py:{line}\n")
        self.assertIn("warps of one CTA need a barrier", output)

    def test_with_the_barrier_it_is_silent(self):
        output = self.emulate("--check", "--", PYTHON, "-W", "ignore", "race.py", "right")
        self.assertIn("0 errors, 0 warnings", output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slipstream", required=True, type=pathlib.Path)
    parser.add_argument("--environment", required=True, type=pathlib.Path)
    OPTIONS = parser.parse_args()
    PYTHON = os.environ.get("SLIPSTREAM_KERNELS_PYTHON") or install(OPTIONS.environment.resolve())
    unittest.main(argv=[sys.argv[0], "-v"])
