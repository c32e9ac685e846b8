"""The commands that faults strike, each with inputs of its own and results that can be told from damaged ones."""

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

OLD = b'{"an earlier result": true}\n'


@dataclasses.dataclass
class Command:
    """A command in a folder: what it reads lies in `in`, what it writes in `out`."""

    name: str
    arguments: list[str]
    inputs: list[str]
    results: list[str]  # in `out`, each either as before or whole
    codes: tuple[int, ...] = (0,)  # of a run that nothing disturbs
    exact: tuple[str, ...] = ()  # results that are the same bytes in every run

    def line(self, programs: dict[str, str], folder: Path) -> list[str]:
        return [part.format(**programs, folder=folder) for part in self.arguments]


def is_whole(path: Path, suffix: str = "") -> bool:
    """Whether a result that is no earlier one is one of ours from its first byte to its last."""
    data = path.read_bytes()
    if (suffix or path.suffix) == ".safetensors":
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name[0] != "_"]
        return len(data) == 8 + size + max(ends)
    if (suffix or path.suffix) == ".html":
        return data.endswith(b"</html>\n")
    json.loads(data)
    return True


def is_second_name(path: Path) -> bool:
    """Whether it is a whole result under the name that it has for the moment in which it replaces an earlier one."""
    if not (path.name.startswith(".slipstream-") and path.suffix == ".partial"):
        return False
    for suffix in (".json", ".safetensors", ".html"):
        try:
            if is_whole(path, suffix):
                return True
        except ValueError:
            continue
    return False


def says_it_is_a_part(path: Path) -> bool:
    """Whether a report, of JSON or SARIF, says that the command was stopped before it had looked at everything."""
    if path.suffix == ".html":
        return b"<p>Stopped before everything" in path.read_bytes()
    report = json.loads(path.read_bytes())
    invocations = [call for run in report.get("runs", []) for call in run.get("invocations", [])]
    return report.get("stopped", False) or any(
        not call["executionSuccessful"] for call in invocations
    )


GENERATE = Command(
    "generate",
    [
        *("{slipstream}", "generate", "{folder}/in/model", "--prompt-ids", "1,2,3", "-n", "2"),
        *("--logits", "{folder}/out/logits.safetensors", "--json={folder}/out/generate.json"),
    ],
    ["model"],
    ["logits.safetensors", "generate.json"],
    exact=("logits.safetensors",),
)
LAYER = Command(
    "generate --layer",
    [
        *("{slipstream}", "generate", "{folder}/in/model", "--layer", "0"),
        *("--layer-in", "{folder}/in/hidden.safetensors"),
        *("--layer-out", "{folder}/out/layer.safetensors"),
    ],
    ["model", "hidden.safetensors"],
    ["layer.safetensors"],
    exact=("layer.safetensors",),
)
CHECK = Command(
    "check",
    [
        *("{slipstream}", "check", "{folder}/in/kernels.ptx"),
        *("--sarif", "{folder}/out/check.sarif", "--json={folder}/out/check.json"),
        *("--html", "{folder}/out/check.html"),
    ],
    ["kernels.ptx"],
    ["check.sarif", "check.json", "check.html"],
    codes=(1,),
    exact=("check.json",),
)
EMULATE = Command(
    "emulate --check",
    [
        *("{slipstream}", "emulate", "--check", "--json={folder}/out/races.json", "--"),
        *("{slipstream}", "generate", "{folder}/in/model", "--prompt-ids", "1", "-n", "1"),
    ],
    ["model"],
    ["races.json"],
)
RECORD = Command(
    "emulate --record",
    [
        *("{slipstream}", "emulate", "--record", "{folder}/out/made", "--"),
        *("{slipstream}", "generate", "{folder}/in/model", "--prompt-ids", "1", "-n", "1"),
    ],
    ["model"],
    [],
)
LITMUS = Command(
    "litmus",
    [
        *("{slipstream}", "litmus", "wait", "--iterations", "1", "--no-traffic", "--ctas", "2"),
        "--json={folder}/out/litmus.json",
    ],
    [],
    ["litmus.json"],
)
BENCH = Command(
    "bench ops --check-only",
    [
        *("{slipstream}", "bench", "ops", "--op", "apply_q_scale_and_softmax_scale"),
        *("--check-only", "--m", "1"),
    ],
    [],
    [],
)
DECODE = Command(
    "bench decode",
    [
        *("{slipstream}", "bench", "decode", "--model", "{folder}/in/model/config.json"),
        *("--tp", "1", "--context", "64", "--replays", "1", "--bandwidth-mb", "1", "--steps-only"),
        "--json={folder}/out/decode.json",
    ],
    ["model"],
    ["decode.json"],
)
INFO = Command("info", ["{slipstream}", "info"], [], [])
CHECKPOINT = Command(
    "make_tiny_checkpoint",
    [
        *("{make_tiny_checkpoint}", "{folder}/out/made", "deepseek-v32-tiny"),
        *("--set", "num_hidden_layers=1"),
    ],
    [],
    [],
)
COMMANDS = [GENERATE, LAYER, CHECK, EMULATE, RECORD, LITMUS, BENCH, DECODE, INFO, CHECKPOINT]

# One kernel that reads what its predecessor wrote before it waits.
_PTX = """.version 8.8
.target sm_90a
.address_size 64
.visible .entry early(.param .u64 early_param_0)
{
  .reg .b64 %rd<3>;
  .reg .b32 %r<3>;
  ld.param.u64 %rd1, [early_param_0];
  cvta.to.global.u64 %rd2, %rd1;
  ld.global.u32 %r1, [%rd2];
  griddepcontrol.wait;
  add.s32 %r2, %r1, 1;
  st.global.u32 [%rd2], %r2;
  ret;
}
"""


def make_inputs(programs: dict[str, str], folder: Path) -> None:
    """Everything that commands read."""
    subprocess.run(
        [programs["make_tiny_checkpoint"], folder, "deepseek-v32-tiny"]
        + ["--set", "num_hidden_layers=1"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (folder / "deepseek-v32-tiny").rename(folder / "model")
    (folder / "kernels.ptx").write_text(_PTX)
    width = json.loads((folder / "model/config.json").read_text())["hidden_size"]
    entry = {"dtype": "F32", "shape": [1, width], "data_offsets": [0, 4 * width]}
    header = json.dumps({"hidden": entry}).encode()
    values = b"\0\0\x80\x3f" * width
    (folder / "hidden.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + values)


def prepare(command: Command, originals: Path, folder: Path) -> list[Path]:
    """A folder with the command's inputs and an earlier result of each; the input files."""
    (folder / "in").mkdir(parents=True)
    (folder / "out").mkdir()
    (folder / "tmp").mkdir()
    for name in command.inputs:
        if (originals / name).is_dir():
            shutil.copytree(originals / name, folder / "in" / name)
        else:
            shutil.copy(originals / name, folder / "in" / name)
    for name in command.results:
        (folder / "out" / name).write_bytes(OLD)
    return sorted(path for path in (folder / "in").rglob("*") if path.is_file())
