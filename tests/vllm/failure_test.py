"""A server whose engine fails: it ends, and its log has the engine's own words."""

import openai
import psutil
import pytest
from conftest import started_server

# Found by Python where it starts, in every process of the server.
FAILING_ENGINE = """
from slipstream.serving import ServingEngine


def wait(self, ticket):
    raise RuntimeError("the device hangs in launch 45 of 312: attend, layer 3")


ServingEngine.wait = wait
"""


def test_an_engine_that_fails_ends_the_server_with_its_message(checkpoint, tmp_path_factory):
    directory = tmp_path_factory.mktemp("failing")
    (directory / "sitecustomize.py").write_text(FAILING_ENGINE)
    with started_server(checkpoint, directory) as server:
        assert_ends(server)
        assert "the device hangs in launch 45 of 312: attend, layer 3" in server.log.read_text()


def test_a_worker_that_is_killed_ends_the_server(checkpoint, tmp_path_factory):
    with started_server(checkpoint, tmp_path_factory.mktemp("killed")) as server:
        children = psutil.Process(server.process.pid).children()
        (worker,) = [child for child in children if "EngineCor" in child.name()]
        worker.kill()
        assert_ends(server)


def assert_ends(server):
    with pytest.raises((openai.InternalServerError, openai.APIConnectionError)):
        server.client().completions.create(model="tiny", prompt=[7, 300, 45], max_tokens=2)
    # With whatever code: vLLM's own is 0 here.
    server.process.wait(60)
