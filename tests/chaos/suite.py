"""One command after the other, each with a fault, and what must hold after it."""

import hashlib
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

from commands import COMMANDS, OLD, Command, is_second_name, is_whole, prepare, says_it_is_a_part
from faults import CANNOT, FAULTS, Strike
from patience import Patience, processes_with, state_of
from tally import Round

# A hang is that many seconds in which the command could have gone on.
GRACE_SECONDS = 10
LOOK_SECONDS = 0.25
MARK = "SLIPSTREAM_CHAOS"


class Broken(Exception):
    """An invariant does not hold."""


class Suite:
    def __init__(self, programs: dict[str, str], work: Path, seed: int):
        self._programs = programs
        self._work = work
        self._seed = seed
        # The same in every round: reports name the files that they are about.
        self._folder = work / "round"
        self._usual = {}
        self.in_background = False

    def run_round(self, number: int) -> Round:
        dice = random.Random(f"{self._seed}/{number}")
        command = COMMANDS[number % len(COMMANDS)]
        # Neighbors differ in both, and each command meets each fault.
        fault = list(FAULTS)[(number // len(COMMANDS) + number % len(COMMANDS)) % len(FAULTS)]
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
        one = Round(command.name, fault, None, struck=True)
        try:
            self._strike(one, command, folder, strike, dice.uniform(0, usual.seconds))
            self._check(command, folder, strike, one.code, usual)
            if fault != "shrunk_file" and {path: digest(path) for path in inputs} != hashes:
                raise Broken("an input has changed")
        except Broken as broken:
            one.problem = f"{broken}{said(folder)}"
        finally:
            shutil.rmtree(folder)
        return one

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
                    preexec_fn=lambda: self._begin(strike),  # noqa: PLW1509
                )

    def _begin(self, strike: Strike) -> None:
        if self.in_background:
            os.nice(19)
        if strike.prepare is not None:
            strike.prepare()

    def _strike(
        self, one: Round, command: Command, folder: Path, strike: Strike, delay: float
    ) -> None:
        """Runs the command and sets what it came to."""
        begin = time.monotonic()
        try:
            process = self._start(command, folder, strike)
        except (subprocess.SubprocessError, OSError):
            return  # not even started
        if strike.strike is not None:
            time.sleep(delay)
            one.struck = process.poll() is None
            if one.struck or process.stdout:
                strike.strike(process)
        usual = self._usual[command.name]
        limit = GRACE_SECONDS + 10 * usual.seconds
        if not ends(process, folder, limit):
            state = "; ".join(map(state_of, processes_of(folder)))
            process.kill()
            process.wait()
            raise Broken(f"has not ended in {limit:.0f} s of its own: {state}")
        one.code = process.returncode
        if not one.struck or strike.strike is None:
            # How long it takes changes with what others leave it; the next one must come in time.
            usual.seconds = time.monotonic() - begin

    def _check(
        self, command: Command, folder: Path, strike: Strike, code: int | None, usual: "UsualRun"
    ) -> None:
        if code is not None and code not in {*command.codes, *strike.codes}:
            raise Broken(f"the exit code must be of {sorted({*command.codes, *strike.codes})}")
        if strike.must_succeed and code not in command.codes:
            raise Broken("must have gone on")
        if orphans := remaining(folder):
            raise Broken(f"has left processes: {', '.join(map(state_of, orphans))}")
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


def ends(process: subprocess.Popen, folder: Path, seconds: float) -> bool:
    patience = Patience(seconds)
    while True:
        try:
            if process.stdout and not process.stdout.closed:
                process.communicate(timeout=LOOK_SECONDS)
            else:
                process.wait(timeout=LOOK_SECONDS)
            return True
        except subprocess.TimeoutExpired:
            if patience.is_out(processes_of(folder)):
                return False


def processes_of(folder: Path) -> list[int]:
    return processes_with(f"{MARK}={folder}".encode())


def remaining(folder: Path) -> list[int]:
    """Processes of a command that has ended, once they have had a moment to go."""
    patience = Patience(GRACE_SECONDS)
    while found := processes_of(folder):
        if patience.is_out(found):
            return found
        time.sleep(LOOK_SECONDS / 5)
    return []
