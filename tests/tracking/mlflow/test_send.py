"""Runs sent on to another server: whatever the way does to the requests, the other side ends equal."""

from __future__ import annotations

import os
import random
import select
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from runner.tracking import models, segments
from runner.tracking.fold import Run
from runner.tracking.mlflow import send as sending
from runner.tracking.mlflow.follower import begin, destination
from runner.tracking.mlflow.rest import Rest, Unreachable
from runner.tracking.mlflow.sent import Sent, pending, state_of, thing
from runner.tracking.store import Store
from tests.helpers import proj, some
from tests.servers import Server, Start


class Way:
    """A proxy that drops, delays and cuts what passes it, by the dice."""

    def __init__(self, port: int, seed: int, faults: float) -> None:
        self._port = port
        self._dice = random.Random(seed)
        self._faults = faults
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with link, socket.create_connection(("127.0.0.1", self._port)) as server:
            fate = 2.0
            try:
                while True:
                    for ready in select.select([link, server], [], [], 10)[0]:
                        data = ready.recv(1 << 16)
                        if not data:
                            return
                        if ready is link and data.startswith(
                            (b"GET ", b"POST ", b"PUT ", b"PATCH ", b"DELETE ")
                        ):
                            fate = self._dice.random() / self._faults
                        if ready is server:
                            if 0.5 <= fate < 0.75:
                                return  # done, but the answer is lost
                            link.sendall(data)
                        elif fate < 0.25:
                            return  # lost on the way there
                        elif fate < 0.5:
                            server.sendall(data[: len(data) // 2])
                            return  # cut
                        else:
                            time.sleep(0.005 if fate < 1 else 0)
                            server.sendall(data)
            except OSError:
                return

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def here(tmp_path: object) -> Store:
    return Store(os.path.join(str(tmp_path), "here"))


@pytest.fixture
def ways() -> Iterator[list[Way]]:
    made: list[Way] = []
    yield made
    for way in made:
        way.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "PAUSES", (0.001,))


def rich_run(store: Store, metrics: int = 2500) -> str:
    experiment = store.ensure_experiment("my experiment")
    writer = store.create_run(experiment, name="main", params={"lr": 0.5, "flag": True}, uri="file:///p")
    writer.append({"type": "source", "uri": "file:///p", "commit": "abc"})
    writer.metrics([("loss", step * 0.5, 1000 + step, step) for step in range(metrics)])
    for step in range(5):
        writer.metric("acc", step, step, 7)
    writer.metric("odd", float("nan"), 0, 1)
    for number in range(230):
        writer.param(f"p{number}", "v" * number)
    writer.tag("a", "1")
    writer.tag("gone", "x")
    writer.untag("gone")
    writer.tag("a", "2")
    writer.append({"type": "dataset", "name": "d", "digest": "1", "source_type": "local", "source": "{}"})
    folder = os.path.join(writer.directory, "artifacts", "dir")
    os.makedirs(folder)
    for name, size in (("small ü.txt", 3), ("empty", 0), ("big", 700_000)):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(b"x" * size)
        writer.append({"type": "artifact", "path": f"dir/{name}", "size": size})
    model = models.create(store.root, experiment, "m", run_id=writer.run_id, params={"k": "v"})
    os.makedirs(os.path.join(models.directory(store.root, model.model_id), "artifacts"))
    with open(
        os.path.join(models.directory(store.root, model.model_id), "artifacts", "MLmodel"), "w"
    ) as file:
        file.write("flavors: {}")
    models.append(store.root, model.model_id, {"type": "update", "status": "LOGGED_MODEL_READY"})
    writer.append({"type": "link", "relation": "model-output", "model_id": model.model_id})
    child = store.create_run(experiment, name="child", kind="client", parent=writer.run_id)
    child.metric("k", 1, 0, 1)
    child.append({"type": "update", "status": "FINISHED", "end_time": 9})
    writer.end("FAILED", exit_code=3, end_time=77)
    child.close()
    writer.close()
    return writer.run_id


def compare(here: Store, run_id: str, there: Store) -> None:
    """Everything that MLflow knows of a run is the same there, and each run is there once."""
    theirs = compare_runs(here, run_id, there)
    assert len({link["model_id"] for link in theirs.links}) == 1
    logged = [model for model in models.listing(there.root) if model.status == "LOGGED_MODEL_READY"]
    assert [(model.name, model.params) for model in logged] == [("m", {"k": "v"})]
    place = os.path.join(models.directory(there.root, logged[0].model_id), "artifacts", "MLmodel")
    with open(place) as file:
        assert file.read() == "flavors: {}"


def compare_runs(here: Store, run_id: str, there: Store) -> Run:
    """All but the models."""
    found = there.search(limit=100, view="all").runs
    assert sorted(run.name for run in found) == ["child", "main"]
    theirs = next(run for run in found if run.name == "main")
    child = next(run for run in found if run.name == "child")
    ours = here.read(run_id)
    assert child.parent == theirs.run_id
    assert (child.status, child.end_time) == ("FINISHED", 9)
    assert theirs.param_texts == ours.param_texts
    assert (theirs.status, theirs.end_time, theirs.start_time) == ("FAILED", 77, ours.start_time)
    assert there.experiment(theirs.experiment_id).name == "my experiment"
    for key in ("loss", "acc"):
        mine = {tuple(point) for point in here.history(run_id, key).points}
        assert {tuple(point) for point in there.history(theirs.run_id, key).points} == mine
    assert theirs.metrics["odd"].value != theirs.metrics["odd"].value
    assert theirs.tags["a"] == "2"
    assert "gone" not in theirs.tags
    assert theirs.tags["mlflow.source.git.commit"] == "abc"
    assert [each["name"] for each in theirs.datasets] == ["d"]
    assert {path: file["size"] for path, file in theirs.artifacts.items()} == {
        "dir/small ü.txt": 3, "dir/empty": 0, "dir/big": 700_000,
    }  # fmt: skip
    return theirs


def send(store: Store, run_id: str, url: str, attempts: int = 6) -> Sent:
    with Rest(url, {}, timeout=2 if attempts == 3 else 20) as rest:
        return sending.send(store, run_id, rest, attempts)


def remote(start: Start) -> tuple[Server, Store]:
    server = start()
    return server, Store(server.store)


def test_a_run_is_sent_whole_and_once(start: Start, here: Store) -> None:
    server, there = remote(start)
    run_id = rich_run(here)
    for _ in range(2):
        sent = send(here, run_id, server.url)
        assert sent.whole
        assert sent.refused == ()
    compare(here, run_id, there)
    assert pending(here) == []


@pytest.mark.parametrize("seed", some(range(1, 21), 1))
def test_a_bad_way(start: Start, here: Store, ways: list[Way], seed: int) -> None:
    server, there = remote(start)
    way = Way(server.port, seed, 0.3)
    ways.append(way)
    run_id = rich_run(here)
    for _ in range(100):
        try:
            send(here, run_id, way.url, 3)
            break
        except Unreachable:
            state = state_of(here, run_id)
            assert state is None or not state.whole or pending(here)
    else:
        raise AssertionError("it never arrived")
    compare(here, run_id, there)


def test_forgotten_after_it_was_sent(start: Start, here: Store) -> None:
    """How far it was is lost: the run is found again, and nothing is there twice."""
    server, there = remote(start)
    run_id = rich_run(here)
    send(here, run_id, server.url)
    shutil.rmtree(os.path.join(here.root, "sync"))
    send(here, run_id, server.url)
    compare(here, run_id, there)


def test_a_run_below_is_sent_first(start: Start, here: Store) -> None:
    server, there = remote(start)
    run_id = rich_run(here)
    child = next(run.run_id for run in here.search().runs if run.name == "child")
    send(here, child, server.url)
    send(here, run_id, server.url)
    compare(here, run_id, there)


def test_what_is_refused_does_not_stop_the_rest(start: Start, here: Store) -> None:
    server, there = remote(start)
    writer = here.create_run("0", name="main", params={"p": "1"})
    send(here, writer.run_id, server.url)
    writer.param("p", "2")  # last one wins here; MLflow's parameters are written once
    writer.param("q", "3")
    writer.tag("t", "v")
    sent = send(here, writer.run_id, server.url)
    writer.close()
    assert len(sent.refused) == 1
    assert "Changing param values is not allowed" in sent.refused[0]
    run = there.search(limit=5).runs[0]
    assert (run.params, run.tags["t"]) == ({"p": "1", "q": "3"}, "v")


def test_a_server_that_is_away(start: Start, here: Store) -> None:
    """The run does not wait; it is said what is unsent, and `proj sync` sends it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    writer = here.create_run("0", name="main")
    began = time.perf_counter()
    follower = begin(here, writer.run_id, {"MLFLOW_TRACKING_URI": f"http://user:secret@127.0.0.1:{port}"})
    assert time.perf_counter() - began < 5
    writer.metric("m", 1, 0, 1)
    writer.end("FINISHED", exit_code=0)
    writer.close()
    assert follower is not None
    note = follower.finish(1.0)
    assert f"proj sync {writer.run_id[:12]}" in note
    assert "secret" not in note
    done = proj("sync", writer.run_id, "--store", here.root)
    assert done.code == 125
    assert "cannot be reached" in done.err
    server, there = remote(start)
    done = proj("sync", writer.run_id, "--store", here.root, "--to", server.url)
    assert done.code == 0, done.err
    assert there.search(limit=5).runs[0].metrics["m"].value == 1
    assert state_of(here, writer.run_id) is not None
    assert "secret" not in str(segments.read(thing(here.root, writer.run_id)).operations)


def test_why_a_server_took_nothing_is_said(start: Start, here: Store) -> None:
    server, there = remote(start)
    assert proj("server", "token", "create", "--store", there.root).code == 0
    writer = here.create_run("0", name="main")
    follower = begin(here, writer.run_id, {"MLFLOW_TRACKING_URI": server.url})
    writer.end("FINISHED", exit_code=0)
    writer.close()
    assert follower is not None
    note = follower.finish(10)
    assert note.startswith(f"the run could not be sent to {server.url} (A token is needed"), note
    assert note.endswith(f"); proj sync {writer.run_id[:12]}  sends it")


def test_a_run_is_followed_while_it_is_on(start: Start, here: Store) -> None:
    server, there = remote(start)
    writer = here.create_run("0", name="main")
    follower = begin(here, writer.run_id, {"MLFLOW_TRACKING_URI": server.url})
    for step in range(20):
        writer.metric("m", step, step, 1)
        time.sleep(0.1)
    assert there.search(limit=5).runs[0].metrics  # some are there before the end
    writer.end("FINISHED", exit_code=0)
    writer.close()
    assert follower is not None
    assert follower.finish(10) == ""
    run = there.search(limit=5).runs[0]
    assert run.status == "FINISHED"
    assert len(there.history(run.run_id, "m").points) == 20


def test_where_runs_go() -> None:
    assert destination({"MLFLOW_TRACKING_URI": "http://x"}) == "http://x"
    assert destination({"MLFLOW_TRACKING_URI": "http://x", "PROJ_RUN_ID": "1"}) == ""
    assert destination({"MLFLOW_TRACKING_URI": "sqlite:///x"}) == ""
    assert destination({}, "https://y") == "https://y"


@pytest.mark.mlflow
@pytest.mark.slow
def test_a_real_mlflow_server(client_python: str, here: Store, tmp_path: object) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = str(tmp_path)
    server = subprocess.Popen(
        [client_python, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", "--backend-store-uri",
         f"sqlite:///{folder}/m.db", "--artifacts-destination", f"{folder}/a"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip
    try:
        rest = Rest(f"http://127.0.0.1:{port}", {})
        run_id = rich_run(here, 1200)
        for _ in range(240):
            try:
                rest.get("experiments/get", experiment_id="0")
                break
            except Unreachable:
                time.sleep(0.25)
        for _ in range(2):
            sent = sending.send(here, run_id, rest)
            assert sent.whole
            assert sent.refused == ()
        run = rest.get("runs/get", run_id=sent.remote_id)["run"]
        assert len(run["data"]["params"]) == 232
        assert run["info"]["status"] == "FAILED"
        history = rest.get("metrics/get-history", run_id=sent.remote_id, metric_key="loss")["metrics"]
        assert len(history) == 1200
        files = rest.list_files(f"{sent.experiment_id}/{sent.remote_id}/artifacts/dir")
        assert [file.name for file in files] == ["big", "empty", "small ü.txt"]
        rest.close()
    finally:
        server.terminate()
        server.wait(30)
