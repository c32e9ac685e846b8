#!/usr/bin/env python3
"""Draws docs/images/architecture.svg: the folders of src and who may include whom, from the table in tests/tree_test.py.

tools/architecture_picture.py            # writes the picture
tools/architecture_picture.py --check    # changes nothing; fails if the picture is not current
"""

import argparse
import pathlib
import sys
import textwrap

from svg import Drawing

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from tree_test import ALLOWED, INNER

PICTURE = ROOT / "docs" / "images" / "architecture.svg"

# What each floor is for, and the column it stands in. A floor without an entry here is an error.
TRADES = {
    "code": ("fat binaries, ELF, PTX, SASS", 0.5),
    "record": ("what programs launch", 1.6),
    "emulator": ("a CUDA device on the CPU", 0),
    "check": ("races in compiled code", 1),
    "litmus": ("experiments on PDL", 2),
    "pdl": ("launch, wait, trigger, streams", 4),
    "cuda": ("one function per PTX instruction", 3),
    "io": ("files, JSON", 4),
    "ops": ("the operators, one folder each", 3),
    "model": ("checkpoints, reference", 4),
    "step": ("one decode step as a list", 4),
    "engine": ("sequences, graphs, tokens", 4),
    "bench": ("measuring operators, steps", 3),
    "cli": ("one file per command", 2),
    "python": ("what tvm-ffi binds", 4),
}
BOX_WIDTH, BOX_HEIGHT, GAP, ROW = 216, 76, 18, 112


def depth(floor):
    """The length of the longest way down from a floor."""
    return max((1 + depth(below) for below in ALLOWED[floor][0]), default=0)


def reachable(floor):
    below = ALLOWED[floor][0]
    return set(below).union(*(reachable(each) for each in below))


def direct(floor):
    """The floors it may include, without those that it reaches through another one anyway."""
    below = ALLOWED[floor][0]
    return sorted(
        each
        for each in below
        if not any(each in reachable(other) for other in below if other != each)
    )


def inner_folders(floor):
    """The folders of a floor that are floors themselves, highest last, in lines."""
    if floor not in INNER:
        return []
    order = {}

    def rank(folder):
        if folder not in order:
            order[folder] = max((1 + rank(each) for each in INNER[floor][folder]), default=0)
        return order[folder]

    names = " \N{MIDDLE DOT} ".join(sorted((each for each in INNER[floor] if each), key=rank))
    return textwrap.wrap(names, 44)


def picture():
    missing = set(ALLOWED) ^ set(TRADES)
    if missing:
        raise SystemExit(
            f"TRADES in {__file__} and ALLOWED in tree_test.py differ in {sorted(missing)}"
        )
    top = max(map(depth, ALLOWED))
    width = round(5 * (BOX_WIDTH + GAP) + GAP)
    drawing = Drawing(width, 62 + (top + 1) * ROW + 44, "The folders of src: arrows are includes")

    def corner(floor):
        column = TRADES[floor][1]
        return GAP + column * (BOX_WIDTH + GAP), 56 + (top - depth(floor)) * ROW

    drawing.text(
        GAP, 28, "src: an arrow says who may include whom (and what that one includes)", bold=True
    )
    for floor in ALLOWED:
        for below in direct(floor):
            (x1, y1), (x2, y2) = corner(floor), corner(below)
            drawing.arrow(x1 + BOX_WIDTH / 2, y1 + BOX_HEIGHT, x2 + BOX_WIDTH / 2, y2 - 2)
    for floor, (trade, _) in TRADES.items():
        x, y = corner(floor)
        drawing.rect(x, y, BOX_WIDTH, BOX_HEIGHT, "box", 5)
        drawing.text(x + 10, y + 20, floor, bold=True)
        drawing.text(x + 10, y + 37, trade, "faint", size=11.5)
        for line, words in enumerate(inner_folders(floor)):
            drawing.text(x + 10, y + 53 + 14 * line, words, "faint", size=10)
    bottom = 62 + (top + 1) * ROW + 16
    drawing.text(
        GAP,
        bottom,
        "Nothing includes the emulator: it is a libcudart.so.13, and programs find it, or NVIDIA's, by library path.",
        "faint",
    )
    return drawing.svg()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    text = picture()
    if PICTURE.is_file() and PICTURE.read_text(encoding="utf-8") == text:
        return 0
    if check:
        print(
            "docs/images/architecture.svg is not what tools/architecture_picture.py draws",
            file=sys.stderr,
        )
        return 1
    PICTURE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
