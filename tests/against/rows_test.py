"""The rows of the table, and what the command line says about them."""

import importlib.util
import re

import pytest
import rows
from conftest import BENCH


def test_every_operator_has_its_function_in_its_module():
    for operator in rows.OPERATORS:
        text = (BENCH / "families" / f"{operator.module}.py").read_text(encoding="utf-8")
        assert f"\ndef {operator.name}(row, copies):" in text


def test_names_of_operators_differ():
    names = [operator.name for operator in rows.OPERATORS]
    assert len(set(names)) == len(names)


def test_an_operator_with_sizes_has_a_row_for_each_size_and_number_of_tokens():
    chosen = rows.operators("linear")
    shapes = [row.shape for row in rows.rows_of(chosen, [1, 16], [8192])]
    assert shapes == [
        f"{size} M={tokens}"
        for size in ("2112x7168", "3072x1536", "7168x2048")
        for tokens in (1, 16)
    ]


def test_one_token_is_measured_at_every_context():
    shapes = [row.shape for row in rows.rows_of(rows.operators("topk"), [1], rows.CONTEXTS)]
    assert shapes == ["B=1 4K", "B=1 8K", "B=1 16K", "B=1 32K", "B=1 64K", "B=1 128K"]


def test_several_tokens_are_measured_at_the_shortest_context_and_at_64k():
    shapes = [row.shape for row in rows.rows_of(rows.operators("topk"), [4], rows.CONTEXTS)]
    assert shapes == ["B=4 4K", "B=4 64K"]


def test_all_operators_are_chosen_where_none_is_named():
    assert rows.operators("") == rows.OPERATORS


def test_an_unknown_operator_is_named_with_those_that_there_are():
    with pytest.raises(ValueError, match=re.escape("--rows must be of fused_a, router, ")) as error:
        rows.operators("quant,speed")
    assert str(error.value).endswith(", is speed")


@pytest.mark.parametrize("text", ["", "0", "17", "-1", "1,,2", "two", "1.5"])
def test_numbers_outside_their_range_are_refused(text):
    part = text.split(",")[-1] if text != "1,,2" else ""
    with pytest.raises(
        ValueError, match=re.escape(f"--tokens must be numbers from 1 to 16, is '{part}'")
    ):
        rows.numbers("--tokens", text, (1, 16))


def test_numbers_come_in_their_order():
    assert rows.numbers("--tokens", "16,1,3", (1, 16)) == [16, 1, 3]


@pytest.fixture
def program(monkeypatch):
    """bench/against's own module, without its command line."""
    spec = importlib.util.spec_from_file_location("against", BENCH / "__main__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda *arguments: (
        monkeypatch.setattr("sys.argv", ["bench/against", *arguments]) or module.main()
    )


def test_a_wrong_option_ends_with_2_and_says_what_it_must_be(program, capsys):
    assert program("--contexts", "2") == 2
    assert capsys.readouterr().err == (
        "bench/against: --contexts must be numbers from 4 to 1024, is '2'\n"
    )


def test_without_torch_or_a_gpu_it_ends_with_1_and_says_so(program, capsys):
    assert program("--rows", "quant") == 1
    assert re.fullmatch(
        r"bench/against: (torch is not installed|torch finds no CUDA device)\n",
        capsys.readouterr().err,
    )


def test_help_names_every_operator(program, capsys):
    with pytest.raises(SystemExit):
        program("--help")
    text = capsys.readouterr().out
    for operator in rows.OPERATORS:
        assert operator.name in text
