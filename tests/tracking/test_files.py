"""The index in a SQLite file goes where it can be, and is never in the way."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

import pytest

from runner import paths
from runner.tracking.index import location, sqlite
from runner.tracking.store import Store
from tests.tracking.histories import fill, names, settle


@pytest.mark.parametrize("content", [b"", b"not a database at all, but long enough" * 100])
def test_a_bad_index_is_made_again(root: str, content: bytes) -> None:
    fill(root, "a")
    assert names(root) == ["a"]
    with open(os.path.join(root, "index.sqlite"), "wb") as file:
        file.write(content)
    assert names(root) == ["a"]


def test_an_index_that_breaks_while_it_is_open_is_made_again(root: str) -> None:
    fill(root, *(f"run {number}" for number in range(30)))
    with Store(root) as store:
        assert len(store.search().runs) == 30
        store.close()
        with open(os.path.join(root, "index.sqlite"), "r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * 4096 * 20)
        assert len(store.search().runs) == 30


def as_nobody(function: Callable[[], object]) -> str:
    """What `function` returns, as text, run by a user who may not write here."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            if not os.getuid():
                os.setgid(65534)
                os.setuid(65534)
            answer = repr(function())
        except BaseException as error:  # noqa: BLE001
            answer = f"{type(error).__name__}: {error}"
        os.write(write, answer.encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as file:
        return file.read()


@pytest.fixture
def readable() -> Iterator[str]:
    """A folder that every user can reach."""
    folder = tempfile.mkdtemp(dir="/tmp")
    os.chmod(folder, 0o755)
    yield os.path.join(folder, "store")
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)
    shutil.rmtree(folder)


def protect(root: str) -> None:
    subprocess.run(["chmod", "-R", "a-w,a+rX", root], check=True)


def test_a_read_only_store_is_listed(readable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(readable, "a")
    assert names(readable) == ["a"]
    settle(os.path.join(readable, "runs"))
    assert names(readable) == ["a"]
    protect(readable)
    cache = os.path.join(os.path.dirname(readable), "cache")
    os.mkdir(cache)
    os.chmod(cache, 0o777)
    monkeypatch.setenv("PROJ_CACHE", cache)

    def listing() -> tuple[list[str], str]:
        with Store(readable) as store:
            found = sorted(run.name for run in store.search().runs)
            return found, os.path.basename(os.path.dirname(store.index.path))

    # the owner's index is current: it is used as it is
    assert as_nobody(listing) == repr((["a"], "store"))
    fill(readable, "b") if not os.getuid() else None
    if not os.getuid():  # it is not current any more: one is made in the cache
        assert as_nobody(listing) == repr((["a", "b"], "index"))
    os.chmod(cache, 0o555)
    monkeypatch.setattr(tempfile, "tempdir", cache)
    monkeypatch.setenv("PROJ_CACHE", os.path.join(cache, "not", "there"))
    if not os.getuid():  # there is no place for one at all: it is made in memory
        assert as_nobody(listing) == repr((["a", "b"], ""))


def test_writing_to_a_read_only_store_is_an_error_that_says_so(readable: str) -> None:
    (run,) = fill(readable, "a")
    protect(readable)
    assert "StoreError" in as_nobody(lambda: Store(readable).create_run())
    assert "StoreError" in as_nobody(lambda: Store(readable).open_run(run).tag("a", "b"))


def test_a_store_on_a_network_file_system_has_its_index_in_the_cache(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(root, "a")
    monkeypatch.setattr(location, "network", lambda path: path.startswith(root))
    assert names(root) == ["a"]
    assert not os.path.exists(os.path.join(root, "index.sqlite"))
    assert len([name for name in os.listdir(paths.cache("index")) if name.endswith(".sqlite")]) == 1


def test_file_systems_are_told_apart() -> None:
    assert not location.network("/proc")
    assert location.candidates("/proc")[-1] == ":memory:"


def test_a_store_without_working_locks(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SQLite cannot lock, the index goes elsewhere and the listing still works."""
    fill(root, "a")
    connect = sqlite._connect

    def without_locks(name: str, uri: bool = False) -> sqlite.Link:
        if name.startswith(root):
            raise sqlite3.OperationalError("locking protocol")
        return connect(name, uri)

    monkeypatch.setattr(sqlite, "_connect", without_locks)
    assert names(root) == ["a"]


FULL = """
import resource, signal, sys
from runner.tracking.store import Store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
with Store(sys.argv[1]) as store:
    print(len(store.search("params.model = 'a'").runs), store.index.path)
"""


def test_a_full_disk_does_not_keep_runs_from_being_listed(root: str) -> None:
    """The index is made in memory then."""
    fill(root, "a", "b")
    done = subprocess.run([sys.executable, "-c", FULL, root], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["1", ":memory:"], done.stderr
    assert names(root) == ["a", "b"]


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_the_umask_says_who_may_share_a_store(root: str, mask: int) -> None:
    """As for a group: umask 002, and a folder with its setgid bit."""
    before = os.umask(mask)
    try:
        (run,) = fill(root, "a")
        with Store(root) as store:
            store.create_experiment("x")
            with store.open_run(run) as writer:
                writer.tag("later", "yes")
            assert store.search().runs
    finally:
        os.umask(before)
    for folder, _, found in os.walk(root):
        for name in (".", *found):
            mode = os.stat(os.path.join(folder, name)).st_mode
            assert not mode & mask, (folder, name)
            assert mode & 0o660 & ~mask == 0o660 & ~mask, (folder, name)
