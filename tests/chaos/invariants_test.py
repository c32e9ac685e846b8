"""What the chaos suite must notice, it notices."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import chaos_test
import patience
import suite
from commands import Command, prepare
from faults import CANNOT, Strike
from patience import Patience
from suite import MARK, Broken, Suite, UsualRun, digest
from tally import Round, Tally

COMMAND = Command("command", [], [], ["result.json"], exact=("result.json",))
NEW = b'{"result": 1}'


class Invariants(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = pathlib.Path(directory.name) / "round"
        prepare(COMMAND, pathlib.Path(directory.name), self.folder)
        (self.folder / "stderr").write_text("a reason")
        self.result = self.folder / "out/result.json"
        whole = self.folder / "whole"
        whole.write_bytes(NEW)
        self.usual = UsualRun(1, {"result.json": digest(whole)})

    def check(self, code, strike=None):
        strike = strike or Strike({CANNOT})
        Suite({}, self.folder, 1)._check(COMMAND, self.folder, strike, code, self.usual)

    def assert_broken(self, text, code, strike=None):
        with self.assertRaisesRegex(Broken, text):
            self.check(code, strike)

    def test_a_whole_result_or_the_earlier_one_is_well(self):
        self.check(CANNOT)
        self.result.write_bytes(NEW)
        self.check(0)

    def test_a_code_that_does_not_fit(self):
        self.assert_broken("exit code", -11)

    def test_success_without_a_result(self):
        self.assert_broken("a result is not there", 0)

    def test_a_command_that_must_go_on(self):
        self.assert_broken("must have gone on", CANNOT, Strike({CANNOT}, must_succeed=True))

    def test_a_result_that_is_lost_damaged_or_another(self):
        self.result.write_bytes(NEW[:-1])
        self.assert_broken("damaged", CANNOT)
        self.result.write_bytes(b'{"result": 2}')
        self.assert_broken("another one", CANNOT)
        self.result.unlink()
        self.assert_broken("lost", CANNOT)

    def test_a_part_of_a_report_that_nobody_asked_for_or_that_looks_like_all(self):
        asked = Strike({CANNOT}, may_report_a_part=True)
        for part in (
            b'{"stopped": true}',
            b'{"runs": [{"invocations": [{"executionSuccessful": false}]}]}',
        ):
            self.result.write_bytes(part)
            self.check(CANNOT, asked)
            self.assert_broken("another one", CANNOT)
            self.assert_broken("another one", 0, asked)
        self.result.write_bytes(b'{"stopped": false}')
        self.assert_broken("another one", CANNOT, asked)

    def test_files_that_are_left(self):
        stray = self.folder / "out/.slipstream-1.partial"
        stray.touch()
        self.assert_broken("has left", CANNOT)
        stray.unlink()
        (self.folder / "tmp/file").touch()
        self.assert_broken("temporary", CANNOT)

    def test_a_second_name_that_is_no_whole_result_or_that_no_kill_has_left(self):
        killed = Strike({CANNOT}, may_leave_a_second_name=True)
        second = self.folder / "out/.slipstream-1.partial"
        second.write_bytes(NEW)
        self.check(CANNOT, killed)
        self.assert_broken("has left", CANNOT)
        second.write_bytes(NEW[:-1])
        self.assert_broken("has left", CANNOT, killed)

    def test_an_error_without_a_word(self):
        (self.folder / "stderr").write_text("")
        self.assert_broken("says nothing", CANNOT)

    def test_a_process_that_is_left(self):
        with subprocess.Popen(
            ["sleep", "60"], env={**os.environ, MARK: str(self.folder)}
        ) as orphan:
            while b"sleep" not in pathlib.Path(f"/proc/{orphan.pid}/cmdline").read_bytes():
                time.sleep(0.01)
            with mock.patch.object(suite, "GRACE_SECONDS", 0.1):
                self.assert_broken("processes: .*sleep 60", CANNOT)
            orphan.kill()


class Hangs(unittest.TestCase):
    def start(self, *line):
        process = subprocess.Popen(line)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process.pid

    def look(self, patience, processes, seconds):
        """Whether patience has run out after that time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if patience.is_out(processes):
                return True
            time.sleep(0.01)
        return False

    def test_what_sleeps_hangs(self):
        process = self.start("sleep", "60")
        self.assertTrue(self.look(Patience(0.3), [process], 60))
        self.assertIn("threads S", patience.state_of(process))

    def test_what_runs_for_ever_hangs(self):
        process = self.start(sys.executable, "-c", "while True: pass")
        self.assertTrue(self.look(Patience(0.3), [process], 60))

    def test_what_is_given_no_processor_is_waited_for(self):
        # All at one place, the first of them where no other leaves it much.
        place = str(min(os.sched_getaffinity(0)))
        loop = ("taskset", "-c", place, sys.executable, "-c", "while True: pass")
        process = self.start("nice", "-n", "19", *loop)
        for _ in range(3):
            self.start(*loop)
        self.assertFalse(self.look(Patience(0.5), [process], 1.5))

    def test_what_waits_for_another_one_that_is_given_none_is_waited_for(self):
        place = str(min(os.sched_getaffinity(0)))
        loop = ("taskset", "-c", place, sys.executable, "-c", "while True: pass")
        sleeper, process = self.start("sleep", "60"), self.start("nice", "-n", "19", *loop)
        for _ in range(3):
            self.start(*loop)
        self.assertFalse(self.look(Patience(0.5), [sleeper, process], 1.5))


class Enough(unittest.TestCase):
    def test_faults_that_come_too_late_do_not_count(self):
        tally = Tally(["kill", "stop"])
        for kind, struck in (("kill", True), ("kill", True), ("stop", True), ("stop", False)):
            tally.add(Round("info", kind, 0, struck))
        self.assertEqual(tally.least(), 1)

    def test_a_kind_that_never_struck_is_the_rarest(self):
        tally = Tally(["kill", "stop"])
        tally.add(Round("info", "kill", 0, True))
        self.assertEqual(tally.least(), 0)

    def test_rounds_go_on_after_their_time_until_there_are_enough(self):
        options = mock.Mock(only=None, seconds=0, in_background=True, at_least=2)
        background, tally = mock.Mock(), Tally(["kill"])
        for _ in chaos_test.rounds(options, background, tally):
            self.assertFalse(background.in_background)
            tally.add(Round("info", "kill", 0, struck=tally.rounds % 2 == 1))
        self.assertEqual(tally.rounds, 4)

    def test_rounds_end_where_there_are_never_enough(self):
        options = mock.Mock(only=None, seconds=0, in_background=True, at_least=2)
        tally = Tally(["kill"])
        for _ in chaos_test.rounds(options, mock.Mock(), tally):
            tally.add(Round("info", "kill", 0, struck=False))
        self.assertEqual(tally.rounds, chaos_test.MOST_FURTHER_ROUNDS)


if __name__ == "__main__":
    unittest.main()
