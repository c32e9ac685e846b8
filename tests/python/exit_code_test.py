"""Commands that Python runs end as the program's do."""

import os
import subprocess
import sys

import pytest
from slipstream import exit_code, text_command


def raising(error):
    def action():
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("an input"), 2),
        (ImportError("a package"), 2),
        (FileNotFoundError("a file"), 2),
        (MemoryError(), 2),
        (RuntimeError("the device"), 4),
        (KeyboardInterrupt(), 130),
    ],
)
def test_what_is_raised_becomes_a_code(error, code):
    assert exit_code.run(raising(error)) == code


def test_done_is_zero():
    assert exit_code.run(lambda: None) == 0


@pytest.mark.parametrize(
    "arguments", [["model", "--prompt", "Hi", "-n", "many"], ["model", "--unknown"], ["model"]]
)
def test_a_wrong_command_line_is_three(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        text_command.main(arguments)
    assert ended.value.code == 3
    assert "slipstream generate: " in capsys.readouterr().err


def test_a_full_standard_output_is_two():
    code = (
        "import sys; from slipstream import exit_code; sys.exit(exit_code.run("
        "lambda: print('text', flush=True)))"
    )
    # Python tries to write once more what it has buffered when it ends.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
        )
    assert b"No space left on device" in ended.stderr
    assert ended.returncode == 2
