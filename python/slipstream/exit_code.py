"""How every command ends: src/cli/exit_code.h, to which tests/python/command_test.py holds this; docs/operations.md."""

import enum


class ExitCode(enum.IntEnum):
    DONE = 0
    FOUND = 1
    CANNOT = 2  # an input is missing or wrong
    USAGE = 3  # the command line is wrong
    DEVICE = 4  # the CUDA runtime or another rank failed
    TIMED_OUT = 124
