"""The command `slipstream`: the program in this package."""

import os
import pathlib
import sys

_PROGRAM = pathlib.Path(__file__).parent / "bin" / "slipstream"


def main():
    if not _PROGRAM.exists():
        sys.exit(f"slipstream: {_PROGRAM} must be the program, is not there")
    os.execv(_PROGRAM, ["slipstream", *sys.argv[1:]])
