"""Slipstream's operators through Python next to those that torch programs use, on a GPU.

    PYTHONPATH=build/python python tools/torch_incumbents [--rows 1,4,16] [--only TEXT] [--json FILE] [--check-only]

Rivals are FlashInfer, SGLang's kernels and torch itself, each if it is installed; a rival whose kernels cannot be built
or do not run is listed with its error. Every result is compared with a reference in float64 before anything is timed.
Weights and caches rotate through 256 MB, so that they come from memory as in a model.

Two times, in microseconds per call: `graph`, a CUDA graph of calls, which is what a decode step of any of these engines
replays (median of 20 replays); and `eager`, calls from Python one after another (median of 7 passes).

--check-only times nothing: that also runs on the emulated device, for rivals that hold PTX.
"""

import argparse
import importlib.metadata
import json
import pathlib
import platform
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import cases
import timing
import torch

PACKAGES = ("torch", "triton", "flashinfer-python", "sglang", "sgl-kernel", "vllm")


def version_of(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def check(contender, case):
    """None, or what is wrong with a contender: its error, or that its results are far from the reference."""
    try:
        contender.call(case.arguments[0])
        torch.cuda.synchronize()
        return case.compare(contender.precision)
    except Exception as error:  # noqa: BLE001 whatever a rival throws is its result
        print(error, file=sys.stderr)
        first_line = str(error).strip().partition("\n")[0]
        return f"{type(error).__name__}: {first_line[:150]}"


def measure(case, check_only):
    for contender in case.contenders:
        case.reset()
        result = {"operator": case.name, "rows": case.rows, "who": contender.name}
        result["problem"] = check(contender, case)
        if result["problem"] is None and not check_only:
            result["graph_us"] = timing.graph_us(contender.call, case.arguments)
            result["eager_us"] = timing.eager_us(contender.call, case.arguments)
        yield result


def show(result):
    text = f"{result['operator']:38} {result['rows']:4}  {result['who']:28}"
    if result["problem"]:
        return f"{text} {result['problem']}"
    if "graph_us" not in result:
        return f"{text} right"
    return f"{text} {result['graph_us']:8.2f} {result['eager_us']:8.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="1,4,16", help="tokens of a step (default 1,4,16)")
    parser.add_argument("--only", default="", help="operators whose name contains this")
    parser.add_argument("--json", metavar="FILE", help="write the results there, too")
    parser.add_argument("--check-only", action="store_true", help="compare results, time nothing")
    options = parser.parse_args()

    versions = {package: version_of(package) for package in PACKAGES}
    facts = {"device": torch.cuda.get_device_name(), "python": platform.python_version()} | versions
    for name, value in facts.items():
        print(f"{name:20} {value}")
    print(f"\n{'operator':38} {'rows':>4}  {'who':28} {'graph':>8} {'eager':>8}  us per call")
    results = []
    for rows in map(int, options.rows.split(",")):
        for make in cases.CASES:
            if options.only not in make.__name__:
                continue
            for result in measure(make(rows, copies=not options.check_only), options.check_only):
                print(show(result), flush=True)
                results.append(result)
    if options.json:
        pathlib.Path(options.json).write_text(
            json.dumps({"facts": facts, "results": results}, indent=1)
        )
    wrong = [result for result in results if result["problem"] and result["who"] == "slipstream"]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
