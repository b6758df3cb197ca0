"""The endpoint of a run with a raw client, and interpreters that have the real MLflow clients."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import pytest

from runner.running import endpoint as endpoints
from runner.tracking.store import Store
from tests.helpers import serving

HERE = os.path.dirname(os.path.abspath(__file__))
IN_CI = bool(os.environ.get("PROJ_TEST_ALL"))
API = "/api/2.0/mlflow/"
FILES = "/api/2.0/mlflow-artifacts/artifacts"


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """A keep-alive connection that sends what it is told."""

    def __init__(self, port: int, token: str, timeout: float = 20) -> None:
        self.port = port
        self.token = token
        self.link = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if isinstance(body, dict | list | str):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        self.link.request(method, path, body, sent)
        answer = self.link.getresponse()
        return Answer(answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()})

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("POST", API + path, {} if body is None else body, headers)

    def get(self, place: str, **query: Any) -> Answer:
        return self.call("GET", API + place + "?" + urlencode(query, doseq=True))

    def ok(self, path: str, body: Any = None) -> Any:
        answer = self.post(path, body)
        assert answer.status == 200, answer.body
        return answer.json

    def new_run(self, **fields: Any) -> str:
        return str(self.ok("runs/create", {"start_time": 1, **fields})["run"]["info"]["run_id"])

    def run(self, run_id: str) -> Any:
        return self.get("runs/get", run_id=run_id).json["run"]

    def put(self, path: str, data: Any, **headers: str) -> Answer:
        return self.call("PUT", f"{FILES}/{quote(path)}", data, headers)

    def file(self, path: str, **headers: str) -> Answer:
        return self.call("GET", f"{FILES}/{quote(path)}", None, headers)


class World(NamedTuple):
    store: Store
    run_id: str
    endpoint: endpoints.Endpoint
    client: Client

    def variables(self) -> dict[str, str]:
        return self.endpoint.variables(self.run_id, "0")


@pytest.fixture
def world(tmp_path: object) -> Iterator[World]:
    """A run with its endpoint, as a supervisor has them."""
    store = Store(os.path.join(str(tmp_path), "store"))
    writer = store.create_run(
        "0", name="main", params={"lr": 5, "flag": True}, sections={"supervisor": {"pid": os.getpid()}}
    )
    endpoint = endpoints.bind()
    endpoint.accept(store.root, writer.run_id)
    client = Client(endpoint.port, endpoint.token)
    yield World(store, writer.run_id, endpoint, client)
    client.link.close()
    faults = endpoint.faults
    endpoint.close()
    writer.close()
    assert faults == []


# release -> variable that names an interpreter with that client; its packages are in locks/mlflow-<release>.txt
CLIENTS = {"3": "PROJ_TEST_MLFLOW", "2.9": "PROJ_TEST_MLFLOW_2_9", "1.30": "PROJ_TEST_MLFLOW_1_30"}
_built: dict[str, str] = {}


@pytest.fixture
def client_python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of an environment with a real client: given by a variable, or built in CI."""
    version = getattr(request, "param", "3")
    variable, lock = CLIENTS[version], os.path.join(HERE, "locks", f"mlflow-{version}.txt")
    given = os.environ.get(variable) or _built.get(version)
    if given:
        return given
    if not IN_CI:
        pytest.skip(f"{variable} does not name the python of an environment with the packages of {lock}")
    folder = str(tmp_path_factory.mktemp("client"))
    for argv in (
        ["venv", "-q", "--clear", "--python", sys.executable, folder],
        ["pip", "install", "-q", "--python", f"{folder}/bin/python", "--require-hashes", "-r", lock],
    ):
        subprocess.run([sys.executable, "-m", "uv", *argv], check=True, timeout=600)
    _built[version] = f"{folder}/bin/python"
    return _built[version]


def run_flow(python: str, name: str, variables: dict[str, str], *arguments: str) -> str:
    """Runs a program of flows/ against a server and returns what it wrote; its assertions are the test."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "PYTHON"))}
    done = subprocess.run(
        [python, os.path.join(HERE, "flows", f"{name}.py"), *arguments],
        env={**environ, "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet", **variables},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


class Server(NamedTuple):
    process: subprocess.Popen[str]
    store: str
    url: str
    clients: list[Client]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def client(self, token: str = "") -> Client:
        self.clients.append(Client(self.port, token))
        return self.clients[-1]


Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: object) -> Iterator[Start]:
    """Starts servers on a store, and ends them."""
    running: list[subprocess.Popen[str]] = []
    clients: list[Client] = []
    folder = os.path.join(str(tmp_path), "store")

    def begin(*arguments: str) -> Server:
        process = serving("server", "--port", "0", "--store", folder, *arguments)
        running.append(process)
        assert process.stderr is not None
        line = ""
        while "MLFLOW_TRACKING_URI=" not in line:
            line = process.stderr.readline()
            assert line, "the server has ended"
        return Server(process, folder, line.strip().partition("=")[2], clients)

    yield begin
    for client in clients:
        client.link.close()
    for process in running:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stderr is not None
        process.stderr.close()
