"""How commands that Python runs end: as the program's do (docs/operations.md has the table)."""

import argparse
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

CANNOT = 2  # an input or output cannot be used
USAGE = 3  # the command line is wrong
DEVICE = 4  # the device or another rank failed


class ArgumentParser(argparse.ArgumentParser):
    """argparse's, but that a wrong command line is not taken for a wrong input."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def run(action: Callable[[], None]) -> int:
    """Calls `action`; the exit code of what it raises, which has been printed."""
    # Without a reader of its output the process ends without a word, as others do.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        action()
        sys.stdout.flush()
    except (ValueError, ImportError, OSError) as error:
        return _fail(error, CANNOT)
    except MemoryError:
        return _fail("the host has too little memory for this", CANNOT)
    except RuntimeError as error:
        return _fail(error, DEVICE)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def _fail(error: object, code: int) -> int:
    print(f"slipstream: {error}", file=sys.stderr)
    return code
