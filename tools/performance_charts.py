"""The charts of the performance pages, as SVG, from the rows in docs/data."""

import re

from svg import Drawing


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
