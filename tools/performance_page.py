#!/usr/bin/env python3
"""Writes docs/performance.md and its charts from the measurements in docs/data.

tools/performance_page.py            # writes docs/performance.md, docs/images/performance-*.svg and README.md's figures
tools/performance_page.py --check    # changes nothing; fails if a file is not what would be written
"""

import argparse
import json
import pathlib
import re
import sys

from svg import Drawing

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = ROOT / "docs" / "data"

# What bench/against measured; what it measured earlier, of operators that the last run does not have; and what the
# program before it measured, of an operator whose rivals bench/against could not run yet.
RIVALS = "against-h200-2026-11-29.json"
EARLIER = "against-h200-2026-11-29-morning.json"
EARLIER_OPERATORS = ("scores", "topk", "indexer", "attend")
BEFORE = "incumbents-h200-2026-11-28.json"
BEFORE_OPERATOR = "moe"

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


def row(cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(head, rows):
    return "\n".join([row(head), row(["---"] * len(head)), *map(row, rows)]) + "\n"


class Comparison:
    """One shape of an operator: ours and the rival that is fastest with PDL."""

    def __init__(self, ours, rivals):
        self.operator, self.title, self.shape = ours["operator"], ours["title"], ours["shape"]
        self.ours = ours
        self.rival = min(rivals, key=lambda each: each["on"])
        self.ratio = ours["on"] / self.rival["on"]
        self.alternating = ours["alternating_on"] / self.rival["alternating_on"]

    def rival_name(self):
        remark = self.rival["remark"]
        return self.rival["kernel"] + (f" ({remark})" if remark else "")


def comparisons(rows):
    timed = [each for each in rows if "on" in each]
    result = []
    for ours in (each for each in timed if each["kernel"].startswith("slipstream")):
        rivals = [
            each
            for each in timed
            if (each["operator"], each["shape"]) == (ours["operator"], ours["shape"])
            and not each["kernel"].startswith("slipstream")
        ]
        if rivals:
            result.append(Comparison(ours, rivals))
    return result


def comparisons_before(report):
    """Both kernels of the experts, next to SGLang's four, which do less."""
    mine = [each for each in report["rows"] if each["operator"] == BEFORE_OPERATOR]
    rivals = {
        each["shape"]: each | {"remark": "theirs without choice, alignment, shared expert, sum"}
        for each in mine
        if each["kernel"].startswith("sglang 4 kernels")
    }
    return [
        Comparison(each | {"title": "routed experts, both"}, [rivals[each["shape"]]])
        for each in mine
        if each["kernel"] == "slipstream both"
    ]


def comparison_table(compared):
    rows = []
    for each in compared:
        bold = "**" if each.ratio < 1 else ""
        rows.append(
            [
                each.title,
                each.shape,
                f"{each.ours['floor']:.2f}",
                f"{each.ours['off']:.2f} / {each.ours['on']:.2f}",
                f"{each.rival['off']:.2f} / {each.rival['on']:.2f}",
                each.rival_name(),
                f"{bold}{each.ratio:.2f}{bold}",
                f"{each.alternating:.2f}",
            ]
        )
    head = ["operator", "shape", "floor", "Slipstream", "fastest rival", "which", "ratio"]
    return table([*head, "alternating"], rows)


def readme_table(compared):
    rows, by_shape = [], {(each.operator, each.shape): each for each in compared}
    for row in README_ROWS:
        each = by_shape[row]
        ours, theirs = f"{each.ours['on']:.2f}", f"{each.rival['on']:.2f}"
        if each.ratio < 1:
            ours = f"**{ours}**"
        else:
            theirs = f"**{theirs}**"
        rows.append([f"{each.title}, {each.shape}", ours, theirs, each.rival_name()])
    return table(["us per launch, PDL", "Slipstream", "fastest rival", "which"], rows)


def readme_words(rivals, steps):
    times = ", ".join(f"{step['on'] / 1e3:.2f} ms ({step['model']})" for step in steps)
    return wrapped(
        f"{rivals['gpu']}, {rivals['date']}; both sides in one run, each launch in a chain of itself (attention: "
        f"of that morning; experts: of the day before). [All rows, and newer kernels](docs/performance.md). Decode steps: {times}, one rank of eight, batch 1, context 8192, *without "
        "communication between ranks*.\n"
    )


def step_table(steps):
    rows = [
        [
            step["model"],
            step["layers"],
            step["launches"],
            f"{step['weight_bytes'] / 1e9:.1f}",
            f"{step['floor'] / 1e3:.2f}",
            f"{step['off'] / 1e3:.2f}",
            f"**{step['on'] / 1e3:.2f}**",
            f"{step['floor'] / step['on']:.0%}",
        ]
        for step in steps
    ]
    head = ["model", "layers", "launches", "GB of weights", "floor", "no PDL", "PDL"]
    return table([*head, "floor / PDL"], rows)


def stage_rows(step):
    for stage in step["stages"]:
        count = stage["launches"]
        # One launch late in the step: the medians of its end and of its wait come from different replays.
        single = count == 1
        yield [
            f"`{stage['stage']}`",
            count,
            f"{stage['ctas'] / count:.0f}",
            f"{stage['sms'] / count:.0f}",
            f"{stage['bytes'] / count / 1e6:.2f}",
            f"{stage['floor'] / count:.2f}",
            f"{stage['off'] / count:.2f}",
            f"{stage['on'] / count:.2f}",
            "n/a" if single else f"{stage['hand_over'] / count:.2f}",
            "n/a" if single else f"{stage['work'] / count:.2f}",
        ]


def stage_table(step):
    head = ["stage", "launches", "CTAs", "SMs", "MB", "floor", "no PDL", "PDL"]
    return table([*head, "hand-over", "work"], stage_rows(step))


def operator_table(rows):
    return table(
        [
            "operator",
            "M",
            "floor",
            "in chain, no PDL",
            "in chain, PDL",
            "alone, no PDL",
            "alone, PDL",
        ],
        [
            [f"`{each['operator']}`", each["tokens"], f"{each['floor']:.2f}"]
            + [f"{each[key]:.2f}" for key in ("chain_off", "chain_on", "alone_off", "alone_on")]
            for each in rows
        ],
    )


def range_tables(rows):
    text = ""
    for model, kv in sorted({(each["model"], each["kv"]) for each in rows}):
        mine = {
            (each["batch"], each["context"]): each
            for each in rows
            if (each["model"], each["kv"]) == (model, kv)
        }
        contexts = sorted({context for _, context in mine})
        lines = []
        for batch in sorted({batch for batch, _ in mine}):
            cells = [batch]
            for context in contexts:
                each = mine[batch, context]
                cells.append(
                    each["left_out"]
                    if "left_out" in each
                    else f"{each['on_ms']:.2f} / {each['off_ms']:.2f} / {each['floor_ms']:.2f}"
                )
            lines.append(cells)
        head = ["batch", *(f"context {context}" for context in contexts)]
        text += f"{model}, {kv} cache:\n\n{table(head, lines)}\n"
    return text


def ranks_table(report):
    """Steps of real ranks next to one of them alone, by batch and context."""
    lines = []
    for model, runs in report["steps"].items():
        exchanges = 2 * runs["real"]["layers"]
        share = f"{model}, {runs['real']['layers']} of {runs['real']['model_layers']} layers"
        for alone, real, played in zip(
            *(runs[name]["steps"] for name in ("alone", "real", "played")), strict=True
        ):
            ours, theirs, one = (each["pdl_on"]["median_us"] for each in (real, played, alone))
            lines.append(
                [
                    share,
                    real["batch"],
                    real["context"],
                    f"{one / 1000:.3f}",
                    f"{ours / 1000:.3f}",
                    f"{theirs / 1000:.3f}",
                    f"{(ours - one) / exchanges:.2f}",
                    f"{(ours - theirs) / exchanges:.2f}",
                ]
            )
            share = ""
    return table(
        [
            "model",
            "batch",
            "context",
            "one rank alone",
            "real ranks",
            "others played",
            "an exchange, us",
            "of it skew",
        ],
        lines,
    )


def played_table(report):
    """Steps of one rank alone and of one whose peers another GPU plays, by number of tokens."""
    batches = sorted({each["batch"] for each in report["steps"]})
    lines = []
    for model, ranks, layers in dict.fromkeys(
        (each["model"], each["ranks"], each["layers"]) for each in report["steps"]
    ):
        of = {
            each["batch"]: each
            for each in report["steps"]
            if (each["model"], each["ranks"]) == (model, ranks)
        }
        cells = [f"{model}, {layers} layers, {ranks} ranks"]
        for batch in batches:
            alone, played = of[batch]["alone"], of[batch].get("played")
            cost = f"{played:.2f}, {(played - alone) * 500 / layers:.2f}" if played else "not run"
            cells.append(f"{alone:.2f} / {cost}")
        lines.append(cells)
    return table(["alone / played", *(f"batch {batch}" for batch in batches)], lines)


def rivals_chart(compared):
    shown = [each for each in compared if re.search(r"=(1|16)( 64K)?$", each.shape)]
    height, top, left, scale = 20, 64, 400, 200  # the line at 1 stands at left + scale
    drawing = Drawing(860, top + height * len(shown) + 14, "Slipstream against the fastest rival")
    drawing.text(
        16, 26, "Time of Slipstream as a share of the fastest rival's, with PDL", bold=True
    )
    drawing.text(
        16,
        46,
        "1 and 16 tokens, context 64K; left of the line Slipstream is faster, right of it slower",
        "faint",
    )
    for index, each in enumerate(shown):
        y = top + index * height
        drawing.text(left - 4, y + 13, f"{each.title}, {each.shape}", anchor="end", size=11)
        begin, end = sorted((1.0, each.ratio))
        kind = "good" if each.ratio < 1 else "bad"
        drawing.rect(left + begin * scale, y + 3, (end - begin) * scale, height - 6, kind)
        side = -1 if each.ratio < 1 else 1
        at = left + each.ratio * scale + 6 * side
        drawing.text(at, y + 14, f"{each.ratio:.2f}", "faint", "end" if side < 0 else "start", 11)
    drawing.line(left + scale, top - 6, left + scale, top + height * len(shown))
    return drawing.svg()


def steps_chart(steps):
    drawing = Drawing(900, 60 + 92 * len(steps), "Milliseconds per decode step")
    drawing.text(
        16, 28, "One decode step, one rank of eight alone, batch 1, context 8192, ms", bold=True
    )
    left, scale = 170, 90
    for index, step in enumerate(steps):
        y = 52 + 92 * index
        drawing.text(left - 14, y + 40, step["model"], anchor="end", bold=True)
        for line, (name, key, kind) in enumerate(
            (
                ("bytes at copy speed", "floor", "floor"),
                ("PDL", "on", "ours"),
                ("no PDL", "off", "theirs"),
            )
        ):
            value = step[key] / 1e3
            drawing.rect(left, y + 26 * line, value * scale, 20, kind, 2)
            drawing.text(
                left + value * scale + 8, y + 26 * line + 15, f"{value:.2f}  {name}", "faint"
            )
    return drawing.svg()


def stages_chart(step):
    stages = sorted(step["stages"], key=lambda stage: -stage["on"])
    height = 26
    drawing = Drawing(900, 70 + height * len(stages) + 10, f"Where a step of {step['model']} goes")
    drawing.text(
        16,
        26,
        f"Where a step of {step['model']} goes, with PDL: us over all its launches",
        bold=True,
    )
    drawing.text(16, 46, "gray: what the bytes alone would take", "faint")
    left, scale = 270, 0.56
    for index, stage in enumerate(stages):
        y = 60 + index * height
        drawing.text(left - 12, y + 15, stage["stage"], anchor="end")
        drawing.rect(left, y, stage["on"] * scale, height - 6, "ours", 2)
        drawing.rect(left, y, stage["floor"] * scale, height - 6, "floor", 2)
        drawing.text(left + stage["on"] * scale + 8, y + 15, f"{stage['on']:.0f}", "faint")
    return drawing.svg()


def place(figures):
    return (
        f"{figures['gpu']} ({figures['multiprocessors']} SMs), driver {figures['driver']}, CUDA {figures['cuda']}, "
        f"{figures['date']}"
    )


PAGE = """<!-- Written by tools/performance_page.py from docs/data; change those. -->
# Performance

Results only. How they were measured, what was tried and what the profiles said is in the dated notes:
[method and operators](notes/2026-11-method.md), [matrix products](notes/2026-11-matrix-products.md),
[experts](notes/2026-11-experts.md), [attention](notes/2026-11-attention.md), [decode steps](notes/2026-11-steps.md),
[placement of code and CTAs](notes/2026-11-28-placement.md), [many tokens](notes/2026-11-29-many-tokens.md),
[choice of experts](notes/2026-11-29-choice.md), [index scores](notes/2026-11-29-scores.md),
[selection](notes/2026-11-29-select.md), [values](notes/2026-11-29-values.md), [late CTAs](notes/2026-11-29-late-ctas.md), [few rows](notes/2026-11-29-drafts.md), [norm once](notes/2026-11-30-norm-once.md), [two drafts](notes/2026-11-30-drafts.md), [incumbents](notes/2026-11-incumbents.md). Notes are not kept up to date; this page is written by
`tools/performance_page.py` from the JSON files in [`docs/data`](data), each with its GPU, driver, date and source.

Unless said otherwise: {place}; kernels of commit {commit}. Microseconds are medians. "No PDL / PDL": the same kernels
launched without and with programmatic dependent launch.

## Against the fastest rival

![Time of Slipstream as a share of the fastest rival's](images/performance-rivals.svg)

Both sides in one program, on one GPU, in one run, by [`bench/against`](against.md), which says how; anybody with a Hopper
GPU can repeat it. Every result was compared with a reference first. Rivals: {versions}. The fastest rival of each row is
the one that is fastest in a chain of itself with PDL, also where it does less, as the remark says. Ratio: Slipstream's
time over the rival's with PDL, below 1 Slipstream is faster; "alternating": the same where each launch takes turns with
a small kernel. Faster in {faster} of {rows} rows. {notes}. us:

{comparison}
All {all_rows} results, with the slower rivals, with 10th and 90th percentiles and with times of calls from Python, are
in [`{file}`](data/{file}).

Rows of an earlier run ({earlier_place}, kernels of commit {earlier_commit}, [data](data/{earlier_file})) that this one
does not have. **Since then** these have become faster, each timed next to the version before it: [index
scores](notes/2026-11-29-scores.md), [selection](notes/2026-11-29-select.md) (next to SGLang's, too), [attention with
W_UV](notes/2026-11-29-values.md). The experts' are of another program ({before_place}, kernels of commit
{before_commit}, [data](data/{before_file})). us:

{earlier_comparison}
## Decode steps

![One decode step](images/performance-steps.svg)

One rank of eight alone, batch 1, context 8192, bf16 cache, synthetic weights. **Communication between ranks is left
out**, so this is not the time of a token. No rival's step was measured. Kernels of commit {steps_commit}. Floor: the bytes that the launches must move at the copy bandwidth of the same run. Milliseconds:

{steps}
Where they go (us per launch, mean over layers). *Hand-over*: from the end of the launch before to the first return
from the wait; *work*: from there to the end of the last CTA. Stamps make a step 8 to 11 % longer. n/a: the difference of
two medians over replays, which for a single launch late in a step is smaller than their error (earlier pages printed
-3.58 us for such a hand-over).

![Where a step goes](images/performance-stages.svg)

{stages}
## Several GPUs

{ranks_gpus} x {ranks_gpu}, driver {ranks_driver}, {ranks_date}, kernels of commit {ranks_commit}: `tools/rank_report`, every rank
on a GPU of its own, as many layers as fit, synthetic weights, bf16 cache, PDL, milliseconds per step. *Alone*: one
rank's share without the others. *Played*: one GPU in the place of the other three. An exchange: what real ranks take
longer than one alone, by the number of exchanges; it holds what the head and the sampler exchange as well. No other
system ran next to it. Launch by launch, with
skew and memory: [a note](notes/2026-11-29-four-gpus.md). What the exchange is, and more of what it costs:
[ranks.md](ranks.md).

{ranks}
{played_place}, kernels of commit {played_commit}: one rank alone, and with a second GPU in the place of the others, in one
process ([a note](notes/2026-11-29-exchange.md)). Milliseconds, and microseconds an exchange:

{played}
## Operators

`slipstream bench ops`, {operators_place}, kernels of commit {operators_commit}. *In chain*: what a round of all nine operators takes longer with the operator than without it.
*Alone*: in a chain of itself. us:

{operators}
All nine: {all_nine}.

## Other batches and contexts

{range_place}, kernels of commit {range_commit}. Milliseconds per step, PDL / no PDL / floor. Memory lies elsewhere than
in the runs above: two runs of the same step differ by up to 2 %.

{ranges}"""


def pages():
    """Every file that this script writes, by path, with its text."""
    rivals, earlier, before = read(RIVALS), read(EARLIER), read(BEFORE)
    steps = read("steps-h200-2026-11-29.json")
    operators = read("operators-h200-2026-11-29.json")
    ranges = read("step-range-h200-2026-11-29.json")
    ranks = read("ranks-4xh200-2026-11-29.json")
    played = read("exchange-2xh200-2026-11-30.json")
    compared = comparisons(rivals["rows"])
    old = comparisons(
        [each for each in earlier["rows"] if each["operator"] in EARLIER_OPERATORS]
    ) + comparisons_before(before)
    stages = "".join(
        f"{step['model']}, {step['layers']} layers:\n\n{stage_table(step)}\n"
        for step in steps["steps"]
    )
    page = PAGE.format(
        place=place(rivals),
        commit=rivals["commit"],
        versions=", ".join(
            f"{name} {version}"
            for name, version in rivals["versions"].items()
            if version != "not installed" and name != "python"
        ),
        faster=sum(each.ratio < 1 for each in compared),
        rows=len(compared),
        notes="; ".join(rivals["notes"]),
        comparison=comparison_table(compared),
        earlier_comparison=comparison_table(old),
        all_rows=sum("on" in each for each in rivals["rows"]),
        file=RIVALS,
        earlier_place=place(earlier),
        earlier_commit=earlier["commit"],
        earlier_file=EARLIER,
        before_place=place(before),
        before_commit=before["commit"],
        before_file=BEFORE,
        steps_commit=steps["commit"],
        steps=step_table(steps["steps"]),
        stages=stages,
        ranks_gpus=ranks["gpus"],
        ranks_gpu=ranks["gpu"],
        ranks_driver=ranks["driver"],
        ranks_date=ranks["date"],
        ranks_commit=ranks["commit"],
        ranks=ranks_table(ranks),
        played_place=f"{played['gpus']} x {played['gpu']}, {played['date']}",
        played_commit=played["commit"],
        played=played_table(played),
        operators=operator_table(operators["rows"]),
        operators_place=place(operators),
        operators_commit=operators["commit"],
        all_nine="; ".join(
            f"M={each['tokens']} {each['off']:.2f} us without PDL, {each['on']:.2f} with"
            for each in operators["rounds"]
        ),
        range_commit=ranges["commit"],
        range_place=place(ranges),
        ranges=range_tables(ranges["rows"]),
    )
    readme = ROOT / "README.md"
    return {
        ROOT / "docs" / "performance.md": wrapped(page).rstrip() + "\n",
        ROOT / "docs" / "images" / "performance-rivals.svg": rivals_chart(compared + old),
        ROOT / "docs" / "images" / "performance-steps.svg": steps_chart(steps["steps"]),
        ROOT / "docs" / "images" / "performance-stages.svg": stages_chart(steps["steps"][0]),
        readme: with_speed(
            readme.read_text(encoding="utf-8"),
            readme_table(compared + old) + "\n" + readme_words(rivals, steps["steps"]) + "\n",
        ),
    }


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
