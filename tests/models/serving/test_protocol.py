"""What `proj serve` answers is what MLflow's own scoring server answers: status, type and body, of three releases."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.helpers import examples
from tests.models.serving.payloads import Payload, payloads
from tests.models.serving.serving import Serve, serve
from tests.servers import client_python, run_flow

__all__ = ["client_python", "serve"]  # fixtures

NAMES = {"mixed": [f"c{number}" for number in range(7)], "tensors": ["a", "b"]}
SEED = {"PYTHONHASHSEED": "0"}  # messages name the members of sets
FLOWS = os.path.join(os.path.dirname(__file__), "..", "..", "flows")


@pytest.fixture(scope="module")
def saved() -> dict[str, str]:
    """Folders with the models of each interpreter."""
    return {}


@contextmanager
def own_server(python: str, model: str) -> Iterator[int]:
    """MLflow's, on a port."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = int(found.getsockname()[1])
    process = subprocess.Popen(
        [python, os.path.join(FLOWS, "own_server.py"), model, str(port)],
        env={**os.environ, **SEED},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


class Client:
    def __init__(self, port: int) -> None:
        self._link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, payload: Payload) -> tuple[int, str, bytes]:
        self._link.request("POST", "/invocations", payload.body, {"Content-Type": payload.kind})
        answer = self._link.getresponse()
        return answer.status, answer.getheader("content-type", ""), answer.read()

    def get(self, path: str) -> tuple[int, str, bytes]:
        self._link.request("GET", path)
        answer = self._link.getresponse()
        return answer.status, answer.getheader("content-type", ""), answer.read()

    def close(self) -> None:
        self._link.close()


@pytest.mark.mlflow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("model", ["doubles", "mixed", "tensor", "tensors", "free", "fails"])
@pytest.mark.parametrize("client_python", ["3"], indirect=True)
def test_as_mlflow_answers(
    client_python: str,
    model: str,
    saved: dict[str, str],
    serve: Serve,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    if client_python not in saved:
        saved[client_python] = str(tmp_path_factory.mktemp("models"))
        run_flow(client_python, "save_models", {}, saved[client_python])
    folder = os.path.join(saved[client_python], model)
    served = serve("--env", os.path.dirname(os.path.dirname(client_python)), model=folder, own=True, **SEED)
    names = NAMES.get(model, ["c0", "c1", "c2"])
    with own_server(client_python, folder) as port:
        served.wait_until_ready()
        ours, theirs = Client(served.port), Client(port)
        for path in ("/ping", "/health", "/version"):
            assert ours.get(path) == theirs.get(path)
        statuses = set()
        for payload in payloads(1, examples(400), names):
            found, wanted = ours.ask(payload), theirs.ask(payload)
            assert found == wanted, payload
            statuses.add(found[0])
        ours.close()
        theirs.close()
    assert {400, 415} <= statuses
    assert model in ("tensors", "fails") or 200 in statuses
