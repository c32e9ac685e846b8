#!/usr/bin/env python3
"""Turns what `slipstream bench decode --json` wrote into tables, for a look or a note. docs/performance.md is written by
tools/performance_page.py from docs/data.

tools/decode_tables.py steps FILE...    # milliseconds by batch and context, of each file
tools/decode_tables.py stages FILE...   # launch by launch, of each file's traced steps
"""

import argparse
import json
import sys


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def title(figures):
    kv = {step["kv"] for step in figures["steps"]}
    return (
        f"{figures['model']}, {figures['layers']} layers, rank 0 of {figures['tp']}, "
        f"{figures['weight_bytes'] / 1e9:.1f} GB of weights, {' and '.join(sorted(kv))} cache; "
        f"copy bandwidth {figures['copy_bandwidth_bytes_per_second'] / 1e12:.2f} TB/s"
    )


def step_cell(step):
    if step is None:
        return "not measured"
    if "left_out" in step:
        return "does not fit"
    off = step["pdl_off"]["median_us"] / 1e3
    on = step["pdl_on"]["median_us"] / 1e3
    return f"**{on:.2f}** / {off:.2f} / {step['floor_us'] / 1e3:.2f} ({step['share_of_floor']:.0%})"


def print_steps(figures):
    steps = {(step["batch"], step["context"]): step for step in figures["steps"]}
    batches = sorted({batch for batch, _ in steps})
    contexts = sorted({context for _, context in steps})
    print(f"{title(figures)}. Milliseconds per step: PDL / no PDL / floor (share of the floor).\n")
    print("| batch | " + " | ".join(f"context {context}" for context in contexts) + " |")
    print("|---|" + "---|" * len(contexts))
    for batch in batches:
        cells = [step_cell(steps.get((batch, context))) for context in contexts]
        print(f"| {batch} | " + " | ".join(cells) + " |")
    print()


def print_stages(figures):
    for step in figures["steps"]:
        if "pdl_on_us" not in step.get("stages", [{}])[0]:
            continue
        print(f"{title(figures)}; batch {step['batch']}, context {step['context']}.\n")
        print_row(
            [
                "stage",
                "launches",
                "CTAs",
                "MB",
                "floor",
                "no-PDL",
                "PDL",
                "hand-over",
                "work",
                "of-floor",
            ]
        )
        print_row(["---"] * 10)
        for stage in step["stages"]:
            print_row(stage_cells(stage))
        print_total(step)


def print_row(cells):
    print("| " + " | ".join(cells) + " |")


def stage_cells(stage):
    count = stage["launches"]
    return [
        f"`{stage['stage']}`",
        str(count),
        f"{stage['ctas'] / count:.0f}",
        f"{stage['bytes'] / count / 1e6:.2f}",
        *(
            f"{stage[key] / count:.2f}"
            for key in ("floor_us", "pdl_off_us", "pdl_on_us", "hand_over_us", "work_us")
        ),
        f"{stage['share_of_floor']:.0%}",
    ]


def print_total(step):
    off = sum(stage["pdl_off_us"] for stage in step["stages"])
    on = sum(stage["pdl_on_us"] for stage in step["stages"])
    print(
        f"\nAll: {off:.0f} us without PDL, {on:.0f} with, floor {step['floor_us']:.0f}; untraced "
        f"{step['pdl_off']['median_us']:.0f} and {step['pdl_on']['median_us']:.0f} "
        f"({step['share_of_floor']:.0%} of the floor).\n"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=["steps", "stages"])
    parser.add_argument("files", nargs="+", metavar="FILE")
    arguments = parser.parse_args()
    for path in arguments.files:
        figures = read(path)
        print_steps(figures) if arguments.table == "steps" else print_stages(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
