"""How every command ends: src/cli/exit_code.h, to which tests/python/command_test.py holds this; docs/operations.md."""

import argparse
import enum
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn


class ExitCode(enum.IntEnum):
    DONE = 0
    FOUND = 1
    CANNOT = 2  # an input is missing or wrong
    USAGE = 3  # the command line is wrong
    DEVICE = 4  # the CUDA runtime or another rank failed
    TIMED_OUT = 124


class ArgumentParser(argparse.ArgumentParser):
    """argparse's, but that a wrong command line is not taken for a wrong input."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(ExitCode.USAGE, f"{self.prog}: {message}\n")


def run(action: Callable[[], None]) -> int:
    """Calls `action`; the exit code of what it raises, which has been printed."""
    # Without a reader of its output the process ends without a word, as others do.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        action()
        sys.stdout.flush()
    except (ValueError, ImportError, OSError) as error:
        return _fail(error, ExitCode.CANNOT)
    except MemoryError:
        return _fail("the host has too little memory for this", ExitCode.CANNOT)
    except RuntimeError as error:
        return _fail(error, ExitCode.DEVICE)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return ExitCode.DONE


def _fail(error: object, code: int) -> int:
    print(f"slipstream: {error}", file=sys.stderr)
    _drop_output()
    return code


def _drop_output() -> None:
    """What a full standard output has not taken Python would try to write once more, and end with 120 for it."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
