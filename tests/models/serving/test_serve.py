"""`proj serve` as a process: what clients are told while it loads, is busy, dies and ends; and its record."""

from __future__ import annotations

import ast
import asyncio
import http.client
import json
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner import paths
from runner.errors import InputError
from runner.models.serving import pool, worker
from runner.running.reconcile import current
from runner.tracking.fold import Run
from runner.tracking.store import Store
from tests.helpers import proj
from tests.models.serving.serving import Answer, Serve, Served, serve, wait_until

__all__ = ["serve"]  # a fixture


def record() -> Run:
    with Store(paths.store()) as store:
        return current(store, store.resolve("last"))


def alive(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


def test_it_is_there_at_once_and_ready_later(serve: Serve) -> None:
    served = serve(orders="slow")
    early = [served.call("GET", path) for path in ("/ping", "/health", "/version")] + [served.ask()]
    assert {answer.status for answer in early} == {503}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in early)
    served.wait_until_ready()
    assert served.call("GET", "/ping").body == b"\n"
    assert served.call("GET", "/version").body == b"0.0.0"
    assert served.ask(id=7).json["id"] == 7


def test_answers_of_the_model(serve: Serve) -> None:
    served = serve().wait_until_ready()
    refused, fault = served.ask(refuse=1), served.ask(fault=1)
    assert (refused.status, refused.json["message"]) == (400, "no")
    assert (fault.status, fault.body) == (500, b"Internal Server Error")
    assert served.call("GET", "/invocations").status == 405
    assert served.call("GET", "/nothing").status == 404
    large = served.ask(answer=20_000_000, id="y" * 20_000_000)
    assert (large.status, len(large.body) > 40_000_000) == (200, True)
    assert 'proj_requests_total{status="200"}' in served.call("GET", "/metrics").body.decode()


def test_the_record(serve: Serve) -> None:
    served = serve("--run-name", "front", "-t", "a=b").wait_until_ready()
    worker_pid = served.ask().json["pid"]
    served.ask(refuse=1)
    assert record().status == "RUNNING"
    assert served.end() == 0
    run = record()
    assert (run.kind, run.name, run.status, run.end["message"]) == (
        "serve",
        "front",
        "FINISHED",
        "ended by SIGTERM",
    )
    assert (run.metrics["serving.requests"].value, run.metrics["serving.errors"].value) == (2, 1)
    assert run.inputs[0]["digest"].startswith("tree-sha256:")
    assert (run.tags["a"], run.sections["environment"]["kind"]) == ("b", "system")
    assert not alive(worker_pid)
    said = proj("logs", "front").out
    assert "loaded" in said


def test_a_fault_of_the_model_is_in_the_log_and_told_to_nobody_else(serve: Serve) -> None:
    served = serve().wait_until_ready()
    assert b"a fault of the model" not in served.ask(fault=1).body
    served.end()
    assert "ValueError: a fault of the model" in proj("logs", "last").out


class Busy:
    """Requests that are with the model until they are told to end."""

    def __init__(self, served: Served, threads: ThreadPoolExecutor, folder: Path, name: str = "busy") -> None:
        self._folder, self._name = folder, name
        began, end = str(folder / f"{name} began"), str(folder / f"{name} end")
        self.asked = threads.submit(served.ask, touch=began, until=end, id=name)

    def begun(self) -> Busy:
        wait_until((self._folder / f"{self._name} began").exists)
        return self

    def end(self) -> Busy:
        (self._folder / f"{self._name} end").touch()
        return self

    def answer(self) -> Answer:
        return self.asked.result(30)


def test_what_is_begun_is_answered_before_the_end(serve: Serve, tmp_path: Path) -> None:
    served = serve().wait_until_ready()
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(served.ask, touch=f"{tmp_path}/began", sleep=1.0)
        wait_until((tmp_path / "began").exists)
        assert served.end() == 0
        assert asked.result().status == 200


def test_a_killed_worker_takes_only_its_own_request_with_it(serve: Serve) -> None:
    served = serve("-w", "2").wait_until_ready()
    with ThreadPoolExecutor(9) as threads:
        asked = [threads.submit(served.ask, sleep=0.05, id=number) for number in range(40)]
        killed = threads.submit(served.ask, kill=1)
        answers = [each.result() for each in asked]
    assert [each.json["id"] for each in answers] == list(range(40))
    assert (killed.result().status, killed.result().headers["retry-after"]) == (503, "1")
    assert b"SIGKILL" in killed.result().body
    served.wait_for("proj_model_workers 2")
    assert b"proj_model_worker_restarts_total 1" in served.call("GET", "/metrics").body
    assert "a worker is replaced: it was ended by SIGKILL" in served.said()


def test_workers_answer_side_by_side(serve: Serve, tmp_path: Path) -> None:
    served = serve("-w", "2").wait_until_ready()
    served.wait_for("proj_model_workers 2")
    with ThreadPoolExecutor() as threads:
        busy = [Busy(served, threads, tmp_path, name) for name in "ab"]
        found = [each.begun() for each in busy]  # both at once
        assert len({each.end().answer().json["pid"] for each in found}) == 2


def test_overload_is_refused_and_not_queued_for_ever(serve: Serve, tmp_path: Path) -> None:
    served = serve("--queue", "2").wait_until_ready()
    with ThreadPoolExecutor(8) as threads:
        busy = Busy(served, threads, tmp_path).begun()
        waiting = [threads.submit(served.ask, id=number) for number in range(2)]
        served.wait_for("proj_model_waiting 2")
        refused = [served.ask() for _ in range(5)]
        assert [(each.status, each.headers["retry-after"]) for each in refused] == [(429, "1")] * 5
        assert busy.end().answer().status == 200
        assert [each.result(30).json["id"] for each in waiting] == [0, 1]


def test_a_request_that_takes_too_long(serve: Serve) -> None:
    """In MLflow's words; the worker is replaced, or all others would wait for it."""
    served = serve("--timeout", "4").wait_until_ready()
    late = served.ask(sleep=60)
    assert (late.status, late.body) == (504, b"Request processing time exceeded limit")
    served.wait_for("proj_model_worker_restarts_total 1")
    served.wait_until_ready()
    assert served.ask(id=1).status == 200


def test_a_request_that_waited_too_long_costs_no_worker(serve: Serve, tmp_path: Path) -> None:
    """Only how long it has been with the worker tells of the worker: overload ends none."""
    served = serve("--timeout", "6").wait_until_ready()
    with ThreadPoolExecutor() as threads:
        first = Busy(served, threads, tmp_path, "first").begun()
        second, third = (Busy(served, threads, tmp_path, name) for name in ("second", "third"))
        served.wait_for("proj_model_waiting 2")
        time.sleep(3)
        pid = first.end().answer().json["pid"]
        assert second.answer().status == third.answer().status == 504  # one with the worker, one waiting
        second.end()
        third.end()
        assert served.ask().json["pid"] == pid
    assert sorted(each.name for each in tmp_path.glob("* began")) in (
        ["first began", "second began"],
        ["first began", "third began"],
    )
    served.wait_for("proj_model_worker_restarts_total 0")


def test_a_client_that_went_away_costs_nothing(serve: Serve, tmp_path: Path) -> None:
    """The model is not asked what nobody waits for, and its place in the queue is free."""
    served = serve("--queue", "5").wait_until_ready()
    body = json.dumps({"touch": f"{tmp_path}/asked"}).encode()
    head = f"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with ThreadPoolExecutor() as threads:
        busy = Busy(served, threads, tmp_path).begun()
        links = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(5)]
        for link in links:
            link.sendall(head + body)
        served.wait_for("proj_model_waiting 5")
        for link in links:
            link.close()
        served.wait_for("proj_model_waiting 0")
        assert busy.end().answer().status == 200
    assert served.ask(id=3).json["id"] == 3
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize("fault", [OSError("no space"), KeyError("a"), InputError("not that"), None])
def test_whatever_keeps_a_worker_from_starting_is_told_and_tried_again(
    fault: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None: its interpreter cannot be started."""
    monkeypatch.setattr(pool, "FIRST", 0.01)
    told: list[str] = []

    def check() -> None:
        if fault:
            raise fault

    async def main() -> None:
        command = pool.Command("/nothing/python", "/", {}, 2)
        events = pool.Events(lambda _: None, told.append, lambda _: None)
        found = pool.Pool(command, 1, 1, 1, check, events)
        found.start()
        while len(told) < 2:
            await asyncio.sleep(0.01)
        await found.stop()

    asyncio.run(asyncio.wait_for(main(), 30))
    assert (str(fault) if fault else "/nothing/python") in told[1]


def test_limits_and_malformed_requests(serve: Serve) -> None:
    served = serve("--max-body", "1kB").wait_until_ready()
    assert served.ask(id="x" * 2000).status == 413
    with socket.create_connection(("127.0.0.1", served.port)) as link:
        link.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"
        )
        assert b" 400 " in link.recv(1000)
    assert served.ask(id=1).status == 200


def test_who_may_ask(serve: Serve) -> None:
    served = serve(PROJ_SERVE_TOKEN="s3cret-token").wait_until_ready()  # /ping is open
    assert served.ask().status == 401
    for path in ("/version", "/metrics"):
        assert served.call("GET", path).status == 401
    kind = {"content_type": "application/json"}
    assert served.call("POST", "/invocations", b"{}", authorization="Bearer wrong", **kind).status == 401
    assert (
        served.call("POST", "/invocations", b"{}", authorization="Bearer s3cret-token", **kind).status == 200
    )
    with Store(paths.store()) as store:
        folder = store.run_directory(store.resolve("last"))
    served.end()
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            assert b"s3cret-token" not in file.read()


def test_a_page_that_was_lured_here_is_refused(serve: Serve) -> None:
    served = serve().wait_until_ready()
    assert served.call("POST", "/invocations", b"{}", host="evil.example").status == 403
    assert served.call("POST", "/invocations", b"{}", origin="https://evil.example").status == 403
    assert served.call("POST", "/invocations", b"{}", host="localhost").status == 200


@pytest.mark.parametrize(
    ("orders", "why"), [("broken", "this model is broken"), ("exits", "it exited with 7")]
)
def test_a_model_that_cannot_be_loaded(serve: Serve, orders: str, why: str) -> None:
    served = serve(orders=orders)
    assert served.process.wait(30) == 125
    assert "the model cannot be loaded: " in served.said()
    assert why in served.said()
    run = record()
    assert (run.status, why in run.end["message"]) == ("FAILED", True)


def test_wrong_input_is_no_run(serve: Serve, tmp_path: object) -> None:
    done = proj("serve", f"{tmp_path}/none", "-p", "0")
    assert (done.code, "there is no model at" in done.err) == (2, True)
    assert "http://" not in done.err
    done = proj("serve", f"{tmp_path}/none", "--timeout", "0")
    assert (done.code, "no request could be answered" in done.err) == (2, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = proj("serve", str(tmp_path), "-p", port)
    assert (done.code, f"127.0.0.1:{port} cannot be used" in done.err) == (2, True)
    done = proj("serve", str(tmp_path), "--host", "0.0.0.0")
    assert (done.code, "there is no token" in done.err) == (2, True)
    assert not os.path.isdir(os.path.join(paths.store(), "runs"))


def test_cancel(serve: Serve) -> None:
    served = serve().wait_until_ready()
    assert proj("cancel", "last").code == 0
    assert served.process.wait(30) == 143
    assert (record().status, record().end["reason"]) == ("KILLED", "cancelled")


def test_nothing_outlives_a_front_that_was_killed(serve: Serve, tmp_path: Path) -> None:
    served = serve().wait_until_ready()
    pid = served.ask().json["pid"]
    asked = threading.Thread(target=lambda: _quietly(served, f"{tmp_path}/began"))
    asked.start()
    wait_until((tmp_path / "began").exists)
    served.end(signal.SIGKILL)
    asked.join()
    deadline = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (record().status, record().end["reason"]) == ("KILLED", "lost")


def _quietly(served: Served, touch: str) -> Answer | None:
    try:
        return served.ask(touch=touch, sleep=30)
    except (OSError, http.client.HTTPException):
        return None


def test_the_worker_runs_in_old_pythons() -> None:
    """And needs nothing but the standard library and mlflow, which it imports by name."""
    with open(worker.__file__, encoding="utf-8") as file:
        tree = ast.parse(file.read(), feature_version=(3, 8))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= set(
        "__future__ importlib importlib.machinery inspect io itertools json os platform signal socket struct sys threading time traceback typing".split()
    )
