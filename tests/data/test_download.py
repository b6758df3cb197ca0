"""Remote values of parameters of type path are fetched, whole or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import fsspec
import pytest

from runner import paths
from runner.data.download import fetch_all
from runner.errors import InputError, ProjError, SourceError
from runner.parameters import resolve
from runner.values import EntryPoint, Parameter, Silent
from tests.helpers import make_tree, proj
from tests.servers import Start


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path == "/data.csv?token=s3cret"
        self.send_response(200 if found else 404)
        self.end_headers()
        if found:
            self.wfile.write(b"a,b\n")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(uri: str, folder: object) -> str:
    """Resolves a path parameter and fetches it, as a run does; returns the path in the command."""
    point = EntryPoint("main", "{x}", (Parameter("x", "path"),))
    found = resolve.resolve(point, {"x": uri}, directory="/", storage=str(folder))
    fetch_all(found.downloads, paths.store(), Silent())
    return found.texts["x"]


def content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def test_a_file_of_the_web(tmp_path: Any, address: str) -> None:
    path = fetch(f"{address}/data.csv?token=s3cret", tmp_path / "d")
    assert (os.path.basename(path), content(path)) == ("data.csv", b"a,b\n")
    with open(path, "wb") as file:  # a command may write to it: the next run gets what the server has
        file.write(b"x")
    assert content(fetch(f"{address}/data.csv?token=s3cret", tmp_path / "d")) == b"a,b\n"


def test_what_is_not_there_is_an_error_without_secrets(tmp_path: Any, address: str) -> None:
    with pytest.raises(ProjError, match="404") as caught:
        fetch(f"{address.replace('//', '//me:pass@')}/other.csv?token=s3cret", tmp_path / "d")
    assert "s3cret" not in caught.value.message
    assert "pass" not in caught.value.message


def test_files_and_folders_of_a_file_system_that_fsspec_knows(tmp_path: Any) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/model/weights.bin", b"1")
    memory.pipe("/bucket/model/deep/b", b"2")
    assert content(fetch("memory://bucket/model/weights.bin", tmp_path)) == b"1"
    for _ in range(2):
        folder = fetch("memory://bucket/model", tmp_path)
        assert content(os.path.join(folder, "deep", "b")) == b"2"
    with pytest.raises(ProjError, match="cannot be downloaded"):
        fetch("memory://bucket/nothing", tmp_path)


def test_an_address_of_nothing_known(tmp_path: Any) -> None:
    with pytest.raises(ProjError, match="nothing here can download xyz: addresses") as caught:
        fetch("xyz://a/b", tmp_path)
    assert "declare the parameter as `uri`" in caught.value.hint


def test_an_artifact_of_a_run(tmp_path: Any) -> None:
    from runner.tracking import artifacts
    from runner.tracking.store import Store

    (tmp_path / "model.pkl").write_bytes(b"m")
    with Store(paths.store()) as store:
        writer = store.create_run(store.ensure_experiment("e"))
        artifacts.put(writer, str(tmp_path / "model.pkl"), "models")
        run_id = writer.run_id
    assert content(fetch(f"runs:/{run_id}/models/model.pkl", tmp_path / "d")) == b"m"
    with pytest.raises(InputError, match="no artifact"):
        fetch(f"runs:/{run_id}/nothing", tmp_path / "d")
    with pytest.raises(InputError, match="does not name an artifact"):
        fetch(f"runs:/{run_id}", tmp_path / "d")


def test_a_run_gets_the_file_and_records_its_hash(tmp_path: Any, address: str) -> None:
    project = make_tree(
        tmp_path / "p", {"MLproject": "entry_points: {main: {command: 'cat {x}', parameters: {x: path}}}\n"}
    )
    done = proj("run", project, "--env-manager", "local", "-P", f"x={address}/data.csv?token=s3cret")
    assert (done.code, done.out) == (0, "a,b\n"), done.err
    done = proj("run", project, "--env-manager", "local", "-P", f"x={address}/other.csv")
    assert done.code == 125
    assert "404" in done.err


def test_where_downloads_go_can_be_said_as_to_mlflow(tmp_path: Any, address: str) -> None:
    text = "entry_points: {main: {parameters: {data: path}, command: 'cat {data}'}}"
    root = make_tree(tmp_path / "p", {"MLproject": text})
    words = ("run", root, "-P", f"data={address}/data.csv?token=s3cret")
    by_variable = proj(*words, MLFLOW_TMP_DIR=str(tmp_path / "variable"))
    by_option = proj(
        *words, "--storage-dir", str(tmp_path / "option"), MLFLOW_TMP_DIR=str(tmp_path / "unused")
    )
    assert by_variable.out == by_option.out == "a,b\n"
    assert not (tmp_path / "unused").exists()
    assert os.listdir(tmp_path / "option")
    assert os.listdir(tmp_path / "variable")


@pytest.mark.parametrize("kind", ["runs", "mlflow-artifacts"])
def test_an_artifact_of_a_server(
    start: Start, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What this store does not have comes from the server that MLFLOW_TRACKING_URI names: a file, or a folder."""
    server = start("--store", str(tmp_path / "team"))
    client = server.client()
    run_id = client.new_run()
    root = f"0/{run_id}/artifacts"
    for name in ("models/model.pkl", "models/deep/er.txt", "empty"):
        assert client.put(f"{root}/{name}", b"" if name == "empty" else name.encode()).status == 200
    address = f"runs:/{run_id}" if kind == "runs" else f"mlflow-artifacts:/{root}"
    with pytest.raises(InputError, match="no run is called"):
        fetch(f"{address}/models/model.pkl", tmp_path / "d")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    assert content(fetch(f"{address}/models/model.pkl", tmp_path / "d")) == b"models/model.pkl"
    folder = fetch(f"{address}/models", tmp_path / "d")
    assert content(os.path.join(folder, "deep", "er.txt")) == b"models/deep/er.txt"
    assert content(fetch(f"{address}/empty", tmp_path / "d")) == b""
    with pytest.raises(SourceError, match=r"No such artifact|Run"):
        fetch(f"{address}/nothing", tmp_path / "d")


def test_files_of_the_store_by_their_address(tmp_path: Any) -> None:
    from runner.tracking import artifacts
    from runner.tracking.store import Store

    (tmp_path / "a.txt").write_bytes(b"a")
    with Store(paths.store()) as store:
        writer = store.create_run("0")
        artifacts.put(writer, str(tmp_path / "a.txt"))
    assert content(fetch(f"mlflow-artifacts:/0/{writer.run_id}/artifacts/a.txt", tmp_path / "d")) == b"a"
