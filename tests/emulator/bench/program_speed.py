"""How fast the emulated device runs programs: lane-instructions per second of user time, and what a second thread gains.

    python3 program_speed.py NAME=LIBRARY_FOLDER [NAME=...] -- PROGRAM [ARGUMENT ...] [-- PROGRAM ...]

Each program runs with each library on one thread, and with the last on two, in turn. Medians of `--runs`, and in brackets
the least and the largest. "grids": what the emulator says of the time that grids ran, which leaves out what programs check
on the host; older libraries do not say it.
"""

import argparse
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import time


def run(library, threads, command):
    """(user seconds, seconds on the clock, lane-instructions, seconds of grids)"""
    environment = os.environ | {
        "LD_LIBRARY_PATH": str(library),
        "SLIPSTREAM_EMULATOR_STATS": "1",
        "SLIPSTREAM_EMULATOR_THREADS": str(threads),
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    start = time.monotonic()
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        cwd=pathlib.Path(command[0]).parent,
        check=True,
    )
    clock = time.monotonic() - start
    user = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    counts = re.search(r"(\d+) lane instructions(?:, ([0-9.]+) s)?", done.stdout + done.stderr)
    return user, clock, int(counts[1]), float(counts[2] or "nan")


def spread(values, pattern="{:.2f}"):
    ordered = [statistics.median(values), min(values), max(values)]
    middle, least, largest = (pattern.format(value) for value in ordered)
    return f"{middle} ({least}-{largest})"


def measure(libraries, command, runs):
    variants = [(name, folder, 1) for name, folder in libraries] + [(*libraries[-1], 2)]
    results = {(name, threads): [] for name, _, threads in variants}
    for _ in range(runs):
        for name, folder, threads in variants:
            results[name, threads].append(run(folder, threads, command))
    print(pathlib.Path(command[0]).name, *command[1:])
    for (name, threads), found in results.items():
        rates = [lanes / user / 1e9 for user, _, lanes, _ in found]
        print(
            f"  {name}, {threads} thread(s): {spread(rates)} G lane-instructions per second of user time, "
            f"clock {spread([one[1] for one in found])} s, grids {spread([one[3] for one in found])} s"
        )
    last = libraries[-1][0]
    for what, index in (("grids", 3), ("clock", 1)):
        one, two = (statistics.median([r[index] for r in results[last, n]]) for n in (1, 2))
        print(f"  two threads, {what}: {one / two:.2f} times")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("libraries", nargs="+", metavar="NAME=FOLDER")
    arguments = sys.argv[1:]
    first = arguments.index("--")
    options = parser.parse_args(arguments[:first])
    commands = [[]]
    for word in arguments[first + 1 :]:
        commands.append([]) if word == "--" else commands[-1].append(word)
    for program, *rest in commands:
        command = [str(pathlib.Path(program).resolve()), *rest]
        measure([tuple(one.split("=", 1)) for one in options.libraries], command, options.runs)


if __name__ == "__main__":
    main()
