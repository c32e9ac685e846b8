"""What must hold of the tree as a whole: layers, the one PDL header, sizes of files."""

import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = (".h", ".cc", ".cu", ".cuh")
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)

# What each layer may include: folders of src, and headers of include/slipstream. A layer may always include itself.
PUBLIC_BASE = {"error.h", "tensor.h", "launch.h", "pdl.cuh"}
ALLOWED = {
    "emulator": (set(), set()),
    "check": ({"emulator"}, set()),
    "pdl": (set(), PUBLIC_BASE),
    "litmus": ({"pdl"}, PUBLIC_BASE),
    "ops": ({"pdl"}, PUBLIC_BASE | {"ops.h"}),
    "engine": ({"ops", "pdl"}, PUBLIC_BASE | {"ops.h", "engine.h"}),
    "cli": (
        {"engine", "ops", "litmus", "pdl", "check", "emulator"},
        PUBLIC_BASE | {"ops.h", "engine.h"},
    ),
}
MAX_LINES = 800
ABOVE_THE_RUNTIME = ("pdl", "litmus", "ops", "engine", "cli")


def tracked(*patterns):
    command = ["git", "ls-files", "-z", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def forbidden_includes(layer, text):
    """The includes of a file of `layer` that point upwards."""
    folders, headers = ALLOWED[layer]
    wrong = []
    for include in INCLUDE.findall(text):
        first, _, rest = include.partition("/")
        if not rest or first == layer:
            continue
        if first == "slipstream" and rest in headers:
            continue
        if first in folders:
            continue
        wrong.append(include)
    return wrong


class Layers(unittest.TestCase):
    def test_includes_point_downwards_only(self):
        for path in tracked("src"):
            if path.suffix not in SOURCES:
                continue
            layer = path.relative_to(ROOT / "src").parts[0]
            with self.subTest(path=path.relative_to(ROOT)):
                self.assertEqual(forbidden_includes(layer, path.read_text()), [])

    def test_an_include_that_points_upwards_is_found(self):
        self.assertEqual(forbidden_includes("emulator", '#include "check/ir.h"\n'), ["check/ir.h"])
        self.assertEqual(
            forbidden_includes("pdl", '#include "slipstream/ops.h"\n'),
            ["slipstream/ops.h"],
        )


class Pdl(unittest.TestCase):
    def test_griddepcontrol_stands_in_one_header(self):
        # The emulator and the checker implement and look for the instruction; tests and documents speak of it.
        elsewhere = [
            str(path.relative_to(ROOT))
            for path in tracked("include", *(f"src/{layer}" for layer in ABOVE_THE_RUNTIME))
            if path.suffix in SOURCES and "griddepcontrol" in path.read_text()
        ]
        self.assertEqual(elsewhere, ["include/slipstream/pdl.cuh"])


class Files(unittest.TestCase):
    def test_no_source_file_is_too_long(self):
        for path in tracked("*.h", "*.cc", "*.cu", "*.cuh", "*.py"):
            with self.subTest(path=path.relative_to(ROOT)):
                self.assertLessEqual(len(path.read_text().splitlines()), MAX_LINES)


if __name__ == "__main__":
    unittest.main()
