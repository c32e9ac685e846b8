"""Thousands of steps with random delays in the kernels of all ranks: step_ranks_test."""

import re

FILTER = "*LateSteps*"


def plan(options):
    count = "some" if options.dry_run else "10,000"
    what = (
        f"{count} steps of a tiny model on 2 to {options.gpus} ranks with random delays in all CTAs"
    )
    return [f"{what}: the same bits as without (about 60 s)"]


def run(runner):
    program = runner.bin / "step_ranks_test"
    if not program.exists():
        runner.finding(f"{program} is missing: no steps with delays")
        return
    runner.say("steps with delays")
    done = runner.run([program, f"--gtest_filter={FILTER}"], 400)
    runner.succeeded(done, "steps with delays")
    passed = re.findall(r"\[       OK \] (\S+) \((\d+) ms\)", done.stdout)
    skipped = re.findall(r"\[  SKIPPED \] (\S+) \(", done.stdout)
    runner.expect(passed, "steps with delays: no test ran")
    runner.report["delays"] = {
        "passed": {name: int(milliseconds) / 1e3 for name, milliseconds in passed},
        "skipped": skipped,
    }
