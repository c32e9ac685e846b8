#!/usr/bin/env python3
"""Runs `slipstream check` on wheels as their users have them, and prints what docs/check.md says of them.

    tools/check_wheels.py build/bin/slipstream [--folder FOLDER] [--only NAME...] [--causes] [--draw COUNT --seed SEED]

Downloads the wheels (pinned below, about 3 GB) into FOLDER unless they are there already, unpacks what holds device code,
and checks one library at a time. Prints a table: kernels, findings, wall and CPU time, the load of the machine, and the
process's largest memory. With --causes it also lists the causes of errors and warnings, and how many findings each has;
with --draw it prints that many errors and as many warnings, drawn at random by the seed, to be read against the source or
the machine code by hand. It fails if a library takes more CPU time than two cores have in the time below, or more memory.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time
import zipfile

MEMORY_LIMIT_MB = 2048
# Seconds on two cores; what is not named here may take as long as the longest.
TIME_LIMITS = {"NCCL": 60, "cuBLASLt": 120}
TIME_LIMIT = 600

# What is looked at: a name for the table, the wheel, and the file in it, or nothing for the wheel as it is.
LIBRARIES = [
    ("FlashMLA in sglang", "sglang-kernel==0.4.10", "sgl_kernel/flashmla_ops.abi3.so"),
    (
        "infllm in sglang",
        "sglang-kernel==0.4.10",
        "sgl_kernel/infllm_ops.cpython-310-x86_64-linux-gnu.so",
    ),
    ("sglang, sm_100", "sglang-kernel==0.4.10", "sgl_kernel/sm100/common_ops.abi3.so"),
    ("sglang, FlashAttention", "sglang-kernel==0.4.10", "sgl_kernel/flash_ops.abi3.so"),
    ("sgl-kernel, sm_90", "sgl-kernel==0.3.21", "sgl_kernel/sm90/common_ops.abi3.so"),
    ("sgl-kernel, sm_100", "sgl-kernel==0.3.21", "sgl_kernel/sm100/common_ops.abi3.so"),
    ("vLLM", "vllm==0.33.0", "vllm/_C_stable_libtorch.abi3.so"),
    ("vLLM, mixture of experts", "vllm==0.33.0", "vllm/_moe_C_stable_libtorch.abi3.so"),
    ("vLLM, FlashMLA", "vllm==0.33.0", "vllm/_flashmla_C.abi3.so"),
    ("PyTorch", "torch==2.11.0", "torch/lib/libtorch_cuda.so"),
    ("NCCL", "nvidia-nccl-cu13==2.32.3", "nvidia/nccl/lib/libnccl.so.2"),
    ("cuBLASLt", "nvidia-cublas==13.10.0.20", "nvidia/cu13/lib/libcublasLt.so.13"),
    ("FlashInfer, cubins", "flashinfer-cubin==0.6.13", ""),
]


def wheel_of(requirement, folder):
    """The wheel's path; downloads it if it is not there."""
    name, version = requirement.split("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    if not list(folder.glob(pattern)):
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--quiet",
            "--dest",
            str(folder),
            requirement,
        ]
        subprocess.run(pip, check=True)
    return next(folder.glob(pattern))


def unpack(wheel, member, folder):
    """The path of the member on disk, or of the wheel itself."""
    if not member:
        return wheel
    target = folder / wheel.stem
    with zipfile.ZipFile(wheel) as archive:
        if member not in archive.namelist():
            raise SystemExit(f"{wheel.name} must hold {member}, and does not")
        if not (target / member).exists():
            archive.extract(member, target)
    return target / member


def check(slipstream, path, options):
    """The report, seconds of wall time and of CPU time, and the process's largest memory in MB."""
    begin = time.monotonic()
    with tempfile.TemporaryFile() as output:
        command = [slipstream, "check", str(path), "--json", "--timeout", str(options.timeout)]
        if options.jobs:
            command += ["--jobs", str(options.jobs)]
        process = subprocess.Popen(command, stdout=output)
        _, _, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        output.seek(0)
        cpu = usage.ru_utime + usage.ru_stime
        return json.load(output), seconds, cpu, usage.ru_maxrss / 1024


def template_of(kernel):
    return (
        re.sub(r"<.*", "", kernel.replace("(anonymous namespace)", "")).split("(")[0].split(" ")[-1]
    )


def cause_of(finding):
    """Findings of a template's instances have one cause, as the text report folds them."""
    return (
        finding["rule"],
        template_of(finding["kernel"]),
        re.sub(r"\([^()]*\)", "", finding["message"]),
    )


def row(name, report, seconds, cpu, megabytes):
    count = collections.Counter(finding["severity"] for finding in report["findings"])
    causes = len(
        {cause_of(finding) for finding in report["findings"] if finding["severity"] == "error"}
    )
    done = "stopped" if report["stopped"] else f"{seconds:.0f} s"
    return (
        f"| {name} | {report['kernels']} | {report['waiting_kernels']} | {count['error']} | {causes} "
        f"| {count['warning']} | {len(report['problems'])} | {done} | {cpu:.0f} s | {os.getloadavg()[0]:.0f} "
        f"| {megabytes:.0f} MB |"
    )


def print_causes(findings):
    for severity in ("error", "warning"):
        counts = collections.Counter(
            cause_of(finding) for finding in findings if finding["severity"] == severity
        )
        print(f"\n{sum(counts.values())} of severity {severity}, by cause:")
        for (rule, template, message), count in counts.most_common():
            print(f"  {count} {rule} {template}: {message}")


def over_limit(name, report, cpu, megabytes):
    """What is too much, in words."""
    faults = []
    limit = TIME_LIMITS.get(name, TIME_LIMIT)
    if report["stopped"]:
        faults.append("was stopped before its end")
    if cpu > 2 * limit:
        faults.append(f"must take at most {limit} s on two cores, and took {cpu:.0f} s of CPU time")
    if megabytes > MEMORY_LIMIT_MB:
        faults.append(f"must take at most {MEMORY_LIMIT_MB} MB, and took {megabytes:.0f} MB")
    return faults


def draw(findings, severity, count, seed):
    chosen = [finding for finding in findings if finding["severity"] == severity]
    for finding in random.Random(seed).sample(chosen, min(count, len(chosen))):
        places = ", ".join(
            f"{place['file']}:{place['line']}" if place["file"] else place["code"]
            for place in finding["places"][:3]
        )
        print(
            f"{severity} {finding['rule']}: {finding['message']}\n  {finding['mangled']}\n  {places}"
            f"\n  {finding['images'][0]}\n"
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("slipstream")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("wheels"))
    parser.add_argument("--only", nargs="*", help="parts of the names to look at")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for each library")
    parser.add_argument("--jobs", type=int, help="threads; without it, one for each processor")
    parser.add_argument("--reports", type=pathlib.Path, help="folder for each library's report")
    parser.add_argument("--causes", action="store_true")
    parser.add_argument("--draw", type=int, default=0)
    parser.add_argument("--seed", type=int, default=15)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    findings = []
    faults = []
    print(
        "| library | kernels | wait | errors | their causes | warnings | not analyzed | time | CPU | load | memory |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, requirement, member in LIBRARIES:
        if options.only and not any(part in name for part in options.only):
            continue
        path = unpack(wheel_of(requirement, options.folder), member, options.folder)
        report, seconds, cpu, megabytes = check(options.slipstream, path, options)
        print(row(name, report, seconds, cpu, megabytes), flush=True)
        if options.reports:
            options.reports.mkdir(parents=True, exist_ok=True)
            (options.reports / f"{name}.json").write_text(json.dumps(report))
        findings += report["findings"]
        faults += [f"{name} {fault}" for fault in over_limit(name, report, cpu, megabytes)]
    if options.causes:
        print_causes(findings)
    for severity in ("error", "warning"):
        if options.draw:
            draw(findings, severity, options.draw, options.seed)
    if faults:
        raise SystemExit("\n".join(faults))


if __name__ == "__main__":
    main()
