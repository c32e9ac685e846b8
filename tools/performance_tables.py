"""The tables of the performance pages, as Markdown, from the rows in docs/data."""


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


def reasons_table(reasons):
    return table(
        ["rows", "why", "note"],
        [[each["rows"], each["why"], f"[note](notes/{each['note']})"] for each in reasons],
    )


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


def short_comparison_table(compared, shown):
    """The rows named by (operator, shape), with PDL alone."""
    rows, by_shape = [], {(each.operator, each.shape): each for each in compared}
    for name in shown:
        each = by_shape[name]
        ours, theirs = f"{each.ours['on']:.2f}", f"{each.rival['on']:.2f}"
        if each.ratio < 1:
            ours = f"**{ours}**"
        else:
            theirs = f"**{theirs}**"
        rows.append([f"{each.title}, {each.shape}", ours, theirs, each.rival_name()])
    return table(["us per launch, PDL", "Slipstream", "fastest rival", "which"], rows)


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
            if batch not in of:
                cells.append("not run")
                continue
            alone, played = of[batch]["alone"], of[batch]["played"]
            cells.append(f"{alone:.2f} / {played:.2f}, {(played - alone) * 500 / layers:.2f}")
        lines.append(cells)
    return table(["alone / played", *(f"batch {batch}" for batch in batches)], lines)
