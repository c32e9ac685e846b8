"""Which commands Python runs, and on which device."""

import pathlib
import re

import pytest
from slipstream import _python_commands, text_command
from slipstream.exit_code import ExitCode

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["serve", "model"], True),
        (["generate", "model", "--prompt", "Hi"], True),
        (["generate", "model", "--chat"], True),
        (["generate", "model", "--prompt-ids", "1,2"], False),
        (["check", "file"], False),
        ([], False),
    ],
)
def test_python_runs_what_needs_text(arguments, expected):
    assert _python_commands.belongs_to_python(arguments) is expected


def test_exit_codes_are_those_of_the_program():
    header = (ROOT / "src/cli/exit_code.h").read_text()
    (values,) = re.findall(r"enum ExitCode : int \{(.*?)\};", header, re.DOTALL)
    program = {
        re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper(): int(value)
        for name, value in re.findall(r"k(\w+) = (\d+)", values)
    }
    assert program == {code.name: code.value for code in ExitCode}


@pytest.mark.parametrize("arguments", [["--chat"], ["m", "--prompt", "Hi", "-n", "few"]])
def test_a_wrong_command_line_ends_as_the_program_ends(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        text_command.main(arguments)
    assert end.value.code == ExitCode.USAGE
    assert "slipstream generate: " in capsys.readouterr().err


class TestDevice:
    @pytest.fixture(autouse=True)
    def machine(self, monkeypatch, tmp_path):
        monkeypatch.delenv("SLIPSTREAM_DEVICE", raising=False)
        monkeypatch.delenv("LD_PRELOAD", raising=False)
        monkeypatch.setattr(_python_commands, "_SIGNS_OF_A_GPU", (str(tmp_path / "gpu"),))
        return tmp_path

    def test_a_machine_without_a_gpu_needs_the_emulated_one(self):
        assert _python_commands.needs_emulated_device()

    def test_a_gpu_is_taken_where_there_is_one(self, machine):
        (machine / "gpu").touch()
        assert not _python_commands.needs_emulated_device()

    def test_the_environment_can_force_either(self, machine, monkeypatch):
        monkeypatch.setenv("SLIPSTREAM_DEVICE", "gpu")
        assert not _python_commands.needs_emulated_device()
        (machine / "gpu").touch()
        monkeypatch.setenv("SLIPSTREAM_DEVICE", "emulated")
        assert _python_commands.needs_emulated_device()

    def test_under_emulate_it_is_there_already(self, monkeypatch):
        monkeypatch.setenv("LD_PRELOAD", "/somewhere/emulator/libcudart.so.13")
        assert not _python_commands.needs_emulated_device()
