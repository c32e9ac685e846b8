"""Every operator compiles for the architectures that SLIPSTREAM_EXTRA_ARCHITECTURES may name.

Usage: architectures_test.py NVCC
"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "cmake"))
import group_sources

ARCHITECTURES = ("100a", "103a", "120a")
NVCC = "nvcc"


def compile_together(sources, folder):
    """As in the build: reading headers is most of the work, and sources that may be in one file read them once."""
    together = pathlib.Path(folder) / "together.cu"
    together.write_text("".join(f'#include "{source}"\n' for source in sources))
    command = [NVCC, "-std=c++20", "--expt-relaxed-constexpr", "-fatbin", "-o", "/dev/null"]
    command += [f"-I{ROOT / 'include'}", f"-I{ROOT / 'src'}"]
    command += [f"-gencode=arch=compute_{each},code=sm_{each}" for each in ARCHITECTURES]
    return subprocess.run([*command, str(together)], check=False, capture_output=True, text=True)


class Architectures(unittest.TestCase):
    def test_every_operator_compiles(self):
        sources = sorted((ROOT / "src/ops").glob("*/*.cu"))
        self.assertGreater(len(sources), 0)
        numbers = group_sources.group(len(sources), sources)
        for number in range(max(numbers) + 1):
            together = [source for source, each in zip(sources, numbers) if each == number]
            with self.subTest(sources=together), tempfile.TemporaryDirectory() as folder:
                result = compile_together(together, folder)
                self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    NVCC = sys.argv.pop(1) if len(sys.argv) > 1 else NVCC
    unittest.main()
