"""README.md: short, its snippets are those of compiled examples, its links lead somewhere, its finding is a real one."""

import argparse
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAX_LINES = 100
PIECE = re.compile(r"// \[(\w+)\.begin\]\n(.*?)\s*// \[\1\.end\]", re.DOTALL)
SNIPPET = re.compile(r"```(?:cuda|cpp)\n(.*?)```", re.DOTALL)

options = argparse.Namespace(slipstream=None, program=None)


def undented(text):
    lines = text.rstrip().split("\n")
    indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return "\n".join(line[indent:].rstrip() for line in lines)


def pieces():
    """The marked pieces of all examples, without their indentation."""
    found = []
    for path in sorted((ROOT / "examples").glob("*.c*")):
        found += [undented(text) for _, text in PIECE.findall(path.read_text(encoding="utf-8"))]
    return found


def missing_snippets(text, known):
    return [
        part
        for snippet in SNIPPET.findall(text)
        for part in snippet.strip("\n").split("\n\n// ...\n\n")
        if undented(part) not in known
    ]


def missing_part(shortened, text):
    """The first part of `shortened`, cut at its "...", that does not come in its place in `text`; None if all do."""
    at = 0
    for part in filter(None, (part.strip() for part in shortened.split("..."))):
        at = text.find(part, at)
        if at < 0:
            return part
        at += len(part)
    return None


class Readme(unittest.TestCase):
    def test_is_short(self):
        self.assertLessEqual(len(README.splitlines()), MAX_LINES)

    def test_snippets_are_cut_from_examples(self):
        self.assertEqual(missing_snippets(README, pieces()), [])
        self.assertTrue(SNIPPET.findall(README))

    def test_a_changed_snippet_is_found(self):
        self.assertEqual(
            missing_snippets("```cuda\nint a;\n\n// ...\n\nint b;\n```", ["int a;"]), ["int b;"]
        )

    def test_the_finding_is_what_the_checker_prints(self):
        if not options.slipstream:
            self.skipTest("needs --slipstream and --program")
        shown = README.split("    $ build/bin/slipstream check", 1)[1].split("\n\n", 1)[0]
        output = subprocess.run(
            [options.slipstream, "check", options.program],
            check=False,
            capture_output=True,
            text=True,
        ).stdout
        for line in shown.split("\n")[1:]:
            self.assertIsNone(missing_part(line, output), line)

    def test_a_changed_finding_is_found(self):
        self.assertEqual(missing_part("error ... line 2", "error at line 1"), "line 2")
        self.assertIsNone(missing_part("error ... line 1", "error at line 1"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--slipstream")
    parser.add_argument("--program")
    options, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
