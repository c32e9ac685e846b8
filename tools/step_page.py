#!/usr/bin/env python3
"""Writes docs/step.md: the launches of a decode step, as `slipstream info --step` prints them.

tools/step_page.py [--slipstream build/bin/slipstream]            # writes docs/step.md
tools/step_page.py [--slipstream build/bin/slipstream] --check    # changes nothing; fails if it is not current
"""

import argparse
import pathlib
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "step.md"
MODELS = ("deepseek-v3.2", "glm-5.2", "glm-5")
TP, TOKENS, CONTEXT = "8", "1", "8192"
WIDTH = 120

HEAD = """<!-- Written by tools/step_page.py from what `slipstream info --step` prints; change the list of launches instead. -->
# The launches of a decode step

One rank of eight, one token, context 8192. Weights, tables and what is *read early*, which the launch right before does
not write ([design.md](design.md#pdl-rules)), may be read before a launch's wait; everything else after it. MB: what a
launch must move, with as many distinct experts as the token chooses. Printed from the list that the engine runs
(`src/step/launch_list.h`); [engine.md](engine.md) says what each kernel does. `operands` are written with many tokens
only, by a launch that then goes before the one in the table.

    slipstream info --step deepseek-v3.2 --tp 8

"""


def listing(slipstream, model):
    command = [
        slipstream,
        "info",
        "--step",
        model,
        "--tp",
        TP,
        "--tokens",
        TOKENS,
        "--context",
        CONTEXT,
    ]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = (
        line if line.startswith("|") else "\n".join(textwrap.wrap(line, WIDTH))
        for line in result.stdout.strip().split("\n")
    )
    return f"## {model}\n\n" + "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slipstream", default=str(ROOT / "build" / "bin" / "slipstream"))
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    text = HEAD + "\n".join(listing(arguments.slipstream, model) for model in MODELS)
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    if arguments.check:
        print("docs/step.md is not what tools/step_page.py writes", file=sys.stderr)
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
