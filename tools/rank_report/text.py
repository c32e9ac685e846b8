"""The report as text: tables in Markdown, made from what rank_report.json holds."""


def text_of(report):
    parts = [f"# {report['gpus']} ranks, {report['date']}"]
    if report["dry_run"]:
        parts.append("A dry run on the emulated device: the times below are those of an emulator.")
    parts.append(machine(report))
    for model, results in report.get("steps", {}).items():
        parts += steps_of(model, results)
    for name, results in report.get("tokens", {}).items():
        parts.append(f"## generate: {name}\n\n" + "\n".join(lines_of(results)))
    if report.get("rank_memory"):
        parts.append(
            "## Memory of ranks, tiny model\n\n" + "\n".join(lines_of(report["rank_memory"]))
        )
    if report.get("faults"):
        parts.append("## Ranks that die\n\n" + "\n".join(lines_of(report["faults"])))
    if "delays" in report:
        parts.append("## Steps with delays\n\n" + "\n".join(lines_of(report["delays"])))
    wrong = report.get("not_as_it_must_be", [])
    parts.append(
        "## Not as it must be\n\n" + ("\n".join(f"* {text}" for text in wrong) or "Nothing.")
    )
    return "\n\n".join(parts) + "\n"


def machine(report):
    lines = [f"* {key}: {value}" for key, value in report.get("machine", {}).items()]
    return "\n".join(lines)


def lines_of(results):
    return [f"* {key}: {value}" for key, value in (results or {}).items()]


def table(head, lines):
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def by_shape(figures):
    steps = (figures or {}).get("steps", [])
    return {(step["batch"], step["context"]): step for step in steps if "left_out" not in step}


def milliseconds(step):
    return step["pdl_on"]["median_us"] / 1e3 if step else None


def steps_of(model, results):
    if "real" not in results:
        return [f"## {model}\n\nNot measured."]
    real = results["real"]
    shapes = {how: by_shape(figures) for how, figures in results.items()}
    size = f"{real['layers']} of {real['model_layers']} layers, {real['weight_bytes'] / 1e9:.1f} GB of weights on rank 0"
    bandwidth = f"copy bandwidth {real['copy_bandwidth_bytes_per_second'] / 1e12:.2f} TB/s"
    parts = [f"## {model}\n\n{size}, {bandwidth}, {real['steps'][0]['kv']} cache."]
    parts.append(exchange_table(real, shapes))
    traced = [step for step in shapes["real"].values() if "ranks" in step]
    if traced:
        parts.append(skew_table(traced))
        parts.append(slowest_table(traced[0]))
        parts.append(memory_table(traced[-1]))
    return parts


def exchange_table(real, shapes):
    """What the exchange costs, and what a whole model would take."""
    exchanges = 2 * real["layers"]
    head = [
        "batch",
        "context",
        "alone",
        "real ranks",
        "played",
        "an exchange, us",
        "of it skew, us",
    ]
    head += ["whole step + 0.5 us each", f"all {real['model_layers']} layers"]
    lines = []
    for shape, step in shapes["real"].items():
        mine = milliseconds(step)
        alone = milliseconds(shapes.get("alone", {}).get(shape))
        played = milliseconds(shapes.get("played", {}).get(shape))
        cost = f"{(mine - alone) * 1e3 / exchanges:.2f}" if alone else "-"
        skew = f"{(mine - played) * 1e3 / exchanges:.2f}" if played else "-"
        aim = f"{alone + exchanges * 0.5e-3:.3f}" if alone else "-"
        whole = extrapolated(real, step)
        cells = [f"{value:.3f}" if value else "-" for value in (alone, mine, played)]
        lines.append([*shape, *cells, cost, skew, aim, f"{whole:.2f}" if whole else "-"])
    note = (
        "Milliseconds per step with PDL. An exchange: real ranks less alone, by the number of exchanges; of it skew: "
        "real ranks less played."
    )
    if real["layers"] < real["model_layers"]:
        note += (
            " All layers: AN EXTRAPOLATION, not a measurement: the measured step, and for every missing layer the mean "
            "of the measured layers with experts."
        )
    return note + "\n\n" + table(head, lines)


def extrapolated(real, step):
    """Milliseconds of the whole model; None without a trace or layers with experts."""
    missing = real["model_layers"] - real["layers"]
    launches = step.get("per_launch", [])
    with_experts = {entry["layer"] for entry in launches if "expert" in entry["stage"]}
    traced = sum(entry["pdl_on_us"] for entry in launches)
    if missing == 0:
        return milliseconds(step)
    if not with_experts or traced <= 0:
        return None
    theirs = sum(entry["pdl_on_us"] for entry in launches if entry["layer"] in with_experts)
    return milliseconds(step) * (1 + missing * theirs / len(with_experts) / traced)


def skew_table(steps):
    lines = []
    for step in steps:
        ranks = step["ranks"]
        count = sum(stage["launches"] for stage in ranks["skew"])
        start, end = (
            sum(stage[key] for stage in ranks["skew"]) / count for key in ("start_us", "end_us")
        )
        late = ", ".join(f"{value:.2f}" for value in ranks["lateness_us"])
        lines.append(
            [step["batch"], step["context"], f"{start:.2f}", f"{end:.2f}", late]
            + [ranks["slowest_rank"], f"{ranks['clock_error_us']:.2f}"]
        )
    head = ["batch", "context", "starts", "ends", "late, by rank", "slowest", "clock error"]
    return (
        "From the first to the last rank's start, or end, of the same launch (median of steps, mean over launches), and "
        "how late each rank ends a launch after the first one, on average: microseconds. Clocks are compared by calls "
        "back and forth; the error is the largest possible one.\n\n" + table(head, lines)
    )


def slowest_table(step):
    skew = {stage["stage"]: stage for stage in step["ranks"]["skew"]}
    lines = []
    for stage in step["ranks"]["slowest_stages"]:
        count = stage["launches"]
        keys = ("floor_us", "pdl_on_us", "hand_over_us", "work_us")
        apart = skew[stage["stage"]]
        lines.append(
            [stage["stage"], count, *(f"{stage[key] / count:.2f}" for key in keys)]
            + [f"{apart[key] / count:.2f}" for key in ("start_us", "end_us")]
        )
    head = [
        "stage",
        "launches",
        "floor",
        "a launch",
        "hand-over",
        "work",
        "skew of starts",
        "of ends",
    ]
    return (
        f"The slowest rank, {step['ranks']['slowest_rank']}, at batch {step['batch']}, context {step['context']}: "
        "microseconds per launch.\n\n" + table(head, lines)
    )


def memory_table(step):
    keys = ("weight_bytes", "cache_bytes", "workspace_bytes", "window_bytes", "other_bytes")
    lines = [[part["gpu"], *(f"{part[key] / 1e9:.3f}" for key in keys)] for part in step["memory"]]
    head = ["GPU", "weights", "caches", "workspace", "window", "context, kernels, graphs, others"]
    return (
        f"Memory of each rank in GB, batch {step['batch']}, context {step['context']}. The bench takes windows without "
        "NCCL.\n\n" + table(head, lines)
    )
