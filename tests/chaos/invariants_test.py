"""What the chaos suite must notice, it notices."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import chaos_test
from chaos_test import MARK, Broken, Suite, UsualRun, digest
from commands import Command, prepare
from faults import CANNOT, Strike

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
            with mock.patch.object(chaos_test, "GRACE_SECONDS", 0.1):
                self.assert_broken("processes: .*sleep 60", CANNOT)
            orphan.kill()


class Hangs(unittest.TestCase):
    def test_what_stands_still_is_no_work(self):
        with subprocess.Popen(["sleep", "60"]) as process:
            with mock.patch.object(chaos_test, "GRACE_SECONDS", 0.1):
                self.assertFalse(chaos_test.is_working(process))
            self.assertIn("threads S", chaos_test.state_of(process.pid))
            process.kill()


if __name__ == "__main__":
    unittest.main()
