"""Everything there is to learn about one model on the N GPUs of this machine, in one go: steps of full-size models with
real ranks, skew between them, memory; goldens, equal bits by threads and by processes, ranks that die, steps with delays.

python3 tools/rank_report --out DIR                 on the GPUs of this machine
python3 tools/rank_report --out DIR --dry-run 4     on four emulated ones: whether everything runs, no figures

Writes rank_report.json, rank_report.txt and log.txt. Needs build/bin/slipstream and make_tiny_checkpoint (a dry run:
build/emulator, too), step_ranks_test for the steps with delays, and tests/goldens; Python's standard library; on GPUs
NCCL, which is looked for among Python's packages, too.
"""

import argparse
import ctypes
import datetime
import glob
import site
import sys

import delays
import steps
import text
import tokens
from memory import query
from runner import Runner, die

SECTIONS = {"tokens": tokens, "delays": delays, "steps": steps}
MODELS = ["deepseek-v3.2", "glm-5.2"]


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="rank_report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="where the report goes")
    parser.add_argument("--gpus", type=int, default=0, help="ranks (default: all GPUs, at most 8)")
    parser.add_argument("--dry-run", type=int, default=0, metavar="N", help="on N emulated devices")
    parser.add_argument("--plan", action="store_true", help="say what would be done, and end")
    parser.add_argument(
        "--sections",
        default=",".join(SECTIONS),
        help=f"some of {','.join(SECTIONS)}, in this order (default: all)",
    )
    parser.add_argument("--models", default=",".join(MODELS), help="full-size ones to measure")
    parser.add_argument("--layers", type=int, help="layers of them (default: as many as fit)")
    parser.add_argument("--minutes", type=float, default=9.5, help="no program runs for longer")
    parser.add_argument("--build", default="build", help="the build's folder")
    options = parser.parse_args(arguments)
    options.sections = options.sections.split(",")
    options.models = options.models.split(",")
    unknown = [name for name in options.sections if name not in SECTIONS]
    if unknown:
        die(f"--sections must be some of {', '.join(SECTIONS)}, has {unknown[0]}")
    if options.dry_run:
        options.gpus = options.dry_run
        options.models = options.models[:1]
    return options


def find_nccl(environment):
    """The loader's, or one among Python's packages, which it would not find by itself."""
    if "SLIPSTREAM_NCCL" in environment:
        return environment["SLIPSTREAM_NCCL"]
    try:
        ctypes.CDLL("libnccl.so.2")
        return "libnccl.so.2"
    except OSError:
        folders = [
            *site.getsitepackages(),
            *sys.path,
            "/opt/torch/.venv/lib/python3*/site-packages",
        ]
        found = [
            file
            for folder in folders
            for file in glob.glob(f"{folder}/nvidia/nccl/lib/libnccl.so.2")
        ]
        return found[0] if found else ""


def version_of(nccl):
    version = ctypes.c_int()
    try:
        ctypes.CDLL(nccl).ncclGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return "not found"
    return f"{version.value // 10000}.{version.value // 100 % 100}.{version.value % 100}"


def describe_machine(runner):
    machine = {"slipstream": runner.run([runner.slipstream, "--version"]).stdout.strip()}
    if not runner.options.dry_run:
        nccl = find_nccl(runner.environment)
        if nccl and nccl != "libnccl.so.2":
            runner.environment["SLIPSTREAM_NCCL"] = nccl
        machine["GPUs"] = "; ".join(query("name,memory.total,clocks.sm,clocks.mem"))
        machine["driver"] = (query("driver_version") or ["?"])[0]
        machine["NCCL"] = version_of(nccl)
    runner.report["machine"] = machine


def announce(runner):
    options = runner.options
    runner.say(f"{options.gpus} {'emulated devices' if options.dry_run else 'GPUs'}, to be done:")
    for name in options.sections:
        for line in SECTIONS[name].plan(options):
            runner.say(f"  {name}: {line}")
    runner.say(f"within {options.minutes} minutes; what is done by then is in {runner.out}")


def main():
    options = parse(sys.argv[1:])
    if not options.dry_run:
        gpus = len(query("index"))
        options.gpus = options.gpus or min(gpus, 8)
        if options.gpus < 2 and not options.plan:
            die(f"needs 2 GPUs or more, there are {gpus}; --dry-run 4 takes emulated ones")
    runner = Runner(options)
    announce(runner)
    if options.plan:
        return 0
    for program in ("slipstream", "make_tiny_checkpoint"):
        if not (runner.bin / program).exists():
            die(f"{runner.bin / program} is missing")
    runner.report["date"] = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"
    describe_machine(runner)
    for name in options.sections:
        if not runner.expect(runner.seconds_left() > 20, f"{name}: no time was left"):
            continue
        SECTIONS[name].run(runner)
        save(runner)
    save(runner)
    runner.say(text.text_of(runner.report))
    return 1 if runner.findings else 0


def save(runner):
    runner.save()
    (runner.out / "rank_report.txt").write_text(text.text_of(runner.report), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
