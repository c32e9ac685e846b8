"""The command `slipstream`: the program in this package, and what of it Python runs."""

import os
import pathlib
import sys

from slipstream import _python_commands
from slipstream.exit_code import ExitCode

_PROGRAM = pathlib.Path(__file__).parent / "bin" / "slipstream"


def main():
    arguments = sys.argv[1:]
    if not _python_commands.belongs_to_python(arguments):
        _become_program(arguments)
    if _python_commands.needs_emulated_device():
        print("slipstream: running on the emulated device", file=sys.stderr)
        _become_program(["emulate", "--", sys.executable, "-m", "slipstream._command", *arguments])
    sys.exit(_python_commands.run(arguments))


def _become_program(arguments):
    if not _PROGRAM.exists():
        print(f"slipstream: {_PROGRAM} must be the program, is not there", file=sys.stderr)
        sys.exit(ExitCode.CANNOT)
    os.execv(_PROGRAM, ["slipstream", *arguments])


if __name__ == "__main__":
    main()
