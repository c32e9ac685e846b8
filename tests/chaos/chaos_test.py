"""Random faults at random moments of every command. After each: the command has ended in time and with a code that fits,
it has left no process, no part of a file and no temporary one, and each earlier result is as it was or is replaced by
a whole one.

  chaos_test.py --programs build/bin --seconds 300 --in-background --at-least 6      what CI runs
  chaos_test.py --programs build/bin --seconds 3600                                  an hour
  chaos_test.py --programs build/bin --seed 17 --only 42                             one round again
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from commands import make_inputs
from faults import FAULTS
from suite import Suite
from tally import Tally

# After its time a run goes on until each kind of fault has struck often enough, but for no more rounds than that.
MOST_FURTHER_ROUNDS = 20 * len(FAULTS)


def main() -> int:
    options = parse()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}", flush=True)
    programs = {
        name: str(options.programs.resolve() / name)
        for name in ("slipstream", "make_tiny_checkpoint")
    }
    tally = Tally(list(FAULTS))
    with tempfile.TemporaryDirectory(prefix="slipstream-chaos-") as directory:
        work = Path(directory)
        work.chmod(0o755)
        (work / "originals").mkdir()
        make_inputs(programs, work / "originals")
        suite = Suite(programs, work, seed)
        for number in rounds(options, suite, tally):
            one = suite.run_round(number)
            tally.add(one)
            if options.verbose:
                print(f"{number}: {one.command}, {one.fault}: {one.code}", flush=True)
            if one.problem:
                print(
                    f"round {number}, {one.fault} at {one.command} (code {one.code}): {one.problem}"
                )
                print(f"  again: --seed {seed} --only {number}", flush=True)
    tally.print()
    if tally.least() < options.at_least:
        print(f"each kind of fault must strike {options.at_least} times, one did {tally.least()}")
    return 1 if tally.broken or tally.least() < options.at_least else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", type=Path, required=True)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--only", type=int, metavar="ROUND")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument(
        "--in-background", action="store_true", help="commands get the time that others leave"
    )
    parser.add_argument(
        "--at-least", type=int, default=0, help="how often each kind of fault must strike"
    )
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def rounds(options: argparse.Namespace, suite: Suite, tally: Tally):
    if options.only is not None:
        yield options.only
        return
    end = time.monotonic() + options.seconds
    suite.in_background = options.in_background
    while time.monotonic() < end:
        yield tally.rounds
    print(f"{tally.rounds} rounds in {options.seconds:.0f} s", flush=True)
    # Where others left nothing.
    suite.in_background = False
    last = tally.rounds + MOST_FURTHER_ROUNDS
    while tally.least() < options.at_least and tally.rounds < last:
        yield tally.rounds


if __name__ == "__main__":
    sys.exit(main())
