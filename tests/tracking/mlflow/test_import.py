"""Runs taken over from MLflow, and the way back."""

from __future__ import annotations

import json
import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from runner.errors import InputError, SourceError
from runner.tracking.mlflow import send
from runner.tracking.mlflow.fetch import fetch
from runner.tracking.mlflow.readers import open_reader
from runner.tracking.mlflow.rest import Rest
from runner.tracking.mlflow.takeover import take_over
from runner.tracking.store import Store
from runner.values import Silent
from tests.helpers import make_tree, proj, some
from tests.servers import Start, run_flow
from tests.tracking.mlflow.test_send import compare_runs, quick, rich_run

__all__ = ["quick"]


def imported(source: str, target: Store, artifacts: str = "") -> None:
    reader = open_reader(source, artifacts)
    try:
        for expected in (3, 0):  # a second time finds all there
            done = take_over(target, reader, Silent(), ["from mlflow"])
            assert done.without_files == ()
            assert (done.runs, done.there) == (expected, 3 - expected)
    finally:
        reader.close()


def check(store: Store, run_id: str) -> None:
    run = store.read(run_id)
    assert (run.name, run.status, run.kind) == ("main", "FINISHED", "client")
    assert run.end_time is not None
    experiment = store.experiment(run.experiment_id)
    assert (experiment.name, experiment.tags) == ("from mlflow", {"team": "a"})
    assert run.params == {"lr": "0.1", "text": "a b", "deep/key": "1"}
    assert [run.tags[key] for key in ("t", "unicode", "mlflow.runName")] == ["v", "ß😀", "main"]
    points = store.history(run_id, "loss").points
    assert [tuple(point) for point in points] == [(1 / (step + 1), 1000 + step, step) for step in range(900)]
    metric = run.metrics["deep/metric"]
    assert metric.value != metric.value
    assert metric.step == 3
    assert {path: file["size"] for path, file in run.artifacts.items()} == {"folder/ü.txt": 5, "empty.txt": 0}
    with open(os.path.join(store.run_directory(run_id), "artifacts", "folder", "ü.txt")) as file:
        assert file.read() == "hello"
    assert [(each["name"], each["digest"], each["tags"]) for each in run.datasets] == [
        ("d", "123", {"mlflow.data.context": "train"})
    ]
    others = {each.name: each for each in store.search(limit=10, view="all").runs}
    assert others["child"].parent == run_id
    assert (others["failed"].status, others["failed"].lifecycle) == ("FAILED", "deleted")


@pytest.mark.mlflow
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "database", "server"])
def test_import(client_python: str, tmp_path: object, kind: str, start: Start) -> None:
    folder = str(tmp_path)
    here = Store(os.path.join(folder, "here"))
    if kind == "folder":
        variables = {"MLFLOW_TRACKING_URI": f"file://{folder}/mlruns", "MLFLOW_ALLOW_FILE_STORE": "true"}
        run_id = run_flow(client_python, "fill", variables).split()[-1]
        imported(f"{folder}/mlruns", here)
    elif kind == "database":
        os.chdir(folder)
        run_id = run_flow(client_python, "fill", {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/m.db"}).split()[
            -1
        ]
        imported(f"sqlite:///{folder}/m.db", here)
    else:
        server = start()
        run_id = run_flow(client_python, "fill", {"MLFLOW_TRACKING_URI": server.url}).split()[-1]
        imported(server.url, here)
    check(here, run_id)


def test_there_and_back(start: Start, tmp_path: object) -> None:
    """Sent to a server and imported from it: equal, but for the ids there."""
    here, back = (Store(os.path.join(str(tmp_path), name)) for name in ("here", "back"))
    server = start()
    run_id = rich_run(here)
    with Rest(server.url, {}) as rest:
        sent = send.send(here, run_id, rest)
    done = proj("import", server.url, "--store", back.root, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out) == {"runs": 2, "there": 0, "without_files": []}
    ours, theirs = here.read(run_id), back.read(sent.remote_id)
    assert theirs.param_texts == ours.param_texts
    assert (theirs.status, theirs.start_time, theirs.end_time) == (
        ours.status,
        ours.start_time,
        ours.end_time,
    )
    assert set(ours.tags.items()) <= set(theirs.tags.items())
    for key in ours.metrics:
        mine = [str(point) for point in here.history(run_id, key).points]
        assert [str(point) for point in back.history(sent.remote_id, key).points] == mine
    assert {path: file["size"] for path, file in theirs.artifacts.items()} == {
        path: file["size"] for path, file in ours.artifacts.items()
    }


@pytest.mark.parametrize("way", some(["export --to-mlflow", "export last --to-mlflow"], 1))
def test_imported_and_given_back(start: Start, tmp_path: object, way: str) -> None:
    """From one server into a store, and from there to another: equal, each run once."""
    first = start()
    with Rest(first.url, {}) as rest:
        store = Store(os.path.join(str(tmp_path), "origin"))
        origin = rich_run(store)
        send.send(store, origin, rest)
    here, back = (os.path.join(str(tmp_path), name) for name in ("here", "back"))
    assert proj("import", first.url, "--store", here).code == 0
    middle = Store(here)
    main = next(run for run in middle.search(view="all").runs if run.name == "main")
    arguments = [word.replace("last", main.run_id) for word in way.split()]
    second = start("--store", back)  # the last one counts
    for _ in range(2):
        done = proj(*arguments, second.url, "--store", here, "--json")
        assert done.code == 0, done.err
        assert {each["unsent"] for each in json.loads(done.out)} == {0}
    compare_runs(middle, main.run_id, Store(back))


def test_export_says_what_it_cannot_do(tmp_path: object) -> None:
    store = Store(str(tmp_path))
    store.create_run("0", name="a").close()
    done = proj("export", "--to-mlflow", "http://127.0.0.1:9", "-o", "x.csv", "--store", store.root)
    assert done.code == 2
    assert "--output" in done.err
    done = proj("export", "--to-mlflow", "http://127.0.0.1:9", "--store", store.root)
    assert done.code == 125
    assert "cannot be reached" in done.err


def test_an_old_folder(tmp_path: object) -> None:
    """Metrics without a step, a status as a number, an experiment in the trash."""
    run_id = "a" * 32
    root = make_tree(
        os.path.join(str(tmp_path), "mlruns"),
        {
            "0/meta.yaml": "name: Default\nexperiment_id: '0'\nlifecycle_stage: active\n",
            f"0/{run_id}/meta.yaml": f"run_uuid: {run_id}\nstatus: 4\nstart_time: 5\nend_time: 9\nuser_id: me\n",
            f"0/{run_id}/metrics/a/b": "1000 0.5\n1001 0.25 1\n",
            f"0/{run_id}/params/p": "x",
            f"0/{run_id}/artifacts/f.bin": b"\0\1",
            ".trash/7/meta.yaml": "name: gone\nexperiment_id: '7'\nlifecycle_stage: deleted\n",
        },
    )
    store = Store(os.path.join(str(tmp_path), "store"))
    take_over(store, open_reader(root), Silent())
    run = store.read(run_id)
    assert (run.status, run.start_time, run.end_time, run.user) == ("FAILED", 5, 9, "me")
    assert [tuple(point) for point in store.history(run_id, "a/b").points] == [
        (0.5, 1000, 0),
        (0.25, 1001, 1),
    ]
    assert run.params == {"p": "x"}
    assert run.artifacts["f.bin"]["size"] == 2
    gone = store.experiment_by_name("gone")
    assert gone is not None
    assert gone.lifecycle == "deleted"


def test_what_cannot_be_imported(tmp_path: object) -> None:
    folder = make_tree(str(tmp_path), {"text.db": "no database", "empty/x": ""})
    for source in ("nothing", f"{folder}/text.db", f"{folder}/empty"):
        with pytest.raises(InputError):
            open_reader(source)
    assert proj("import", f"{folder}/empty").code == 2
    assert proj("import").code == 2


class Told:
    """A server that says of its one run and its one model what it likes."""

    def __init__(self, **answers: object) -> None:
        self.heads: list[str] = []
        run = {
            "info": {"run_id": "a" * 32, "status": "FINISHED", "lifecycle_stage": "active"}
            | answers.get("info", {})  # type: ignore[operator]
        }
        self.answers: dict[str, object] = {
            "experiments/search": {"experiments": [{"experiment_id": "0", "name": "x", "lifecycle_stage": "active"}]},
            "runs/search": {"runs": [run]},
            "registered-models/get": {"registered_model": {"name": "m"}},
            "model-versions/search": {"model_versions": [{"name": "m", "version": "1"}]},
            "get-download-uri": {"artifact_uri": "mlflow-artifacts:/z"},
            "artifacts?": {"files": [{"path": "inner", "is_dir": True}]},
            **answers,
        }  # fmt: skip
        told = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                told.heads.append(self.headers.get("Authorization") or "")
                answer = next((value for path, value in told.answers.items() if path in self.path), {})
                data = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_GET

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_a_server_has_no_file_of_ours_taken_over(tmp_path: object) -> None:
    """Nor is the token of another server sent to it, nor does it lead into folders without end."""
    mine = make_tree(f"{tmp_path}/home", {".ssh/key": "MINE", f"{'a' * 32}/artifacts/x": "there"})
    os.symlink(f"{mine}/.ssh", f"{mine}/{'b' * 32}")
    for uri, said in (
        (f"file://{mine}/.ssh", "no folder of artifacts of the run"),
        (f"{mine}/{'b' * 32}", "no folder of artifacts"),
        ("mlflow-artifacts:/x", "folders in folders without end"),
    ):
        server = Told(info={"artifact_uri": uri})
        done = proj("import", server.url, "--store", f"{tmp_path}/store", "--json",
                    MLFLOW_TRACKING_URI="https://team.example", MLFLOW_TRACKING_TOKEN="ours")  # fmt: skip
        assert done.code == 0, done.err
        assert said in done.err
        assert set(server.heads) == {""}
        pulled = proj("models", "pull", server.url, "m", "--store", f"{tmp_path}/other")
        assert "without end" in pulled.err
        server.close()
        files = [name for _, _, names in os.walk(f"{tmp_path}/store/runs") for name in names]
        assert "key" not in files
        shutil.rmtree(f"{tmp_path}/store")
    server = Told(info={"artifact_uri": f"file://{mine}/{'a' * 32}/artifacts"})
    done = proj(
        "import", server.url, "--store", f"{tmp_path}/store", MLFLOW_TRACKING_TOKEN="for whoever I name"
    )
    server.close()
    assert done.code == 0, done.err
    assert set(server.heads) == {"Bearer for whoever I name"}
    assert Store(f"{tmp_path}/store").read("a" * 32).artifacts["x"]["size"] == 5


@pytest.mark.parametrize("odd", [None, [], [1], {"x": 1}, "text", 7])
def test_a_server_that_answers_oddly(odd: object, tmp_path: object) -> None:
    server = Told(
        **{
            "runs/search": {"runs": odd},
            "registered-models/get": {"registered_model": odd},
            "artifacts?": odd,
        }
    )
    for words in (("import", server.url), ("models", "pull", server.url, "m")):
        done = proj(*words, "--store", f"{tmp_path}/store")
        assert "bug in proj" not in done.err, done.err
    server.close()


def test_links_in_a_folder_of_mlruns_are_not_followed(tmp_path: object) -> None:
    run_id = "a" * 32
    root = make_tree(
        f"{tmp_path}/mlruns",
        {
            "0/meta.yaml": "name: Default\nexperiment_id: '0'\nlifecycle_stage: active\n",
            f"0/{run_id}/meta.yaml": f"run_id: {run_id}\nstatus: 3\n",
            f"0/{run_id}/params/p": "x",
            f"0/{run_id}/artifacts/fine": "1",
        },
    )
    mine = make_tree(f"{tmp_path}/mine", {"key": "MINE"})
    os.symlink(f"{mine}/key", f"{root}/0/{run_id}/params/q")
    os.symlink(f"{mine}/key", f"{root}/0/{run_id}/artifacts/key")
    os.symlink(mine, f"{root}/0/{run_id}/tags")
    store = Store(f"{tmp_path}/store")
    done = take_over(store, open_reader(root), Silent())
    run = store.read(run_id)
    assert (run.params, set(run.artifacts)) == ({"p": "x"}, {"fine"})
    assert "key" not in run.tags
    assert "links that lead out of it: key" in done.without_files[0]


@pytest.mark.parametrize("name", ["x/..", "..", ".", "a/", "a\0b"])
def test_a_server_names_no_file_outside_of_its_folder(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    def answered(*_: object) -> object:
        return {"files": [{"path": name, "is_dir": False}]}

    monkeypatch.setattr(Rest, "_json", answered)
    with pytest.raises(SourceError, match="leads out"):
        fetch(Rest("http://127.0.0.1:9"), "mlflow-artifacts:/a", f"{tmp_path}/target")
    assert not os.path.exists(f"{tmp_path}/target")


@pytest.mark.parametrize(
    "uri", ["http://[::1", "http://host:99999", "http://host:x", "http://", "sqlite:///a"]
)
def test_what_is_no_address(uri: str) -> None:
    with pytest.raises(InputError, match="not the address"):
        Rest(uri)


@pytest.mark.parametrize(
    ("uri", "token"), [("http://127.0.0.1:9/ü", "t"), ("http://127.0.0.1:9", "secret\nx")]
)
def test_what_http_does_not_allow(uri: str, token: str) -> None:
    with pytest.raises(InputError, match="cannot be asked") as raised:
        Rest(uri, {"MLFLOW_TRACKING_TOKEN": token}).get("runs/get")
    assert "secret" not in str(raised.value)
