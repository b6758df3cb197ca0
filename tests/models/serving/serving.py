"""`proj serve` started as people start it, and clients of it; the environment has a small `mlflow` that does as it is told.

What MLflow itself answers is compared in test_protocol.py, with the real one.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from tests.helpers import make_tree
from tests.models.folders import mlmodel

LOADING = """import os, sys, time
def load_model(folder):
    for each in open(os.path.join(folder, "orders")).read().split():
        if each.startswith("touches:"):
            open(each.partition(":")[2], "w").close()
        if each == "imports":
            sys.path.insert(0, os.path.join(folder, "code"))
            import helper
        if each == "slow":
            time.sleep(1.5)
        if each == "broken":
            raise ValueError("this model is broken")
        if each == "exits":
            os._exit(7)
    print("loaded", folder, flush=True)
    return Model()
class Model:
    class metadata:
        get_input_schema = staticmethod(lambda: None)
"""
SCORING = """import json, os, time
from collections import namedtuple
VERSION = "0.0.0"
Response = namedtuple("Response", "response status mimetype")
class MlflowException(Exception):
    def get_http_status_code(self):
        return 400
    def serialize_as_json(self):
        return json.dumps({"error_code": "BAD_REQUEST", "message": str(self)})
def invocations(data, content_type, model, schema):
    asked = json.loads(data)
    if asked.get("touch"):
        open(asked["touch"], "w").close()
    while asked.get("until") and not os.path.exists(asked["until"]):
        time.sleep(0.01)
    time.sleep(asked.get("sleep", 0))
    if asked.get("kill"):
        os.kill(os.getpid(), 9)
    if asked.get("refuse"):
        raise MlflowException("no")
    if asked.get("fault"):
        raise ValueError("a fault of the model")
    if asked.get("of"):
        return Response(json.dumps({"predictions": json.load(open(asked["of"]))}), 200, "application/json")
    answer = {"pid": os.getpid(), "size": len(data), "text": "x" * asked.get("answer", 0), "id": asked.get("id")}
    return Response(json.dumps(answer), 200, "application/json")
"""


def wait_until(there: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Served(NamedTuple):
    process: subprocess.Popen[bytes]
    port: int
    log: str

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            link.request(
                method, path, body, {name.replace("_", "-"): value for name, value in headers.items()}
            )
            answer = link.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, answer.read(), named)
        finally:
            link.close()

    def ask(self, **asked: Any) -> Answer:
        return self.call("POST", "/invocations", json.dumps(asked).encode(), content_type="application/json")

    def wait_until_ready(self, seconds: float = 60) -> Served:
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                if self.call("GET", "/ping").status == 200:
                    return self
            except ConnectionError:  # it has just ended
                pass
            time.sleep(0.05)
        raise AssertionError(self.said())

    def wait_for(self, figure: str) -> None:
        """Until /metrics has that line."""
        wait_until(lambda: figure in self.call("GET", "/metrics").body.decode().splitlines())

    def said(self) -> str:
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


Serve = Callable[..., Served]


def make_mlflow(folder: str) -> str:
    """The small one; for PYTHONPATH."""
    files = {"__init__.py": "", "pyfunc/__init__.py": LOADING, "pyfunc/scoring_server.py": SCORING}
    return make_tree(folder, {f"mlflow/{name}": text for name, text in files.items()})


def make_orders(folder: str, orders: str, **more: str) -> str:
    """A model for the small mlflow."""
    return make_tree(folder, {"MLmodel": mlmodel(), "orders": orders, **more})


@pytest.fixture
def serve(tmp_path: object) -> Iterator[Serve]:
    """Starts `proj serve`; `orders` are for the small mlflow. `own`: the environment is that of the arguments."""
    running: list[subprocess.Popen[bytes]] = []
    package = make_mlflow(f"{tmp_path}/package")

    def begin(
        *arguments: str, model: str = "", orders: str = "", own: bool = False, **variables: str
    ) -> Served:
        log = f"{tmp_path}/log{len(running)}"
        if not own:
            arguments = ("--env-manager", "local", *arguments)
            variables["PYTHONPATH"] = package
        model = model or make_orders(f"{tmp_path}/model{len(running)}", orders)
        with open(log, "wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "runner", "serve", model, "-p", "0", *arguments],
                env={**os.environ, **variables},
                stderr=file,
                stdin=subprocess.DEVNULL,
            )
        running.append(process)
        return Served(process, _port(process, log), log)

    yield begin
    for process in running:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


def _port(process: subprocess.Popen[bytes], log: str) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with open(log, encoding="utf-8") as file:
            text = file.read()
        if " at http://" in text:
            return int(text.partition(" at http://127.0.0.1:")[2].split()[0])
        assert process.poll() is None, text
        time.sleep(0.02)
    raise AssertionError("no address was told")
