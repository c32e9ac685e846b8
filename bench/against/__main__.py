"""Slipstream's operators next to those of SGLang, FlashInfer, DeepGEMM, FlashMLA and torch: one program, one GPU, one run.

    pip install torch sglang flashinfer-python vllm      # whichever there are; a row says who is missing
    python bench/against --json results.json

`slipstream` itself is the wheel's package, or PYTHONPATH=build/python of a build. DeepGEMM and FlashMLA are found by
themselves or inside vLLM.

Every result is compared with a reference in float64 before it is timed. Times are microseconds per call, medians of
replays of a CUDA graph: `off` and `on` without and with programmatic dependent launch (PDL), in a chain of the same call;
`alt`: in turn with another small kernel, less what that costs; `eager`: called from Python one after another. Weights and
caches rotate through 256 MB, so that they come from memory, activations stay in the cache, as in a decode step.
"""

import argparse
import contextlib
import datetime
import functools
import platform
import subprocess
import sys

import report
import rows
from rivals import versions, versions_of


def arguments():
    parser = argparse.ArgumentParser(
        prog="python bench/against",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="operators: " + "; ".join(f"{each.name} ({each.title})" for each in rows.OPERATORS),
    )
    parser.add_argument(
        "--rows", default="", metavar="NAMES", help="these operators, by commas (default: all)"
    )
    parser.add_argument(
        "--tokens",
        default=",".join(map(str, rows.DEFAULT_TOKENS)),
        help="tokens of a step, 1 to 16 (default %(default)s; 3 and 12 show tails)",
    )
    parser.add_argument(
        "--contexts",
        default=",".join(str(context // 1024) for context in rows.CONTEXTS),
        help="thousands of positions, for scores, top-k and attention (default %(default)s)",
    )
    parser.add_argument("--json", metavar="FILE", help="write facts and results there, too")
    parser.add_argument("--check-only", action="store_true", help="compare results, time nothing")
    parser.add_argument(
        "--target", type=float, default=0.95, help="ratio that rows should reach (default 0.95)"
    )
    return parser.parse_args()


def planned(options):
    contexts = rows.numbers("--contexts", options.contexts, (4, 1024))
    tokens = rows.numbers("--tokens", options.tokens, (1, 16))
    return rows.rows_of(rows.operators(options.rows), tokens, [1024 * each for each in contexts])


def facts(torch, options):
    properties = torch.cuda.get_device_properties(0)
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "gpu": properties.name,
        "multiprocessors": properties.multi_processor_count,
        "driver": driver_version(),
        "cuda": torch.version.cuda,
        "date": f"{now:%Y-%m-%d}",
        "started": f"{now:%Y-%m-%d %H:%M} UTC",
        "source": f"bench/against --tokens {options.tokens} --contexts {options.contexts}",
        "units": "microseconds; off and on: without and with PDL, in a chain of the same call; alternating: in turn with "
        "another kernel, less what that costs; eager: called from Python",
        "versions": {"python": platform.python_version()} | versions(),
    }


def driver_version():
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.splitlines()[0].strip()


def measured(row, case, contender, options, bandwidth):
    """One result."""
    import cases
    import torch

    needed, missing = versions_of(contender.packages)
    result = {
        "operator": row.operator.name,
        "title": row.operator.title,
        "shape": row.shape,
        "kernel": contender.name,
        "versions": needed,
        "remark": contender.remark,
        "problem": None,
    }
    if missing:
        return result | {"problem": f"{missing} is not installed"}
    try:
        case.reset()
        contender.call(case.arguments[0])
        torch.cuda.synchronize()
        found = case.results()
        result["problem"] = cases.problem_of(found, contender.tolerance)
        result["error"] = cases.largest_error(found)
        if result["problem"] is None and not options.check_only:
            result |= timed(case, contender, bandwidth)
    except Exception as error:  # noqa: BLE001 whatever a rival throws is its result
        first_line = str(error).strip().partition("\n")[0]
        result["problem"] = f"{type(error).__name__}: {first_line[:150]}"
        with contextlib.suppress(RuntimeError):
            torch.zeros(1).cuda()  # takes an error of CUDA that nobody has asked for
    return result


def timed(case, contender, bandwidth):
    import timing

    times = timing.in_graphs(contender.call, case.arguments, case.calls, other_kernel())
    times["eager"] = timing.eager_us(contender.call, case.arguments, case.calls)
    times["floor"] = case.bytes / bandwidth
    return times


@functools.cache
def other_kernel():
    """What a measured call takes turns with: 64 gates are scaled."""
    import slipstream
    import torch
    from cases import normal

    gates, scales, output = (normal(1, 64, dtype=torch.float32) for _ in range(3))
    return lambda _: slipstream.apply_q_scale_and_softmax_scale(gates, scales, 1.0, output)


def run(options, plan):
    import importlib

    import timing
    import torch

    about = facts(torch, options)
    bandwidth = 0
    if not options.check_only:
        bandwidth = timing.copy_bandwidth()
        about["copy_bandwidth_tb_s"] = round(bandwidth / 1e6, 3)
    for name, value in (about | about["versions"]).items():
        if not isinstance(value, dict):
            print(f"{name:20} {value}")
    results = []
    for row in plan:
        print(f"\n{row.operator.title}, {row.shape}\n{report.HEAD}", flush=True)
        module = importlib.import_module(f"families.{row.operator.module}")
        case = getattr(module, row.operator.name)(row, copies=not options.check_only)
        of_row = []
        for contender in case.contenders:
            of_row.append(measured(row, case, contender, options, bandwidth))
            print(report.line(of_row[-1]), flush=True)
        if not options.check_only:
            print(report.ratio_line(report.comparison(of_row)), flush=True)
        results += of_row
        del case
        torch.cuda.empty_cache()
        if options.json:  # after each row: a run that is stopped leaves what it has
            report.write_json(options.json, about, results)
    if not options.check_only:
        print(f"\n{report.summary(results, options.target)}")
    return results


def missing_ground():
    """None, or what nothing can be measured without."""
    try:
        import torch
    except ImportError:
        return "torch is not installed"
    if not torch.cuda.is_available():
        return "torch finds no CUDA device"
    try:
        from slipstream import _step  # noqa: F401 it is there
    except ImportError as error:
        return f"slipstream cannot be imported ({error}): install its wheel, or set PYTHONPATH=build/python"
    return None


def main():
    options = arguments()
    try:
        plan = planned(options)
    except ValueError as error:
        print(f"bench/against: {error}", file=sys.stderr)
        return 2
    missing = missing_ground()
    if missing:
        print(f"bench/against: {missing}", file=sys.stderr)
        return 1
    results = run(options, plan)
    wrong = [each for each in results if each["problem"] and report.is_ours(each)]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
