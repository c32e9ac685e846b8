"""How long to wait for processes that get only the time that others leave them."""

import os
import time
from pathlib import Path

# What this process does not see itself, as it had no processor either, is held against nobody.
_LONGEST_LOOK = 1.0


class Patience:
    """Runs out after so many seconds in which processes could have gone on. They count while they run, and while all of
    them sleep. The time that they wait for a processor or a disk does not: then others are at work."""

    def __init__(self, seconds: float):
        self._left = seconds
        self._last = time.monotonic()
        self._used = 0.0

    def is_out(self, processes: list[int]) -> bool:
        """To be asked again and again, about all processes that may let the others wait."""
        now, used = time.monotonic(), sum(seconds_used(process) for process in processes)
        passed = min(now - self._last, _LONGEST_LOOK)
        if any(is_kept_waiting(process) for process in processes):
            passed = min(passed, max(0.0, used - self._used))
        self._left -= passed
        self._last, self._used = now, used
        return self._left <= 0


def processes_with(mark: bytes) -> list[int]:
    """The processes that have a variable, `NAME=value`, in the environment that they were started with."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark + b"\0" in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue  # gone, or another user's
    return found


def seconds_used(process: int) -> float:
    fields = _fields(Path(f"/proc/{process}/stat"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def is_kept_waiting(process: int) -> bool:
    """Whether a thread of it runs, would run if it had a processor, or waits for a disk."""
    return any(fields[0] in "RD" for fields in map(_fields, _threads(process)) if fields)


def state_of(process: int) -> str:
    """What a process is, and what its threads are at."""
    threads = []
    for thread in _threads(process):
        if fields := _fields(thread):
            threads.append(f"{fields[0]} in {thread.with_name('wchan').read_text()}")
    line = Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    return f"{line}({seconds_used(process):.2f} s used, threads {'; '.join(threads)})"


def _threads(process: int) -> list[Path]:
    return sorted(Path(f"/proc/{process}/task").glob("*/stat"))


def _fields(path: Path) -> list[str]:
    """What follows the name in a file `stat`; nothing where the process is gone."""
    try:
        return path.read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []
