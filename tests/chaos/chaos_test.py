"""Random faults at random moments of every command. After each: the command has ended in time and with a code that fits,
it has left no process, no part of a file and no temporary one, and each earlier result is as it was or is replaced by
a whole one.

  chaos_test.py --programs build/bin --cpu-seconds 25          what `ctest -R chaos_test` runs
  chaos_test.py --programs build/bin --seconds 3600            an hour
  chaos_test.py --programs build/bin --seed 17 --only 42       one round again
"""

import argparse
import collections
import hashlib
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from commands import (
    COMMANDS,
    OLD,
    Command,
    is_second_name,
    is_whole,
    make_inputs,
    prepare,
    says_it_is_a_part,
)
from faults import CANNOT, FAULTS, Strike

GRACE_SECONDS = 10
MARK = "SLIPSTREAM_CHAOS"


class Broken(Exception):
    """An invariant does not hold."""


def main() -> int:
    options = parse()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}", flush=True)
    programs = {
        name: str(options.programs.resolve() / name)
        for name in ("slipstream", "make_tiny_checkpoint")
    }
    failures = []
    counts = collections.Counter()
    codes = collections.Counter()
    with tempfile.TemporaryDirectory(prefix="slipstream-chaos-") as directory:
        work = Path(directory)
        work.chmod(0o755)
        (work / "originals").mkdir()
        make_inputs(programs, work / "originals")
        suite = Suite(programs, work, seed)
        for number in rounds(options):
            command, fault, code, problem = suite.run_round(number)
            counts[fault] += 1
            codes[f"{fault} {code}"] += 1
            if options.verbose:
                print(f"{number}: {command}, {fault}: {code}", flush=True)
            if problem:
                failures.append(number)
                print(f"round {number}, {fault} at {command} (code {code}): {problem}")
                print(f"  again: --seed {seed} --only {number}", flush=True)
    for fault, count in sorted(counts.items()):
        ends = sorted(key.rsplit(" ", 1)[1] for key in codes if key.rsplit(" ", 1)[0] == fault)
        print(f"{fault:12} {count:5} faults, exit codes {', '.join(ends)}")
    print(f"{sum(counts.values())} faults, {len(failures)} broken invariants")
    return 1 if failures else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", type=Path, required=True)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--only", type=int, metavar="ROUND")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--cpu-seconds", type=float, default=float("inf"))
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def rounds(options: argparse.Namespace):
    if options.only is not None:
        yield options.only
        return
    begin = time.monotonic()
    number = 0
    while time.monotonic() - begin < options.seconds and cpu_seconds() < options.cpu_seconds:
        yield number
        number += 1


def cpu_seconds() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF))
    )


class Suite:
    def __init__(self, programs: dict[str, str], work: Path, seed: int):
        self._programs = programs
        self._work = work
        self._seed = seed
        # The same in every round: reports name the files that they are about.
        self._folder = work / "round"
        self._usual = {}

    def run_round(self, number: int) -> tuple[str, str, int | None, str]:
        """Command, fault, exit code, and what is broken."""
        dice = random.Random(f"{self._seed}/{number}")
        command = COMMANDS[number % len(COMMANDS)]
        fault = list(FAULTS)[(number // len(COMMANDS)) % len(FAULTS)]
        if fault == "shrunk_file" and not command.inputs:
            fault = "kill"
        usual = self._usual_run(command)
        folder = self._folder
        inputs = prepare(command, self._work / "originals", folder)
        hashes = {path: digest(path) for path in inputs}
        strike = FAULTS[fault](dice, inputs)
        if fault == "shrunk_file":
            # Of another input, the whole result may be another one.
            usual = UsualRun(usual.seconds, {})
        code = None
        try:
            code = self._struck(command, folder, strike, dice.uniform(0, usual.seconds), usual)
            self._check(command, folder, strike, code, usual)
            if fault != "shrunk_file" and {path: digest(path) for path in inputs} != hashes:
                raise Broken("an input has changed")
        except Broken as broken:
            return command.name, fault, code, f"{broken}{said(folder)}"
        finally:
            shutil.rmtree(folder)
        return command.name, fault, code, ""

    def _usual_run(self, command: Command) -> "UsualRun":
        if command.name not in self._usual:
            folder = self._folder
            prepare(command, self._work / "originals", folder)
            begin = time.monotonic()
            code = self._start(command, folder, Strike(set())).wait()
            seconds = time.monotonic() - begin
            if code not in command.codes:
                raise SystemExit(f"{command.name} ends with {code} undisturbed{said(folder)}")
            exact = {name: digest(folder / "out" / name) for name in command.exact}
            self._usual[command.name] = UsualRun(seconds, exact)
            shutil.rmtree(folder)
        return self._usual[command.name]

    def _start(self, command: Command, folder: Path, strike: Strike) -> subprocess.Popen:
        if strike.user is not None:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, strike.user, strike.user)
        environment = {
            **os.environ,
            MARK: str(folder),
            "SLIPSTREAM_DEVICE": "emulated",
            "SLIPSTREAM_EMULATOR_SMS": "8",
            "TMPDIR": str(folder / "tmp"),
        }
        with open(folder / "stderr", "wb") as stderr, open(folder / "stdout", "wb") as stdout:
            targets = {"file": stdout, "pipe": subprocess.PIPE, "full": None}
            with open("/dev/full", "wb") as full:
                return subprocess.Popen(
                    command.line(self._programs, folder),
                    stdin=subprocess.DEVNULL,
                    stdout=targets[strike.stdout] or full,
                    # Of a limit of file sizes it would be a victim, too.
                    stderr=subprocess.DEVNULL if strike.stdout == "pipe" else stderr,
                    env=environment,
                    preexec_fn=strike.prepare,  # noqa: PLW1509
                )

    def _struck(
        self, command: Command, folder: Path, strike: Strike, delay: float, usual: "UsualRun"
    ) -> int | None:
        try:
            process = self._start(command, folder, strike)
        except (subprocess.SubprocessError, OSError):
            return None  # not even started
        if strike.strike is not None:
            time.sleep(delay)
            if process.poll() is None or process.stdout:
                strike.strike(process)
        # Besides the grace, as long as it takes undisturbed where others use this machine, too.
        limit = GRACE_SECONDS + 10 * usual.seconds
        try:
            if process.stdout and not process.stdout.closed:
                process.communicate(timeout=limit)
            return process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            # It may only be slow, where many others use this machine.
            if is_working(process):
                return process.wait()
            state = state_of(process.pid)
            process.kill()
            process.wait()
            raise Broken(f"has not ended after {limit:.0f} s: {state}") from None

    def _check(
        self, command: Command, folder: Path, strike: Strike, code: int | None, usual: "UsualRun"
    ) -> None:
        if code is not None and code not in {*command.codes, *strike.codes}:
            raise Broken(f"the exit code must be of {sorted({*command.codes, *strike.codes})}")
        if strike.must_succeed and code not in command.codes:
            raise Broken("must have gone on")
        if orphans := remaining(folder):
            raise Broken(f"has left processes: {orphans}")
        # Asked to end, a command may report what it has so far, and says in the report that it is not all.
        may_be_part = strike.may_report_a_part and code == CANNOT
        replaced = [self._is_replaced(folder, name, usual, may_be_part) for name in command.results]
        if code in command.codes and not all(replaced):
            raise Broken("reports success, but a result is not there")
        strays = [
            path
            for path in (folder / "out").iterdir()
            if path.name not in {*command.results, "made"}
            and not (strike.may_leave_a_second_name and is_second_name(path))
        ]
        if strays:
            raise Broken(f"has left {sorted(path.name for path in strays)}")
        for path in (folder / "out").glob("made/**/*"):
            if path.suffix in (".safetensors", ".json") and not is_whole(path):
                raise Broken(f"{path.name} is damaged")
            if path.name.startswith("."):
                raise Broken(f"has left {path.name}")
        if left := [path.name for path in (folder / "tmp").iterdir()]:
            raise Broken(f"has left temporary files: {left}")
        if code == CANNOT and strike.stdout == "file" and not (folder / "stderr").stat().st_size:
            raise Broken("says nothing")

    def _is_replaced(self, folder: Path, name: str, usual: "UsualRun", may_be_part: bool) -> bool:
        path = folder / "out" / name
        if not path.is_file():
            raise Broken(f"the earlier {name} is lost")
        if path.read_bytes() == OLD:
            return False
        try:
            whole = is_whole(path)
        except ValueError:
            whole = False
        if not whole:
            raise Broken(f"{name} is damaged")
        if may_be_part and says_it_is_a_part(path):
            return True
        if name in usual.exact and digest(path) != usual.exact[name]:
            raise Broken(f"{name} is another one than in an undisturbed run")
        return True


class UsualRun:
    def __init__(self, seconds: float, exact: dict[str, str]):
        self.seconds = seconds
        self.exact = exact


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def said(folder: Path) -> str:
    path = folder / "stderr"
    text = path.read_text(errors="replace")[-400:] if path.exists() else ""
    return f"; it said: {text}" if text else ""


def is_working(process: subprocess.Popen) -> bool:
    """Whether it comes to an end after all: not where it stands still, or uses a minute of processor time."""
    last = -1.0
    while (used := seconds_used(process.pid)) != last and used < 60:
        last = used
        try:
            process.wait(timeout=GRACE_SECONDS)
            return True
        except subprocess.TimeoutExpired:
            continue
    return False


def seconds_used(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def state_of(process: int) -> str:
    """What the threads of a process that hangs are at."""
    threads = []
    for thread in Path(f"/proc/{process}/task").iterdir():
        state = (thread / "stat").read_text().rsplit(")", 1)[1].split()[0]
        threads.append(f"{state} in {(thread / 'wchan').read_text()}")
    return f"{seconds_used(process):.2f} s used, threads " + "; ".join(threads)


def remaining(folder: Path) -> list[str]:
    """Processes of a command that has ended, once they have had a moment to go."""
    end = time.monotonic() + GRACE_SECONDS
    while True:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARK}={folder}\0".encode() in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # gone, or another user's
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
