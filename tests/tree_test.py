"""What must hold of the tree as a whole: floors, the one PDL header, sizes of files, names in comments."""

import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = (".h", ".cc", ".cu", ".cuh")
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)

# What each floor may include, lowest first: folders of src, and headers of include/slipstream. A floor may always include
# itself.
PUBLIC_BASE = {"error.h", "log.h", "tensor.h", "launch.h", "pdl.cuh", "sampling.h", "version.h"}
ALLOWED = {
    "pdl": (set(), PUBLIC_BASE),
    "io": ({"pdl"}, {"error.h", "log.h"}),
    "cuda": (set(), PUBLIC_BASE),
    "code": (set(), set()),
    "record": ({"io"}, set()),
    "emulator": ({"code", "io", "record"}, {"error.h"}),
    "check": ({"code", "io"}, {"error.h"}),
    "litmus": ({"io", "pdl"}, PUBLIC_BASE),
    "ops": ({"cuda", "pdl"}, PUBLIC_BASE | {"ops.h"}),
    "model": ({"io"}, PUBLIC_BASE),
    "step": ({"cuda", "io", "model", "pdl"}, PUBLIC_BASE),
    "engine": (
        {"io", "model", "pdl", "step"},
        PUBLIC_BASE | {"engine.h", "metrics.h", "serving.h"},
    ),
    "python": (
        {"engine", "model", "ops", "pdl", "step"},
        PUBLIC_BASE | {"ops.h", "engine.h", "metrics.h", "serving.h"},
    ),
    "bench": ({"code", "cuda", "io", "model", "ops", "pdl", "step"}, PUBLIC_BASE | {"ops.h"}),
    "cli": (
        {"bench", "check", "code", "engine", "io", "litmus", "model", "ops", "pdl", "step"},
        PUBLIC_BASE | {"ops.h", "engine.h", "metrics.h", "serving.h"},
    ),
}
# The folders of these floors are floors, too.
INNER = {
    "code": {"": set(), "ptx": {""}, "sass": {""}},
    "emulator": {
        "program": set(),
        "arithmetic": {"program"},
        "race": set(),
        "machine": {"program", "race", "arithmetic"},
        "decoder": {"program", "machine", "arithmetic"},
        "instructions": {"program", "machine", "decoder", "arithmetic"},
        "device": {"program", "machine", "decoder", "instructions"},
        "runtime": {"program", "machine", "device", "race"},
        "nccl": set(),
        "blas": {"arithmetic", "runtime"},
        "linker": {"program", "instructions", "runtime"},
        "driver": {"machine", "device", "runtime", "linker"},
    },
    "check": {
        "findings": set(),
        "launches": set(),
        "lower": set(),
        "analysis": {"findings", "launches", "lower"},
        "rules": {"findings", "launches", "lower", "analysis"},
        "report": {"findings", "rules"},
        "": {"findings", "launches", "lower", "analysis", "rules", "report"},
    },
}
MAX_LINES = 800
ABOVE_THE_RUNTIME = (
    "pdl",
    "cuda",
    "litmus",
    "ops",
    "model",
    "step",
    "engine",
    "bench",
    "cli",
    "python",
)


def tracked(*patterns):
    command = ["git", "ls-files", "-z", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def sources(*patterns):
    return [path for path in tracked(*patterns) if path.suffix in SOURCES]


def inner_folder(floor, parts):
    return parts[0] if len(parts) > 1 and parts[0] in INNER[floor] else ""


def forbidden_includes(floor, folder, text):
    """The includes of a file in src/`floor`/`folder` that point upwards."""
    folders, headers = ALLOWED[floor]
    wrong = []
    for include in INCLUDE.findall(text):
        first, _, rest = include.partition("/")
        if not rest:
            continue
        if first == floor:
            if floor in INNER:
                target = inner_folder(floor, rest.split("/"))
                if target != folder and target not in INNER[floor][folder]:
                    wrong.append(include)
            continue
        if first == "slipstream" and rest in headers:
            continue
        if first in folders:
            continue
        wrong.append(include)
    return wrong


class Floors(unittest.TestCase):
    def test_includes_point_downwards_only(self):
        for path in sources("src"):
            parts = path.relative_to(ROOT / "src").parts
            folder = inner_folder(parts[0], parts[1:]) if parts[0] in INNER else ""
            with self.subTest(path=path.relative_to(ROOT)):
                self.assertEqual(forbidden_includes(parts[0], folder, path.read_text()), [])

    def test_an_include_that_points_upwards_is_found(self):
        for floor, folder, include in (
            ("emulator", "machine", "check/checker.h"),
            ("emulator", "machine", "emulator/device/device.h"),
            ("check", "lower", "check/rules/rules.h"),
            ("step", "", "engine/sequences.h"),
            ("pdl", "", "slipstream/ops.h"),
        ):
            text = f'#include "{include}"\n'
            self.assertEqual(forbidden_includes(floor, folder, text), [include])


class Pdl(unittest.TestCase):
    def test_griddepcontrol_stands_in_one_header(self):
        # The emulator and the checker implement and look for the instruction; tests and documents speak of it.
        elsewhere = [
            str(path.relative_to(ROOT))
            for path in sources("include", *(f"src/{floor}" for floor in ABOVE_THE_RUNTIME))
            if "griddepcontrol" in path.read_text()
        ]
        self.assertEqual(elsewhere, ["include/slipstream/pdl.cuh"])


class Files(unittest.TestCase):
    def test_no_source_file_is_too_long(self):
        for path in tracked("*.h", "*.cc", "*.cu", "*.cuh", "*.py"):
            with self.subTest(path=path.relative_to(ROOT)):
                self.assertLessEqual(len(path.read_text().splitlines()), MAX_LINES)

    def test_every_file_named_in_a_comment_exists(self):
        names = {str(path.relative_to(ROOT)) for path in tracked()}
        tails = {name.split("/")[-1] for name in names}
        for path in tracked(
            "*.h", "*.cc", "*.cu", "*.cuh", "*.py", "*CMakeLists.txt", "*.cmake", "dev"
        ):
            if "tests/check/corpus" in str(path) or path.name.endswith(
                "_test.py"
            ):  # of other files
                continue
            with self.subTest(path=path.relative_to(ROOT)):
                self.assertEqual(missing_files(path.read_text(), names, tails), [])

    def test_a_comment_that_names_a_missing_file_is_found(self):
        self.assertEqual(
            missing_files("// see src/gone.h\n", {"src/here.h"}, {"here.h"}), ["src/gone.h"]
        )


COMMENT = re.compile(r"(?://|^\s*#)(?!include)(.*)", re.MULTILINE)
FILE = re.compile(r"(?<![\w./<-])((?:[\w-]+/)*[\w-]+\.(?:h|cc|cu|cuh|py|md|cmake))\b(?!\w)")
# Files of CUDA, of CUB and of examples that comments speak of.
FOREIGN = {
    "agent_merge_sort.cuh",
    "cuda.h",
    "cupti_callbacks.h",
    "kernel.cu",
    "file.cu",
    "name.cu",
    "x.cu",
    "main.cu",
    "module.cc",
    "NAME.cu",
}


def missing_files(text, names, tails):
    found = (name for comment in COMMENT.findall(text) for name in FILE.findall(comment))
    return [
        name
        for name in found
        if name.split("/")[-1] not in FOREIGN
        and not (
            name.split("/")[-1] in tails
            and ("/" not in name or any(n.endswith(name) for n in names))
        )
    ]


if __name__ == "__main__":
    unittest.main()
