"""Ratios, the table and the JSON file, of results that are made up here."""

import json

import report


def timed(kernel, on, operator="quant", shape="M=1", **more):
    times = dict.fromkeys(report.TIMES, on) | {"on": on, "floor": 0.5, "error": 0.001}
    return (
        {
            "operator": operator,
            "shape": shape,
            "kernel": kernel,
            "remark": "",
            "problem": None,
        }
        | times
        | more
    )


def wrong(kernel, problem="sglang is not installed", **more):
    return {
        "operator": "quant",
        "shape": "M=1",
        "kernel": kernel,
        "remark": "",
        "problem": problem,
    } | more


def test_a_ratio_is_to_the_fastest_rival():
    ratios = report.comparison([timed("slipstream", 2.0), timed("a", 4.0), timed("b", 2.5)])
    assert ratios["on"] == (0.8, "b")


def test_each_way_of_timing_has_a_fastest_rival_of_its_own():
    ratios = report.comparison(
        [timed("slipstream", 2.0), timed("a", 4.0, alternating_on=1.0), timed("b", 2.5)]
    )
    assert ratios["on"] == (0.8, "b")
    assert ratios["alternating_on"] == (2.0, "a")


def test_a_rival_with_a_problem_is_not_compared_with():
    ratios = report.comparison([timed("slipstream", 2.0), wrong("a"), timed("b", 2.0)])
    assert ratios["on"] == (1.0, "b")


def test_without_a_timed_rival_there_is_no_ratio():
    assert report.comparison([timed("slipstream", 2.0), wrong("a")]) == {}
    assert "no ratio" in report.ratio_line({})


def test_without_ours_there_is_no_ratio():
    assert report.comparison([wrong("slipstream", "error"), timed("a", 1.0)]) == {}


def test_a_line_shows_the_problem_and_no_time():
    assert report.line(wrong("sglang")).endswith(" sglang is not installed")


def test_a_line_of_a_checked_result_shows_its_error():
    result = wrong("slipstream", None, error=0.0017)
    assert report.line(result).startswith("=> slipstream ")
    assert report.line(result).endswith("right, error 1.7e-03")


def test_a_line_of_a_timed_result_shows_floor_and_times_versions_and_the_remark():
    text = report.line(timed("a", 4.0, off=5.0, versions="sglang 0.5.23", remark="unsorted"))
    assert text.split()[1:4] == ["0.50", "5.00", "4.00"]
    assert text.endswith(" sglang 0.5.23 (unsorted)")


def test_the_summary_counts_what_meets_the_target_and_names_what_does_not():
    results = [
        timed("slipstream", 0.9, shape="M=1"),
        timed("a", 1.0, shape="M=1"),
        timed("slipstream", 0.9, shape="M=4", alternating_on=1.2),
        timed("a", 1.0, shape="M=4"),
        timed("slipstream", 3.0, shape="M=8"),
    ]
    first, *others = report.summary(results, 0.95).splitlines()
    assert first == "at most 0.95 of the fastest rival with PDL: 1 of 2 shapes"
    assert len(others) == 1
    assert others[0].split()[:2] == ["quant", "M=4"]
    assert "1.20 alternating, against a" in others[0]


def test_the_same_shape_of_two_operators_is_two_groups():
    results = [timed("slipstream", 1.0), timed("slipstream", 1.0, operator="rope")]
    assert [len(group) for group in report.by_shape(results)] == [1, 1]


def test_json_has_the_facts_and_a_line_for_each_row(tmp_path):
    path = tmp_path / "results.json"
    rows = [timed("slipstream", 1.23456), wrong("a")]
    report.write_json(path, {"gpu": "NVIDIA H200", "versions": {"torch": "2.11"}}, rows)
    text = path.read_text(encoding="utf-8")
    read = json.loads(text)
    assert read["gpu"] == "NVIDIA H200"
    assert read["versions"] == {"torch": "2.11"}
    assert read["rows"][0]["on"] == 1.235  # four digits
    assert read["rows"][1]["problem"] == "sglang is not installed"
    assert sum(line.startswith("  {") for line in text.splitlines()) == 2


def test_json_has_null_for_what_is_no_number(tmp_path):
    path = tmp_path / "results.json"
    report.write_json(path, {}, [timed("slipstream", float("nan"), error=float("inf"))])
    row = json.loads(path.read_text(encoding="utf-8"))["rows"][0]
    assert row["on"] is None
    assert row["error"] is None


def test_json_without_rows_can_be_read(tmp_path):
    path = tmp_path / "results.json"
    report.write_json(path, {"gpu": "none"}, [])
    assert json.loads(path.read_text(encoding="utf-8")) == {"gpu": "none", "rows": []}
