"""What goes wrong around a command: each fault strikes at a random moment, or limits the command from its start."""

import dataclasses
import os
import random
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

# Ended by a signal; `emulate` answers for its program as a shell does.
KILLED, TERMINATED = {-signal.SIGKILL}, {-signal.SIGTERM, 128 + signal.SIGTERM}
BROKEN_PIPE = {-signal.SIGPIPE, 128 + signal.SIGPIPE}
CANNOT, DEVICE = 2, 4
# As shells and the dynamic linker answer where a program cannot even start.
NOT_STARTED = {126, 127}
# A user of whom nothing else runs on this machine: a limit of threads counts all of a user's.
LONELY_USER = 61017


@dataclasses.dataclass
class Strike:
    """One fault at work on one command."""

    codes: set[int]  # that it may end with besides 0
    prepare: Callable[[], None] | None = None  # in the child, before it becomes the command
    strike: Callable[[subprocess.Popen], None] | None = None  # at the moment
    stdout: str = "file"  # file, full or pipe
    user: int | None = None
    must_succeed: bool = False
    may_report_a_part: bool = False
    # No system call puts a file without a name in the place of another: it has a second name in between.
    may_leave_a_second_name: bool = False


def kill(_random: random.Random, _inputs: list[Path]) -> Strike:
    return Strike(KILLED, strike=lambda process: process.kill(), may_leave_a_second_name=True)


def terminate(_random: random.Random, _inputs: list[Path]) -> Strike:
    # `check` reports what it has found so far, and ends by itself.
    return Strike(
        {*TERMINATED, CANNOT},
        strike=lambda process: process.terminate(),
        may_report_a_part=True,
        may_leave_a_second_name=True,
    )


def stop(dice: random.Random, _inputs: list[Path]) -> Strike:
    seconds = dice.uniform(0.05, 0.5)

    def strike(process: subprocess.Popen) -> None:
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)

    return Strike(set(), strike=strike, must_succeed=True)


def full_disk(dice: random.Random, _inputs: list[Path]) -> Strike:
    """No file may grow beyond a few kilobytes, which fails as a full disk does, with a signal on top."""
    size = dice.choice([0, 1, 100, 4096, 5000])
    return Strike(
        {CANNOT},
        prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
        stdout="pipe",
    )


def full_output(_random: random.Random, _inputs: list[Path]) -> Strike:
    return Strike({CANNOT}, stdout="full")


def shrunk_file(dice: random.Random, inputs: list[Path]) -> Strike:
    victim = dice.choice(inputs)
    size = dice.randrange(victim.stat().st_size)
    # 0: a text that ends earlier may still be one, with nothing to be found in it.
    return Strike({0, CANNOT}, strike=lambda _process: os.truncate(victim, size))


def no_memory(dice: random.Random, _inputs: list[Path]) -> Strike:
    size = int(2 ** dice.uniform(24, 33))
    codes = {CANNOT, DEVICE}
    if size < 2**27:  # a program of `emulate` and what it loads may have too little to start with
        codes |= NOT_STARTED
    if size < 2**26:  # the command itself (35 MB), also in what runs before its main function
        codes |= KILLED | {-signal.SIGSEGV, -signal.SIGABRT}
    return Strike(codes, prepare=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)))


def no_threads(dice: random.Random, _inputs: list[Path]) -> Strike:
    count = dice.choice([1, 2, 3])

    def prepare() -> None:
        if os.getuid() == 0:
            os.setgid(LONELY_USER)
            os.setuid(LONELY_USER)
        resource.setrlimit(resource.RLIMIT_NPROC, (count, count))

    user = LONELY_USER if os.getuid() == 0 else None
    return Strike({CANNOT, DEVICE, 126}, prepare=prepare, user=user)


def broken_pipe(_random: random.Random, _inputs: list[Path]) -> Strike:
    return Strike(
        BROKEN_PIPE | {CANNOT}, strike=lambda process: process.stdout.close(), stdout="pipe"
    )


FAULTS = {
    fault.__name__: fault
    for fault in (
        kill,
        terminate,
        stop,
        full_disk,
        full_output,
        shrunk_file,
        no_memory,
        no_threads,
        broken_pipe,
    )
}
