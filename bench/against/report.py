"""The table, the ratios and the JSON file of results. Needs nothing but Python.

A result is a row of the JSON file: what was measured (operator, title, shape), who (kernel, versions, remark), and either
`problem`, or `error` (relative to the reference) and microseconds per call: `off` and `on`, without and with programmatic
dependent launch in a chain of itself, with their 10th and 90th percentiles; `alternating_off` and `alternating_on`, in
turn with another kernel, less what that costs; `eager`, from Python; `floor`, the bytes at the speed of a copy.
"""

import itertools
import json
import math
import pathlib

TIMES = ("off", "on", "alternating_off", "alternating_on", "eager")
HEAD = (
    f"{'':2} {'who':44} {'floor':>7} {'off':>7} {'on':>7} {'alt off':>7} {'alt on':>7} {'eager':>7}"
)


def is_ours(result):
    return result["kernel"].startswith("slipstream")


def line(result):
    """Of the table."""
    mark = "=>" if is_ours(result) else ""
    text = f"{mark:2} {result['kernel']:44}"
    if result["problem"]:
        return f"{text} {result['problem']}"
    if "on" not in result:
        return f"{text} right, error {result['error']:.1e}"
    figures = " ".join(f"{result[key]:7.2f}" for key in ("floor", *TIMES))
    remark = f" ({result['remark']})" if result["remark"] else ""
    return f"{text} {figures}  {result['versions']}{remark}".rstrip()


def comparison(results):
    """Ours over the fastest rival of one shape: by each way of timing the ratio and the rival; {} where one side lacks."""
    timed = [each for each in results if "on" in each]
    ours = [each for each in timed if is_ours(each)]
    rivals = [each for each in timed if not is_ours(each)]
    if not ours or not rivals:
        return {}
    ratios = {}
    for key in TIMES:
        best = min(rivals, key=lambda each: each[key])
        ratios[key] = (ours[0][key] / best[key], best["kernel"])
    return ratios


def ratio_line(ratios):
    if not ratios:
        return f"{'':2} no ratio: not both sides were timed"
    figures = " ".join(f"{ratios[key][0]:7.2f}" for key in TIMES)
    return (
        f"{'':2} {'ours over the fastest rival':44} {'':7} {figures}  with PDL: {ratios['on'][1]}"
    )


def by_shape(results):
    key = lambda each: (each["operator"], each["shape"])
    return [list(group) for _, group in itertools.groupby(results, key)]


def summary(results, target):
    """Rows that miss the target with programmatic dependent launch, in a chain or alternating; how many do not."""
    lines, met = [], 0
    for group in by_shape(results):
        ratios = comparison(group)
        if not ratios:
            continue
        slowest = max(("on", "alternating_on"), key=lambda key: ratios[key][0])
        if ratios[slowest][0] <= target:
            met += 1
            continue
        lines.append(
            f"   {group[0]['operator']:12} {group[0]['shape']:16} {ratios['on'][0]:5.2f} alone, "
            f"{ratios['alternating_on'][0]:5.2f} alternating, against {ratios[slowest][1]}"
        )
    total = met + len(lines)
    return "\n".join(
        [f"at most {target} of the fastest rival with PDL: {met} of {total} shapes", *lines]
    )


def rounded(value):
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None
    return float(f"{value:.4g}")


def write_json(path, facts, results):
    """One row per line, so that a change of one shows as one."""
    parts = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in facts.items()]
    rows = [json.dumps({key: rounded(value) for key, value in each.items()}) for each in results]
    parts.append('"rows": [' + ",".join(f"\n  {row}" for row in rows) + "\n ]")
    body = ",\n ".join(parts)
    pathlib.Path(path).write_text(f"{{\n {body}\n}}\n", encoding="utf-8")
