"""A `slipstream serve` of this build on the emulated device, and the engine alone to compare it with.

One server for all tests of a file: vLLM's import alone takes a minute. Steps are dear on the emulated device, so models
are tiny and texts short.
"""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import openai
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))
BUILD = pathlib.Path(os.environ.get("SLIPSTREAM_BUILD", ROOT / "build"))
sys.path.insert(0, str(BUILD / "python"))
os.environ.setdefault("SLIPSTREAM_BIN", str(BUILD / "bin"))
# Every process of a comparison must divide its work among as many multiprocessors: sums are in that order.
os.environ.setdefault("SLIPSTREAM_EMULATOR_SMS", "4")
START_SECONDS = 1800

import tiny_checkpoint

# Pages of 64 tokens, of which vLLM keeps one for itself: room for one tool call, whose instructions are 941 bytes here,
# each a token.
BLOCKS = 22
MAX_LENGTH = 64 * (BLOCKS - 1)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint.write(tmp_path_factory.mktemp("checkpoints"))


def install_metadata(directory):
    """What pip would have written: vLLM looks for plug-ins among the entry points of distributions."""
    metadata = directory / "slipstream-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: slipstream\nVersion: 0\n")
    (metadata / "entry_points.txt").write_text(
        "[vllm.platform_plugins]\nslipstream = slipstream.vllm:platform_plugin\n"
    )


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    def __init__(self, process, port, log):
        self.process, self.port, self.log = process, port, log
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return answer.read().decode()

    def client(self):
        return openai.OpenAI(base_url=self.url + "/v1", api_key="none", timeout=1200, max_retries=0)

    def metric(self, name):
        """The sum over its labels."""
        lines = [
            line
            for line in self.get("/metrics").splitlines()
            if line.startswith((name + "{", name + " "))
        ]
        assert lines, f"no metric {name}"
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def wait_until_healthy(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()[-6000:]
            try:
                self.get("/health")
                return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(2)
        raise AssertionError("no /health: " + self.log.read_text()[-6000:])


@contextlib.contextmanager
def started_server(checkpoint, directory, *arguments, **variables):
    """`slipstream serve CHECKPOINT ARGUMENTS`, healthy; it ends with the block."""
    install_metadata(directory)
    port = free_port()
    code = "import sys; from slipstream.vllm.serve import main; sys.exit(main(sys.argv[1:]))"
    own = [str(checkpoint), "--port", str(port), "--served-model-name", "tiny"]
    own += ["--max-model-len", str(MAX_LENGTH), "--num-gpu-blocks-override", str(BLOCKS)]
    structured = {"backend": "xgrammar", "disable_any_whitespace": True}
    own += ["--structured-outputs-config", json.dumps(structured)]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{BUILD / 'python'}:{directory}",
        "LD_PRELOAD": str(BUILD / "emulator" / "libcudart.so.13"),
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
        **variables,
    }
    log = directory / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *own, *arguments],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = Server(process, port, log)
    try:
        server.wait_until_healthy()
        yield server
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


# Of a module, so that no two of them share the machine.
@pytest.fixture(scope="module")
def server(checkpoint, tmp_path_factory):
    with started_server(checkpoint, tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    return server.client()
