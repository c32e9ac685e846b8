#!/usr/bin/env python3
"""Writes docs/performance*.md and their charts from the measurements in docs/data.

tools/performance_page.py            # writes docs/performance*.md, docs/images/performance-*.svg and README.md's figures
tools/performance_page.py --check    # changes nothing; fails if a file is not what would be written
"""

import argparse
import json
import pathlib
import sys

from performance_charts import rivals_chart, stages_chart, steps_chart
from performance_tables import (
    comparison_table,
    comparisons,
    operator_table,
    played_table,
    range_tables,
    ranks_table,
    reasons_table,
    short_comparison_table,
    stage_table,
    step_table,
)

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = ROOT / "docs" / "data"

RIVALS = "against-h200-2026-11-30.json"

# The rows of README.md: (operator, shape).
README_ROWS = [
    ("attend", "B=1 8K"),
    ("linear", "3072x1536 M=1"),
    ("moe", "M=1"),
    ("moe", "M=16"),
    ("router", "M=1"),
    ("rope_quant", "M=1"),
    ("cache_write", "M=1"),
    ("fused_a", "M=1"),
    ("linear", "7168x2048 M=16"),
    ("norm_linear", "2112x7168 M=4"),
]


def read(name):
    return json.loads((DATA / name).read_text(encoding="utf-8"))


def readme_words(rivals, steps):
    times = ", ".join(f"{step['on'] / 1e3:.2f} ms ({step['model']})" for step in steps)
    return wrapped(
        f"{rivals['gpu']}, {rivals['date']}; both sides in one run, launches in chains of their own. [All rows](docs/performance-rivals.md). [Decode steps](docs/performance.md): {times}, one rank of eight, batch 1, context 8192, *without communication between ranks*.\n"
    )


def place(figures):
    return (
        f"{figures['gpu']} ({figures['multiprocessors']} SMs), driver {figures['driver']}, CUDA {figures['cuda']}, "
        f"{figures['date']}"
    )


INTRODUCTION = """<!-- Written by tools/performance_page.py from docs/data; change those. -->
# {title}

"""

PERFORMANCE = """Results only; full tables: [next to the fastest rivals](performance-rivals.md), [decode steps launch by launch, and of
other batches and contexts](performance-steps.md), [operators](performance-operators.md). How they were measured, what was tried and what the profiles said is in the dated notes:
[method and operators](notes/2026-11-method.md), [matrix products](notes/2026-11-matrix-products.md),
[experts](notes/2026-11-experts.md), [attention](notes/2026-11-attention.md), [decode steps](notes/2026-11-steps.md),
[placement of code and CTAs](notes/2026-11-28-placement.md), [many tokens](notes/2026-11-29-many-tokens.md),
[choice of experts](notes/2026-11-29-choice.md), [index scores](notes/2026-11-29-scores.md),
[selection](notes/2026-11-29-select.md), [values](notes/2026-11-29-values.md), [late CTAs](notes/2026-11-29-late-ctas.md), [few rows](notes/2026-11-29-drafts.md), [norm once](notes/2026-11-30-norm-once.md), [many rows](notes/2026-12-01-prepared-many-rows.md), [two drafts](notes/2026-11-30-drafts.md), [before the loop](notes/2026-11-30-before-the-loop.md), [incumbents](notes/2026-11-incumbents.md). Notes are not kept up to date; these pages are written by
`tools/performance_page.py` from the JSON files in [`docs/data`](data), each with its GPU, driver, date and source.

Unless said otherwise: {place}; kernels of commit {commit}. Microseconds are medians. "No PDL / PDL": the same kernels
launched without and with programmatic dependent launch.

## Against the fastest rival

![Time of Slipstream as a share of the fastest rival's](images/performance-rivals.svg)

Both sides in one program, on one GPU, in one run, by [`bench/against`](against.md); anybody with a Hopper GPU can
repeat it. Faster in {faster} of {rows} rows. Some of them; [all, what rivals are, and why not the
rest](performance-rivals.md):

{comparison}
## Decode steps

![One decode step](images/performance-steps.svg)

One rank of eight alone, batch 1, context 8192, bf16 cache, synthetic weights. **Communication between ranks is left
out**, so this is not the time of a token. No rival's step was measured. Kernels of commit {steps_commit}. Floor: the bytes that the launches must move at the copy bandwidth of the same run. Milliseconds:

{steps}
![Where a step goes](images/performance-stages.svg)

[Launch by launch, and other batches and contexts](performance-steps.md).

## Several GPUs

{ranks_gpus} x {ranks_gpu}, driver {ranks_driver}, {ranks_date}, kernels of commit {ranks_commit}: `tools/rank_report`, every rank
on a GPU of its own, as many layers as fit, synthetic weights, bf16 cache, PDL, milliseconds per step. *Alone*: one
rank's share without the others. *Played*: one GPU in the place of the other three. An exchange: what real ranks take
longer than one alone, by the number of exchanges; it holds what the head and the sampler exchange as well. No other
system ran next to it. Launch by launch, with
skew and memory: [a note](notes/2026-11-29-four-gpus.md). What the exchange is, and more of what it costs:
[ranks.md](ranks.md).

{ranks}
{played_place}, kernels of commit {played_commit}: one rank alone, and with a second GPU in the place of the
others ([a note](notes/2026-11-30-exchange-again.md)). Milliseconds, and microseconds an exchange:

{played}"""

RIVALS_PAGE = """{place}; kernels of commit {commit}. Both sides in one program, on one GPU, in one run, by [`bench/against`](against.md), which
says how; scores, top-k and attention on a second GPU of the host. Every result was compared with a reference first. Rivals: {versions}. The fastest rival of each row is
the one that is fastest in a chain of itself with PDL, also where it does less, as the remark says. Medians; "off / on": without and with programmatic dependent launch. Ratio: Slipstream's
time over the rival's with PDL, below 1 Slipstream is faster; "alternating": the same where each launch takes turns with
a small kernel. Faster in {faster} of {rows} rows. {notes}. us:

{comparison}
All {all_rows} results, with the slower rivals, with 10th and 90th percentiles and with times of calls from Python, are
in [`{file}`](data/{file}).

## Above 0.95, and why

{reasons}"""

STEPS_PAGE = """{place}, kernels of commit {steps_commit}: one rank of eight alone, batch 1, context 8192, bf16 cache, synthetic weights. Microseconds per launch, mean over layers. *Hand-over*: from the end of the launch before to the first return
from the wait; *work*: from there to the end of the last CTA. Stamps make a step 8 to 11 % longer. n/a: the difference of
two medians over replays, which for a single launch late in a step is smaller than their error (earlier pages printed
-3.58 us for such a hand-over).

{stages}
## Other batches and contexts

{range_place}, kernels of commit {range_commit}. Milliseconds per step, PDL / no PDL / floor. Memory lies elsewhere than
in the runs above: two runs of the same step differ by up to 2 %.

{ranges}"""

OPERATORS_PAGE = """`slipstream bench ops`, {operators_place}, kernels of commit {operators_commit}. *In chain*: what a round of all nine operators takes longer with the operator than without it.
*Alone*: in a chain of itself. us:

{operators}
All nine: {all_nine}."""


def wrapped(text, width=120):
    """Paragraphs at `width` columns; tables, headings, pictures and comments as they are."""
    blocks = []
    for block in text.split("\n\n"):
        if block.startswith(("|", "#", "!", "<!--")):
            blocks.append(block)
            continue
        lines = [""]
        for word in block.split():
            if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
                lines.append(word)
            else:
                lines[-1] = f"{lines[-1]} {word}".strip()
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def rivals_figures(rivals, compared):
    return {
        "place": place(rivals),
        "commit": rivals["commit"],
        "versions": ", ".join(
            f"{name} {version}"
            for name, version in rivals["versions"].items()
            if version != "not installed" and name != "python"
        ),
        "faster": sum(each.ratio < 1 for each in compared),
        "rows": len(compared),
        "notes": "; ".join(rivals["notes"]),
        "all_rows": sum("on" in each for each in rivals["rows"]),
        "file": RIVALS,
    }


def ranks_figures(ranks, played):
    return {
        "ranks_gpus": ranks["gpus"],
        "ranks_gpu": ranks["gpu"],
        "ranks_driver": ranks["driver"],
        "ranks_date": ranks["date"],
        "ranks_commit": ranks["commit"],
        "ranks": ranks_table(ranks),
        "played_place": f"{played['gpus']} x {played['gpu']}, {played['date']}",
        "played_commit": played["commit"],
        "played": played_table(played),
    }


def operators_page(operators):
    return page(
        "Operators",
        OPERATORS_PAGE.format(
            operators=operator_table(operators["rows"]),
            operators_place=place(operators),
            operators_commit=operators["commit"],
            all_nine="; ".join(
                f"M={each['tokens']} {each['off']:.2f} us without PDL, {each['on']:.2f} with"
                for each in operators["rounds"]
            ),
        ),
    )


def steps_page(steps, ranges):
    return page(
        "Decode steps, launch by launch",
        STEPS_PAGE.format(
            place=place(steps),
            steps_commit=steps["commit"],
            stages="".join(
                f"{step['model']}, {step['layers']} layers:\n\n{stage_table(step)}\n"
                for step in steps["steps"]
            ),
            range_commit=ranges["commit"],
            range_place=place(ranges),
            ranges=range_tables(ranges["rows"]),
        ),
    )


def page(title, text):
    return wrapped(INTRODUCTION.format(title=title) + text).rstrip() + "\n"


def pages():
    """Every file that this script writes, by path, with its text."""
    rivals = read(RIVALS)
    steps = read("steps-h200-2026-11-30.json")
    compared = comparisons(rivals["rows"])
    figures = rivals_figures(rivals, compared)
    short = short_comparison_table(compared, README_ROWS)
    docs = ROOT / "docs"
    readme = ROOT / "README.md"
    return {
        docs / "performance.md": page(
            "Performance",
            PERFORMANCE.format(
                comparison=short,
                steps=step_table(steps["steps"]),
                steps_commit=steps["commit"],
                **figures,
                **ranks_figures(
                    read("ranks-4xh200-2026-11-29.json"), read("exchange-2xh200-2026-11-30.json")
                ),
            ),
        ),
        docs / "performance-rivals.md": page(
            "Next to the fastest rivals",
            RIVALS_PAGE.format(
                comparison=comparison_table(compared),
                reasons=reasons_table(rivals["reasons"]),
                **figures,
            ),
        ),
        docs / "performance-steps.md": steps_page(steps, read("step-range-h200-2026-11-30.json")),
        docs / "performance-operators.md": operators_page(read("operators-h200-2026-11-30.json")),
        docs / "images" / "performance-rivals.svg": rivals_chart(compared),
        docs / "images" / "performance-steps.svg": steps_chart(steps["steps"]),
        docs / "images" / "performance-stages.svg": stages_chart(steps["steps"][0]),
        readme: with_speed(
            readme.read_text(encoding="utf-8"),
            short + "\n" + readme_words(rivals, steps["steps"]) + "\n",
        ),
    }


def with_speed(text, speed):
    """The text with what stands between its two markers replaced."""
    begin, end = "<!-- speed -->\n", "<!-- end of speed -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return before + begin + speed + end + after


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    for path, text in pages().items():
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if check and stale:
        print(f"not what tools/performance_page.py writes: {', '.join(stale)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
