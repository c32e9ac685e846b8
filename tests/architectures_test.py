"""Every operator compiles for the architectures that SLIPSTREAM_EXTRA_ARCHITECTURES may name.

Usage: architectures_test.py NVCC
"""

import pathlib
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
ARCHITECTURES = ("100a", "103a", "120a")
NVCC = "nvcc"


class Architectures(unittest.TestCase):
    def test_every_operator_compiles(self):
        sources = sorted((ROOT / "src/ops").glob("*/*.cu"))
        self.assertGreater(len(sources), 0)
        for source in sources:
            for architecture in ARCHITECTURES:
                with self.subTest(source=source.name, architecture=architecture):
                    command = [
                        NVCC,
                        "-std=c++20",
                        "--expt-relaxed-constexpr",
                        f"-I{ROOT / 'include'}",
                        f"-I{ROOT / 'src'}",
                        "-cubin",
                        f"-gencode=arch=compute_{architecture},code=sm_{architecture}",
                        "-o",
                        "/dev/null",
                        str(source),
                    ]
                    result = subprocess.run(command, check=False, capture_output=True, text=True)
                    self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    NVCC = sys.argv.pop(1) if len(sys.argv) > 1 else NVCC
    unittest.main()
