"""The documents: width, links, names of files, and the pages and pictures that scripts write."""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from tree_test import ROOT, tracked

WIDTH = 120
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
# `name.h`, `folder/name.cc`, also `folder/name.cc:12`.
NAME = re.compile(r"`((?:[\w.-]+/)*[\w.-]+\.(?:h|cc|cu|cuh|py|sh|md|cmake|svg|yml))(?::\d+)?`")
FOLDER = re.compile(r"`((?:src|include|tests|tools|docs|examples)(?:/[\w-]+)+)/?`")
# `Suite.Name`: a test.
TEST = re.compile(r"`([A-Z]\w+\.[A-Z]\w+)`")
TEST_DEFINITION = re.compile(r"\bTEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\)")
# Files of other projects, of checkpoints and of readers, that the text speaks of.
FOREIGN = {"x.cu", "file.cu", "kernel.cu", "r16_name.cc", "CARD.md"}
# What every file of measurements must say.
SAID = {"gpu", "driver", "cuda", "date", "source", "units"}
# Pages about the past, and about other projects' code.
NO_NAMES = ("docs/notes/", "docs/pdl.md", "CHANGELOG.md", "tests/check/corpus")

options = argparse.Namespace(slipstream=None)


def documents():
    return tracked("*.md")


def wide_lines(text):
    """Numbers of the lines above the width; tables, output (indented by four) and what cannot be broken may be wide."""
    return [
        number
        for number, line in enumerate(text.split("\n"), 1)
        if len(line) > WIDTH and not line.startswith(("|", "    ")) and " " in line.strip()
    ]


def broken_links(path, text):
    return [
        link
        for link in LINK.findall(text)
        if "://" not in link and not (path.parent / link).exists()
    ]


def missing_names(text, names):
    return [
        name
        for name in NAME.findall(text)
        if name not in FOREIGN
        and not any(known == name or known.endswith("/" + name) for known in names)
    ]


def missing_folders(text):
    return [name for name in FOLDER.findall(text) if not (ROOT / name).exists()]


def known_tests():
    return {
        f"{suite}.{name}"
        for path in tracked("tests/*.cc")
        for suite, name in TEST_DEFINITION.findall(path.read_text(encoding="utf-8"))
    }


def missing_tests(text, tests):
    return [name for name in TEST.findall(text) if name not in tests]


class Documents(unittest.TestCase):
    def test_text_is_wrapped(self):
        for path in documents():
            with self.subTest(path=path.relative_to(ROOT)):
                self.assertEqual(wide_lines(path.read_text(encoding="utf-8")), [])

    def test_links_lead_somewhere(self):
        for path in documents():
            with self.subTest(path=path.relative_to(ROOT)):
                self.assertEqual(broken_links(path, path.read_text(encoding="utf-8")), [])

    def test_files_that_are_named_exist(self):
        names = [str(path.relative_to(ROOT)) for path in tracked()]
        for path in documents():
            place = str(path.relative_to(ROOT))
            if place.startswith(NO_NAMES):
                continue
            with self.subTest(path=place):
                self.assertEqual(missing_names(path.read_text(encoding="utf-8"), names), [])

    def test_folders_that_are_named_exist(self):
        for path in documents():
            place = str(path.relative_to(ROOT))
            if place.startswith(NO_NAMES):
                continue
            with self.subTest(path=place):
                text = path.read_text(encoding="utf-8")
                self.assertEqual(missing_folders(text), [])

    def test_tests_that_are_named_exist(self):
        tests = known_tests()
        for path in documents():
            if str(path.relative_to(ROOT)).startswith(NO_NAMES):
                continue
            with self.subTest(path=path.relative_to(ROOT)):
                self.assertEqual(missing_tests(path.read_text(encoding="utf-8"), tests), [])

    def test_measurements_say_where_they_come_from(self):
        for path in tracked("docs/data/*.json"):
            with self.subTest(path=path.relative_to(ROOT)):
                figures = json.loads(path.read_text(encoding="utf-8"))
                self.assertEqual(SAID - set(figures), set())
                self.assertIn(figures["date"], path.name)

    def test_faults_are_found(self):
        self.assertEqual(wide_lines("word " * 30 + "\n| " + "x " * 90), [1])
        self.assertEqual(broken_links(ROOT / "README.md", "[a](LICENSE) [b](gone.md)"), ["gone.md"])
        self.assertEqual(missing_names("`src/a.h` `b.h` `c.h`", ["src/a.h", "src/b.h"]), ["c.h"])
        self.assertEqual(missing_tests("`Case.Is` `Case.Gone`", {"Case.Is"}), ["Case.Gone"])
        self.assertEqual(missing_folders("`src/check` and `src/gone/away`"), ["src/gone/away"])


class Written(unittest.TestCase):
    def test_pages_and_pictures_are_what_their_scripts_write(self):
        for script in ("performance_page.py", "architecture_picture.py"):
            with self.subTest(script=script):
                command = [sys.executable, str(ROOT / "tools" / script), "--check"]
                result = subprocess.run(command, check=False, capture_output=True, text=True)
                self.assertEqual(result.returncode, 0, result.stderr)

    def test_the_page_of_launches_is_what_the_program_prints(self):
        if not options.slipstream:
            self.skipTest("needs --slipstream")
        command = [sys.executable, str(ROOT / "tools" / "step_page.py"), "--check"]
        command += ["--slipstream", options.slipstream]
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--slipstream")
    options, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
