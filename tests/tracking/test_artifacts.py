"""Files of a run: whole or not there, with their hash, and never outside of its folder."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from runner.errors import InputError, ProjError, StoreError
from runner.tracking import artifacts
from runner.tracking.artifacts import Artifact
from runner.tracking.local_artifacts import LocalRepository
from runner.tracking.remote_artifacts import RemoteRepository
from runner.tracking.store import Store
from runner.values import Silent
from tests.helpers import make_tree

fsspec = pytest.importorskip("fsspec")
TREE = {"model/weights.bin": "\x00\x01" * 5000, "model/conf/größe a.yaml": "a: 1\n", "model/empty": ""}


@pytest.fixture
def store(tmp_path: object) -> Iterator[Store]:
    with Store(os.path.join(str(tmp_path), "store")) as made:
        yield made


@pytest.fixture(params=["folder", "file", "memory"])
def experiment(request: pytest.FixtureRequest, store: Store, tmp_path: object) -> Iterator[str]:
    """An experiment that keeps its artifacts in one of these kinds of place."""
    if request.param == "folder":
        yield "0"
        return
    places = {"file": f"file://{tmp_path}/else%20where", "memory": "memory://bucket/mine"}
    yield store.create_experiment("elsewhere", places[request.param])
    if request.param == "memory":
        fsspec.filesystem("memory").store.clear()


def sha256(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def test_a_folder_is_kept_listed_fetched_and_deleted(store: Store, experiment: str, tmp_path: object) -> None:
    make_tree(".", TREE)
    writer = store.create_run(experiment)
    artifacts.put(writer, "model", "out")
    run = store.read(writer.run_id)
    assert run.artifacts == {
        f"out/{name}": {"digest": sha256(text), "size": len(text.encode())} for name, text in TREE.items()
    }
    assert artifacts.listing(store, run.run_id) == [Artifact("out", True)]
    assert artifacts.listing(store, run.run_id, "out/model/") == [
        Artifact("out/model/conf", True),
        Artifact("out/model/empty", False, 0),
        Artifact("out/model/weights.bin", False, 10_000),
    ]
    assert len(artifacts.listing(store, run.run_id, recursive=True)) == 3
    target = os.path.join(str(tmp_path), "fetched")
    assert len(artifacts.fetch(store, run.run_id, "out/model", target)) == 3
    for name, text in TREE.items():
        with open(os.path.join(target, name), newline="") as file:
            assert file.read() == text
    assert artifacts.fetch(store, run.run_id, "out/model/empty", target) == [os.path.join(target, "empty")]
    assert artifacts.delete(store, run.run_id, "out/model/conf") == ["out/model/conf/größe a.yaml"]
    assert {each.path for each in artifacts.listing(store, run.run_id, recursive=True)} == {
        "out/model/empty",
        "out/model/weights.bin",
    }
    assert len(store.read(run.run_id).artifacts) == 2
    with pytest.raises(InputError, match="no artifact"):
        artifacts.fetch(store, run.run_id, "out/model/conf", target)


def test_a_file_put_twice_is_replaced(store: Store, experiment: str) -> None:
    writer = store.create_run(experiment)
    for text in ("one", "the other"):
        make_tree(".", {"a.txt": text})
        artifacts.put(writer, "a.txt")
        assert store.read(writer.run_id).artifacts == {"a.txt": {"digest": sha256(text), "size": len(text)}}
        assert artifacts.listing(store, writer.run_id) == [Artifact("a.txt", False, len(text))]


@pytest.mark.parametrize("kind", [LocalRepository, RemoteRepository])
def test_what_was_stored_before_a_failure_is_not_sent_again(
    store: Store, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = "0" if kind is LocalRepository else store.create_experiment("there", "memory://bucket/again")
    make_tree(".", {"tree/a": "1", "tree/b": "2", "tree/c": "3"})
    writer = store.create_run(experiment)
    put, sent = kind.put, []

    def failing(self: Any, source: str, path: str, *rest: Any) -> Any:
        if path == "tree/b" and len(sent) == 1:
            sent.append("failed")
            raise StoreError("the connection is lost")
        sent.append(path)
        return put(self, source, path, *rest)

    monkeypatch.setattr(kind, "put", failing)
    with pytest.raises(StoreError, match="lost"):
        artifacts.put(writer, "tree")
    assert store.read(writer.run_id).artifacts.keys() == {"tree/a"}
    artifacts.put(writer, "tree")
    artifacts.put(writer, "tree")
    assert sent == ["tree/a", "failed", "tree/b", "tree/c"]


def test_progress_is_told_in_bytes(store: Store) -> None:
    class Told(Silent):
        def __init__(self) -> None:
            self.seen: list[tuple[str, float, float]] = []

        def update(self, text: str, done: float = 0, total: float = 0) -> None:
            self.seen.append((text, done, total))

    make_tree(".", {"tree/a": "1" * 10, "tree/b": "2" * 30})
    report = Told()
    artifacts.put(store.create_run(), "tree", report=report)
    assert report.seen == [("tree/a", 10, 40), ("tree/b", 40, 40)]


def test_a_later_edit_of_the_file_does_not_change_the_record(store: Store) -> None:
    make_tree(".", {"a.txt": "before"})
    writer = store.create_run()
    artifacts.put(writer, "a.txt")
    with open("a.txt", "r+") as file:
        file.write("edited")
    with open(os.path.join(writer.directory, "artifacts", "a.txt")) as file:
        assert file.read() == "before"


def test_what_nobody_will_change_is_linked(store: Store) -> None:
    make_tree(".", {"a.txt": "big"})
    writer = store.create_run()
    artifacts.put(writer, "a.txt", immutable=True)
    assert os.path.samefile("a.txt", os.path.join(writer.directory, "artifacts", "a.txt"))


def test_a_file_that_is_already_in_its_place_is_noted(store: Store) -> None:
    writer = store.create_run()
    make_tree(writer.directory, {"artifacts/a.txt": "x"})
    artifacts.put(writer, os.path.join(writer.directory, "artifacts", "a.txt"))
    assert store.read(writer.run_id).artifacts == {"a.txt": {"digest": sha256("x"), "size": 1}}


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc", "a\0b", ".."])
def test_names_that_lead_out_are_refused(store: Store, path: str) -> None:
    make_tree(".", {"a.txt": "x"})
    writer = store.create_run()
    for call in (
        lambda: artifacts.put(writer, "a.txt", path),
        lambda: artifacts.listing(store, writer.run_id, path),
        lambda: artifacts.fetch(store, writer.run_id, path, "out"),
        lambda: artifacts.delete(store, writer.run_id, path),
    ):
        with pytest.raises(InputError, match="artifact"):
            call()


def test_links_that_lead_out_are_not_followed(store: Store, tmp_path: object) -> None:
    """The command of a run may have put them into its folder."""
    make_tree(str(tmp_path), {"secret/key": "password", "a.txt": "x"})
    writer = store.create_run()
    folder = os.path.join(writer.directory, "artifacts")
    os.makedirs(folder)
    os.symlink(os.path.join(str(tmp_path), "secret"), os.path.join(folder, "way"))
    with pytest.raises(ProjError, match="leads out"):
        artifacts.fetch(store, writer.run_id, "way/key", "out")
    with pytest.raises(ProjError, match="leads out"):
        artifacts.put(writer, os.path.join(str(tmp_path), "a.txt"), "way")
    with pytest.raises(ProjError, match="leads out"):
        artifacts.delete(store, writer.run_id, "way/key")
    assert os.listdir(os.path.join(str(tmp_path), "secret")) == ["key"]


def test_what_cannot_be_fetched_is_named_after_all_else_was(store: Store, tmp_path: object) -> None:
    with store.create_run() as writer:
        artifacts.put(writer, make_tree(f"{tmp_path}/files", {"a.txt": "a", "b.txt": "b", "c.txt": "c"}))
    folder = os.path.join(writer.directory, "artifacts", "files")
    make_tree(folder, {"a.txt": "changed"})
    os.unlink(f"{folder}/b.txt")
    os.symlink("/etc/hostname", f"{folder}/b.txt")
    with pytest.raises(StoreError) as caught:
        artifacts.fetch(store, writer.run_id, "", f"{tmp_path}/got")
    first, *others = caught.value.message.splitlines()
    assert first == "2 of the 3 artifacts were not fetched:"
    assert ["files/a.txt" in others[0], "files/b.txt" in others[1]] == [True, True]
    assert os.listdir(f"{tmp_path}/got/files") == ["c.txt"]


def test_loops_pipes_and_dead_links_in_a_folder(store: Store) -> None:
    make_tree(".", {"tree/a": "1", "other/b": "2"})
    os.symlink("..", "tree/up")
    os.symlink("nowhere", "tree/dead")
    os.symlink("../other", "tree/linked")
    os.mkfifo("tree/pipe")
    writer = store.create_run()
    paths = artifacts.put(writer, "tree")
    assert "tree/a" in paths
    assert "tree/linked/b" in paths
    assert not any(path.endswith(("dead", "pipe")) for path in paths)
    with pytest.raises(InputError, match="cannot be kept"):
        artifacts.put(writer, "tree/pipe")
    with pytest.raises(InputError, match="cannot be kept"):
        artifacts.put(writer, "nothing")


def test_a_file_that_changed_in_the_store_is_not_given_out(store: Store, experiment: str) -> None:
    make_tree(".", {"a.txt": "good"})
    writer = store.create_run(experiment)
    artifacts.put(writer, "a.txt")
    place = artifacts.location(store, writer.run_id)
    if "://" in place:
        fsspec.filesystem("memory").pipe(f"{place}/a.txt", b"evil")
    else:
        with open(os.path.join(place, "a.txt"), "w") as file:
            file.write("evil")
    with pytest.raises(StoreError, match="the record says"):
        artifacts.fetch(store, writer.run_id, "a.txt", "out")
    assert os.listdir("out") == []


def test_a_transfer_that_loses_bytes_is_noticed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from runner.tracking import remote_artifacts

    experiment = store.create_experiment("there", "memory://bucket/lossy")
    make_tree(".", {"a.txt": "twelve bytes"})
    monkeypatch.setattr(remote_artifacts.time, "sleep", lambda _: None)
    monkeypatch.setattr(RemoteRepository, "size", lambda self, path: 7)
    writer = store.create_run(experiment)
    with pytest.raises(StoreError, match="12 bytes were sent and 7 arrived"):
        artifacts.put(writer, "a.txt")
    assert store.read(writer.run_id).artifacts == {}


def test_a_connection_that_comes_back_is_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from runner.tracking import remote_artifacts

    experiment = store.create_experiment("there", "memory://bucket/flaky")
    make_tree(".", {"a.txt": "x"})
    monkeypatch.setattr(remote_artifacts.time, "sleep", lambda _: None)
    system = fsspec.filesystem("memory")
    makedirs, failures = type(system).makedirs, [ConnectionError("reset"), TimeoutError("slow")]

    def flaky(*args: Any, **options: Any) -> Any:
        if failures:
            raise failures.pop()
        return makedirs(*args, **options)

    monkeypatch.setattr(type(system), "makedirs", flaky)
    writer = store.create_run(experiment)
    artifacts.put(writer, "a.txt")
    assert store.read(writer.run_id).artifacts.keys() == {"a.txt"}


def test_a_password_in_the_location_is_refused(store: Store) -> None:
    with pytest.raises(InputError, match="password"):
        store.create_experiment("mine", "sftp://ada:secret@example.org/data")
    assert store.experiment_by_name("mine") is None


def test_a_protocol_that_needs_a_library_names_it(store: Store) -> None:
    experiment = store.create_experiment("mine", "gs://bucket/x")
    make_tree(".", {"a.txt": "x"})
    with pytest.raises(StoreError, match="gs://") as caught:
        artifacts.put(store.create_run(experiment), "a.txt")
    assert "proj-runner[gs]" in caught.value.hint


SFTP = """
import os, sys
from runner.tracking import artifacts
from runner.tracking.store import Store
with Store(sys.argv[1]) as store:
    writer = store.create_run(store.create_experiment("there", sys.argv[2]))
    artifacts.put(writer, "model")
    print(writer.run_id)
    print(len(artifacts.listing(store, writer.run_id, "model")))
    print(len(artifacts.fetch(store, writer.run_id, "model", "out")))
    sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.slow
def test_sftp(store: Store, tmp_path: object) -> None:
    """A real SFTP server on loopback, in a process of its own."""
    pytest.importorskip("sshfs")
    make_tree(".", TREE)
    services = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "services")
    argv = [sys.executable, os.path.join(services, "sftp_server.py"), os.environ["HOME"]]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        place = f"sftp://ada@127.0.0.1:{port}{tmp_path}/remote"
        client = [sys.executable, "-c", SFTP, store.root, place]
        done = subprocess.run(client, capture_output=True, text=True, timeout=60, check=False)
        server.communicate("")
    assert done.returncode == 0, done.stderr
    run_id, listed, fetched = done.stdout.split()
    assert (listed, fetched) == ("3", "3")
    assert os.path.getsize(f"{tmp_path}/remote/{run_id}/artifacts/model/weights.bin") == 10_000
    assert store.read(run_id).artifacts["model/empty"]["digest"] == sha256("")


@pytest.mark.parametrize("links", [
    {"d": "/{outside}", "d/prey": "x"}, {"d": "../../../{outside}", "d/prey": "x"}, {"a/d": "../..", "a/d/prey": "x"}, {"prey": "/etc/passwd"},
])  # fmt: skip
def test_a_record_cannot_have_links_made_elsewhere(
    store: Store, tmp_path: object, links: dict[str, str]
) -> None:
    """Who fetches the artifacts of a run that was sent to them gets files in that folder, and nowhere else."""
    outside = make_tree(f"{tmp_path}/outside", {})
    with store.create_run() as writer:
        artifacts.put(writer, make_tree(f"{tmp_path}/files", {"a/f.txt": "x"}) + "/a")
        leads = {name: where.replace("{outside}", outside.lstrip("/")) for name, where in links.items()}
        writer.append({"type": "output", "path": "a", "digest": "x", "size": 1, "links": leads})
    with pytest.raises(StoreError, match="leads out"):
        artifacts.fetch(store, writer.run_id, "", f"{tmp_path}/deep/er/got")
    assert "f.txt" in os.listdir(f"{tmp_path}/deep/er/got/a")  # all else is fetched
    assert os.listdir(outside) == []
    assert not any("prey" in names for _, _, names in os.walk(str(tmp_path)))


def test_nothing_is_fetched_through_a_link_that_is_there(store: Store, tmp_path: object) -> None:
    outside = make_tree(f"{tmp_path}/outside", {})
    got = make_tree(f"{tmp_path}/got", {})
    os.symlink(outside, f"{got}/a")
    with store.create_run() as writer:
        artifacts.put(writer, make_tree(f"{tmp_path}/files", {"a/f.txt": "x"}) + "/a")
    with pytest.raises(StoreError, match="behind a link"):
        artifacts.fetch(store, writer.run_id, "", got)
    assert os.listdir(outside) == []
