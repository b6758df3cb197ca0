"""Logged models and versions of registered ones, on their way to other servers."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from runner.tracking import events, models, registry
from runner.tracking.mlflow import send as sending
from runner.tracking.mlflow.follower import begin, unserved
from runner.tracking.mlflow.rest import Rest, Unreachable
from runner.tracking.mlflow.sent import pending, servers, state_of
from runner.tracking.store import Store
from runner.tracking.writer import RunWriter
from tests.helpers import make_tree, proj, some
from tests.servers import Start

READY = "LOGGED_MODEL_READY"


@pytest.fixture
def here(tmp_path: object) -> Store:
    return Store(os.path.join(str(tmp_path), "here"))


def finish(store: Store, model_id: str, name: str = "MLmodel") -> None:
    make_tree(os.path.join(models.directory(store.root, model_id), "artifacts"), {name: "flavors: {}"})
    models.append(store.root, model_id, events.tag("late", "yes"), events.update(status=READY))


def training(store: Store, name: str = "m", registers: bool = False) -> tuple[RunWriter, str]:
    """A run that has made a model, and registered it."""
    writer = store.create_run("0", name="main")
    model_id = models.create(store.root, "0", "lin", run_id=writer.run_id).model_id
    writer.append(events.model_link("model-output", model_id, 1))
    if registers:
        finish(store, model_id)
        if registry.find(store.root, name) is None:
            registry.create(store.root, name)
        made = registry.register(
            store.root, name, registry.Version("", 0, f"models:/{model_id}", "", writer.run_id, model_id)
        )
        writer.append(events.registered_link(name, made.number, made.source, model_id))
    return writer, model_id


def only(found: Iterator[models.LoggedModel]) -> models.LoggedModel:
    (model,) = found
    return model


def test_what_comes_to_a_model_later_is_sent_too(start: Start, here: Store) -> None:
    """A client announces a model first; then come its files, tags and metrics, and then it says that it is ready."""
    server = start()
    there = Store(server.store)
    writer, model_id = training(here)
    with Rest(server.url, {}) as rest:
        sent = sending.send(here, writer.run_id, rest)
        assert (sent.unsent, [each.run_id for each in pending(here)]) == (1, [writer.run_id])
        assert only(models.listing(there.root)).status == "LOGGED_MODEL_PENDING"
        writer.append(events.metric("acc", 0.5, 1000, 3, model_id=model_id))
        finish(here, model_id)
        assert sending.send(here, writer.run_id, rest).whole
        make_tree(os.path.join(models.directory(here.root, model_id), "artifacts"), {"data/later.bin": "x"})
        models.append(here.root, model_id, events.tag("later", "still"))
        assert len(pending(here)) == 1
        for _ in range(2):
            assert sending.send(here, writer.run_id, rest).whole
    assert pending(here) == []
    model = only(models.listing(there.root))
    assert (model.status, model.run_id, model.name) == (READY, sent.remote_id, "lin")
    assert {key: model.tags[key] for key in ("late", "later")} == {"late": "yes", "later": "still"}
    assert [(each["key"], each["value"], each["step"]) for each in model.metrics] == [("acc", 0.5, 3)]
    root = os.path.join(models.directory(there.root, model.model_id), "artifacts")
    assert sorted(os.listdir(root)) == ["MLmodel", "data"]
    outputs = [each["model_id"] for each in there.read(sent.remote_id).links]
    assert outputs == [model.model_id]


def test_a_model_that_is_never_finished_is_sent_at_the_end(start: Start, here: Store) -> None:
    server = start()
    writer, model_id = training(here)
    make_tree(os.path.join(models.directory(here.root, model_id), "artifacts"), {"half": "x"})
    writer.end("FAILED", exit_code=1)
    with Rest(server.url, {}) as rest:
        assert sending.send(here, writer.run_id, rest).whole
    model = only(models.listing(server.store))
    assert os.listdir(os.path.join(models.directory(server.store, model.model_id), "artifacts")) == ["half"]


def test_metrics_of_a_model_that_was_removed_are_the_runs(start: Start, here: Store) -> None:
    server = start()
    writer = here.create_run("0", name="main")
    writer.append(events.metric("acc", 0.5, 1000, 3, model_id="m-" + "0" * 32))
    with Rest(server.url, {}) as rest:
        sent = sending.send(here, writer.run_id, rest)
    assert (sent.whole, sent.refused) == (True, ())
    assert Store(server.store).read(sent.remote_id).metrics["acc"].value == 0.5


def check_registered(root: str, name: str = "m") -> None:
    version = registry.get(root, name).versions
    assert list(version) == [1]
    model = models.get(root, version[1].model_id)
    assert (model.status, version[1].source) == (READY, f"models:/{model.model_id}")
    assert version[1].digest
    assert Store(root).read(version[1].run_id).name == "main"


def test_versions_go_to_where_the_run_goes(start: Start, here: Store) -> None:
    server = start()
    writer, _ = training(here, registers=True)
    for _ in range(2):
        with Rest(server.url, {}) as rest:
            assert sending.send(here, writer.run_id, rest).refused == ()
    check_registered(server.store)


@pytest.mark.parametrize("tracked", some([True, False], 1))
def test_versions_go_to_the_registry_that_is_set(
    start: Start, here: Store, tmp_path: object, tracked: bool
) -> None:
    """The run and its model are sent there before its version is made; a run that registers nothing is not."""
    ours, theirs = (start("--store", os.path.join(str(tmp_path), name)) for name in ("ours", "theirs"))
    roots = [os.path.join(str(tmp_path), name) for name in ("ours", "theirs")]
    environ = {"MLFLOW_REGISTRY_URI": theirs.url} | ({"MLFLOW_TRACKING_URI": ours.url} if tracked else {})
    for registers in (False, True):
        writer, model_id = training(here, registers=registers)
        follower = begin(here, writer.run_id, environ)
        assert follower is not None
        if not registers:
            finish(here, model_id)
        writer.end("FINISHED", exit_code=0)
        writer.close()
        assert follower.finish() == ""
        if not registers:
            assert Store(roots[1]).search().runs == ()
    check_registered(roots[1])
    assert registry.find(roots[0], "m") is None
    assert len(Store(roots[0]).search().runs) == (2 if tracked else 0)
    expected = {theirs.url, ours.url} if tracked else {theirs.url}
    assert set(servers(here.root, writer.run_id)) == expected
    assert pending(here) == []


def test_a_registry_that_is_away_is_said(here: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
    writer, _ = training(here, registers=True)
    follower = begin(here, writer.run_id, {"MLFLOW_REGISTRY_URI": uri})
    writer.end("FINISHED", exit_code=0)
    assert follower is not None
    note = follower.finish(1.0)
    assert f"could not be sent to {uri}" in note
    assert "; proj sync" in note
    state = state_of(here, writer.run_id, uri)
    assert state is not None
    assert not state.whole


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("sqlite:///mlflow.db", "(start it: mlflow server --backend-store-uri sqlite:///mlflow.db)"),
        ("postgresql://me:secret@host/db", "proj export 1234 --to-mlflow"),
        ("file:///data/mlruns", "the run is kept in this store"),
        ("mlruns", "MLFLOW_TRACKING_URI=mlruns is no MLflow server"),
        ("databricks", "proj export 1234 --to-mlflow http://HOST:PORT"),
    ],
)
def test_addresses_that_are_no_servers_are_named(uri: str, said: str) -> None:
    (note,) = unserved({"MLFLOW_TRACKING_URI": uri}, "1234")
    assert said in note
    assert "secret" not in note
    assert "\n" not in note
    assert unserved({"MLFLOW_TRACKING_URI": uri, "PROJ_RUN_ID": "1"}, "1234") == []
    assert unserved({"MLFLOW_TRACKING_URI": "http://host"}, "1234") == []


def test_a_run_says_so(here: Store, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_tree(os.path.join(str(tmp_path), "p"), {"main.sh": "echo hello\n"})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    done = proj("run", project, "-e", "main.sh", "--store", here.root)
    assert done.code == 0, done.err
    assert "MLFLOW_TRACKING_URI=sqlite:///mlflow.db is no MLflow server" in done.err


TRAIN = """
import mlflow
from sklearn.linear_model import LinearRegression
with mlflow.start_run():
    fitted = LinearRegression().fit([[1.0], [2.0]], [2.0, 4.0])
    mlflow.sklearn.log_model(fitted, name="lin", registered_model_name="lin")
"""


@pytest.fixture
def mlflow_server(client_python: str, tmp_path: object) -> Iterator[Callable[[], str]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = os.path.join(str(tmp_path), "mlflow")
    os.makedirs(folder)
    server = subprocess.Popen(
        [client_python, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", "--backend-store-uri",
         f"sqlite:///{folder}/m.db", "--artifacts-destination", f"{folder}/a"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip

    def ready() -> str:
        with Rest(f"http://127.0.0.1:{port}", {}) as rest:
            for _ in range(240):
                try:
                    rest.get("experiments/get", experiment_id="0")
                    break
                except Unreachable:
                    time.sleep(0.25)
        return f"http://127.0.0.1:{port}"

    yield ready
    server.terminate()
    server.wait(30)


@pytest.mark.mlflow
@pytest.mark.slow
@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"])
def test_a_training_registers_its_model_at_a_real_server(
    client_python: str,
    here: Store,
    tmp_path: object,
    mlflow_server: Callable[[], str],
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = mlflow_server()
    project = make_tree(os.path.join(str(tmp_path), "p"), {"train.py": TRAIN})
    make_tree(project, {"MLproject": f"entry_points: {{main: {{command: '{client_python} train.py'}}}}\n"})
    monkeypatch.setenv(variable, url)
    done = proj("run", project, "--env-manager", "local", "--store", here.root)
    assert done.code == 0, done.err
    assert "View run" not in done.out + done.err
    done = proj("sync", "last", "--store", here.root)
    assert done.code == 0, done.err
    with Rest(url, {}) as rest:
        version = rest.get("model-versions/get", name="lin", version=1)["model_version"]
        model = rest.get(f"logged-models/{version['source'].removeprefix('models:/')}")["model"]
        assert (version["status"], model["info"]["status"]) == ("READY", READY)
        run = rest.get("runs/get", run_id=version["run_id"])["run"]
        assert {tag["key"]: tag["value"] for tag in run["data"]["tags"]}["proj.run_id"] == here.resolve(
            "last"
        )
    program = "import mlflow,sys; print(mlflow.pyfunc.load_model('models:/lin/1').predict([[3.0]]))"
    loaded = subprocess.run(
        [client_python, "-c", program],
        env={**os.environ, "MLFLOW_TRACKING_URI": url, "MLFLOW_REGISTRY_URI": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "6." in loaded.stdout, loaded.stderr
