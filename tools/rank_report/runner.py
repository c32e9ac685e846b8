"""Runs programs one after another within a budget of time, and keeps what they said."""

import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOO_LONG = 124


class Runner:
    def __init__(self, options):
        self.options = options
        self.out = pathlib.Path(options.out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.deadline = time.monotonic() + options.minutes * 60
        self.bin = ROOT / options.build / "bin"
        self.environment = dict(os.environ)
        self.findings = []  # what is not as it must be
        self.report = {"gpus": options.gpus, "dry_run": options.dry_run}
        self.log = self.out / "log.txt"
        self.log.write_text("", encoding="utf-8")
        if options.dry_run:
            self.environment |= {
                "SLIPSTREAM_DEVICE": "emulated",
                "SLIPSTREAM_EMULATOR_DEVICES": str(options.gpus),
                "SLIPSTREAM_EMULATOR_SMS": "16",
            }
        else:
            self.environment["SLIPSTREAM_DEVICE"] = "gpu"
            self.environment.setdefault("NCCL_NVLS_ENABLE", "0")

    @property
    def slipstream(self):
        return str(self.bin / "slipstream")

    def seconds_left(self):
        return self.deadline - time.monotonic()

    def say(self, text):
        print(text, flush=True)
        self.note(text)

    def note(self, text):
        with self.log.open("a", encoding="utf-8") as log:
            log.write(text + "\n")

    def finding(self, text):
        self.findings.append(text)
        self.say(f"  NOT AS IT MUST BE: {text}")

    def expect(self, holds, text):
        if not holds:
            self.finding(text)
        return holds

    def run(self, command, limit=300, extra=None):
        """Waits for one program; its exit status is TOO_LONG where time ran out."""
        begin = time.monotonic()
        words = [str(word) for word in command]
        self.note(f"$ {' '.join(words)}")
        limit = min(limit, self.seconds_left())
        try:
            done = subprocess.run(
                words,
                env=self.environment | (extra or {}),
                capture_output=True,
                text=True,
                timeout=max(limit, 0.1),
                cwd=ROOT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            parts = (error.stdout or b"", error.stderr or b"")
            texts = [part.decode(errors="replace") for part in parts]
            done = subprocess.CompletedProcess(words, TOO_LONG, *texts)
        self.note((done.stdout + done.stderr)[-6000:])
        self.note(f"[exit {done.returncode}, {time.monotonic() - begin:.1f} s]")
        return done

    def succeeded(self, done, name):
        if done.returncode == 0:
            return True
        what = "took too long" if done.returncode == TOO_LONG else f"exit {done.returncode}"
        self.finding(f"{name}: {what}: {last_line(done.stderr)}")
        return False

    def save(self):
        self.report["not_as_it_must_be"] = self.findings
        text = json.dumps(self.report, indent=1)
        (self.out / "rank_report.json").write_text(text + "\n", encoding="utf-8")


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


def die(text):
    sys.exit(f"rank_report: {text}")
