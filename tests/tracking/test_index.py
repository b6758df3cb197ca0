"""The index follows the logs wherever they go, and is never in the way."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import pytest

from runner import paths
from runner.errors import StoreError
from runner.tracking import catchup, index, migrations, place
from runner.tracking.log import encode
from runner.tracking.store import Store
from tests.tracking import histories


@pytest.fixture
def root(tmp_path: object) -> str:
    return os.path.join(str(tmp_path), "store")


def fill(root: str, *names: str) -> list[str]:
    store = Store(root)
    made = []
    for name in names:
        with store.create_run(name=name, params={"model": name}) as writer:
            writer.metric("loss", 0.5)
            writer.end("FINISHED", sync=False)
            made.append(writer.run_id)
    return made


def names(root: str) -> list[str]:
    with Store(root) as store:
        return sorted(run.name for run in store.search().runs)


def settle(root: str) -> None:
    """Long ago: nothing is watched or changed within one tick of the clock any more."""
    for folder, _, files in os.walk(root):
        for name in [*files, "."]:
            os.utime(os.path.join(folder, name), (1e9, 1e9))


def test_deleting_the_index_loses_nothing(root: str) -> None:
    fill(root, "a", "b")
    assert names(root) == ["a", "b"]
    os.unlink(os.path.join(root, "index.sqlite"))
    assert names(root) == ["a", "b"]


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


def rsync(source: str, target: str) -> None:
    """rsync -a source/ target/, or what it does."""
    if shutil.which("rsync"):
        subprocess.run(["rsync", "-a", f"{source}/", f"{target}/"], check=True)
        return
    for folder, _, files in os.walk(source):
        there = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(there, exist_ok=True)
        for name in files:
            mine, other = os.path.join(folder, name), os.path.join(there, name)
            a, b = os.stat(mine), os.stat(other) if os.path.exists(other) else None
            if b is None or (a.st_size, int(a.st_mtime)) != (b.st_size, int(b.st_mtime)):
                shutil.copy2(mine, other + ".draft")
                os.rename(other + ".draft", other)
        shutil.copystat(folder, there)


def test_two_stores_merged_by_rsync_show_the_union(root: str) -> None:
    a, b, c = (os.path.join(root, name) for name in "abc")
    fill(a, "a1", "a2")
    fill(b, "b1", "b2")
    Store(a).create_experiment("of a")
    Store(b).create_experiment("of b")
    for each in (a, b, c):
        assert names(each) == (["a1", "a2"] if each == a else ["b1", "b2"] if each == b else [])
    for each in (a, b):
        rsync(each, c)
    assert names(c) == ["a1", "a2", "b1", "b2"]
    with Store(a) as store, store.open_run(store.resolve("a1")) as writer:
        writer.tag("later", "yes")
    rsync(a, c)
    with Store(c) as store:
        assert {each.name for each in store.experiments()} == {"Default", "of a", "of b"}
        assert [each.name for each in store.search("tags.later = 'yes'").runs] == ["a1"]
        histories.check(store)


def test_logs_merged_without_the_journal_are_found(root: str) -> None:
    other = root + "-other"
    fill(root, "mine")
    (run,) = fill(other, "theirs")
    assert names(root) == ["mine"]
    settle(root)
    assert names(root) == ["mine"]
    shutil.copytree(os.path.join(other, "runs", run), os.path.join(root, "runs", run))
    assert names(root) == ["mine", "theirs"]
    settle(root)
    assert names(root) == ["mine", "theirs"]
    shutil.rmtree(os.path.join(root, "runs", run))
    assert names(root) == ["mine"]


def test_an_old_log_that_was_replaced_is_read_again(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catchup, "RACY", 0)
    (run,) = fill(root, "before")
    settle(root)
    assert names(root) == ["before"]
    path = os.path.join(root, "runs", run, "events.jsonl")
    with open(path, "rb") as file:
        text = file.read().replace(b'"before"', b'"behind"')
    os.rename(path, path + ".old")
    with open(path, "wb") as file:
        file.write(text + encode({"type": "tag", "time": 1, "key": "new", "value": "x"}))
    os.utime(os.path.join(root, "runs"))  # as rsync does at its end
    assert names(root) == ["behind"]


def test_a_moved_and_a_copied_store(root: str) -> None:
    fill(root, "a")
    assert names(root) == ["a"]
    os.rename(root, root + "-moved")
    fill(root + "-moved", "b")
    assert names(root + "-moved") == ["a", "b"]
    shutil.copytree(root + "-moved", root)
    fill(root, "c")
    assert names(root) == ["a", "b", "c"]
    assert names(root + "-moved") == ["a", "b"]
    connection = sqlite3.connect(os.path.join(root, "index.sqlite"))
    (made_for,) = connection.execute("SELECT value FROM meta WHERE key = 'inode'").fetchone()
    connection.close()
    assert int(made_for) == os.stat(os.path.join(root, "index.sqlite")).st_ino  # made again, not trusted


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
    monkeypatch.setattr(place, "network", lambda path: path.startswith(root))
    assert names(root) == ["a"]
    assert not os.path.exists(os.path.join(root, "index.sqlite"))
    assert len(os.listdir(paths.cache("index"))) == 1


def test_file_systems_are_told_apart() -> None:
    assert not place.network("/proc")
    assert place.candidates("/proc")[-1] == ":memory:"


def test_a_store_without_working_locks(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SQLite cannot lock, the index goes elsewhere and the listing still works."""
    fill(root, "a")
    connect = index._connect

    def without_locks(name: str, uri: bool = False) -> sqlite3.Connection:
        if name.startswith(root):
            raise sqlite3.OperationalError("locking protocol")
        return connect(name, uri)

    monkeypatch.setattr(index, "_connect", without_locks)
    assert names(root) == ["a"]


def test_an_index_of_a_newer_version_is_refused(root: str) -> None:
    fill(root, "a")
    assert names(root) == ["a"]
    connection = sqlite3.connect(os.path.join(root, "index.sqlite"))
    with connection:
        connection.execute("INSERT INTO migrations VALUES (99, 0, '')")
    connection.close()
    with pytest.raises(StoreError, match="newer version") as caught:
        names(root)
    assert "upgrade" in caught.value.hint
    assert os.path.exists(os.path.join(root, "index.sqlite"))


@pytest.mark.parametrize(
    "change",
    ["UPDATE migrations SET checksum = 'other'", "ALTER TABLE migrations DROP COLUMN checksum"],
    ids=["another checksum", "none"],
)
def test_an_index_of_another_line_of_development_is_made_again(root: str, change: str) -> None:
    fill(root, "a")
    assert names(root) == ["a"]
    connection = sqlite3.connect(os.path.join(root, "index.sqlite"))
    with connection:
        connection.execute("ALTER TABLE runs RENAME COLUMN host TO something")
        connection.execute(change)
    connection.close()
    assert names(root) == ["a"]
    with Store(root) as store:
        histories.check(store)
        assert store.index.path.startswith(root)


def test_an_older_index_is_upgraded_and_a_failed_step_leaves_it_as_it_was(root: str) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    steps = [*migrations.MIGRATIONS, ("CREATE TABLE more (x INTEGER)", "INSERT INTO more VALUES (1)")]
    migrations.migrate(connection, "index")
    assert migrations.version(connection) == len(migrations.MIGRATIONS)
    broken = [*migrations.MIGRATIONS, (*steps[-1], "this is not SQL")]
    with pytest.raises(sqlite3.OperationalError):
        migrations.migrate(connection, "index", migrations=broken)
    assert migrations.version(connection) == len(migrations.MIGRATIONS)
    assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'more'").fetchone()
    for _ in range(2):
        migrations.migrate(connection, "index", migrations=steps)
    assert migrations.version(connection) == len(steps)
    assert connection.execute("SELECT count(*) FROM more").fetchone() == (1,)
    connection.close()


def test_an_index_that_is_filled_anew(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a version does in which events mean something else."""
    fill(root, "a", "b")
    assert names(root) == ["a", "b"]
    connection = sqlite3.connect(os.path.join(root, "index.sqlite"))
    with connection:
        connection.execute("UPDATE runs SET name = 'as it was understood before'")
    connection.close()
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, migrations.REFILL))
    monkeypatch.setattr(migrations.migrate, "__defaults__", (migrations.SQLITE, migrations.MIGRATIONS))
    with Store(root) as store:
        assert len(store.search("run_name IN ('a', 'b')").runs) == 2
        histories.check(store)


LIST = """
import sys
from runner.tracking.store import Store
with Store(sys.argv[1]) as store:
    print(len(store.search(limit=1000).runs))
"""


def test_readers_that_catch_up_at_once_agree(root: str) -> None:
    fill(root, *(f"run {number}" for number in range(200)))
    readers = [
        subprocess.Popen([sys.executable, "-c", LIST, root], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [reader.communicate()[0] for reader in readers] == ["200\n"] * 4
    with Store(root) as store:
        histories.check(store)


def test_a_locked_index_is_used_as_it_is(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "PATIENCE", 0.1)
    fill(root, "a")
    assert names(root) == ["a"]
    other = sqlite3.connect(os.path.join(root, "index.sqlite"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    fill(root, "b")
    assert names(root) == ["a"]
    other.execute("ROLLBACK")
    other.close()
    assert names(root) == ["a", "b"]


def test_nothing_is_looked_at_when_nothing_changed(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catchup, "RACY", 0)
    (run, _) = fill(root, "a", "b")
    settle(os.path.join(root, "runs"))
    with Store(root) as store:
        store.search()
        connection = store.index._connection
        assert connection is not None
        time.sleep(0.05)
        store.search()
        assert catchup.look(connection, root) is None
        writer = store.open_run(run)
        for number in range(3):  # the hint is given once; the log is watched from then on
            writer.tag("n", str(number))
            assert store.search(f"tags.n = '{number}'").runs
        work = catchup.look(connection, root)
        assert work is None or not work.runs


def test_a_killed_bulk_load_is_finished_by_the_next(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catchup, "BULK", 2)
    monkeypatch.setattr(catchup, "BATCH", 2)
    fill(root, *"abcdef")
    update, seen = catchup._update, []

    def killed(connection: sqlite3.Connection, root: str, run_id: str) -> None:
        seen.append(run_id)
        if len(seen) == 4:
            raise KeyboardInterrupt
        update(connection, root, run_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catchup, "_update", killed)
        with Store(root) as store, pytest.raises(KeyboardInterrupt):
            store.search()
    assert names(root) == list("abcdef")
    connection = sqlite3.connect(os.path.join(root, "index.sqlite"))
    found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    connection.close()
    assert found >= migrations.BY_VALUE.keys()


def test_the_journal_names_what_changed(root: str) -> None:
    (run,) = fill(root, "a")
    experiment = Store(root).create_experiment("mine")
    with open(os.path.join(root, "journal"), encoding="ascii") as file:
        lines = file.read().split()
    assert set(lines) == {run, f"e:{experiment}"}


def test_a_run_folder_without_a_log_is_no_run_until_it_has_one(root: str) -> None:
    fill(root, "a")
    folder = os.path.join(root, "runs", histories.run_id(1))
    os.mkdir(folder)
    assert names(root) == ["a"]
    start = {"type": "start", "time": 1, "run_id": histories.run_id(1), "name": "late"}
    with open(os.path.join(folder, "events.jsonl"), "w") as file:
        file.write(json.dumps(start) + "\n")
    os.utime(os.path.join(root, "runs"))
    assert names(root) == ["a", "late"]


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


WRITER = """
import random, sys, time
from runner.tracking.store import Store
store, rng = Store(sys.argv[1]), random.Random(sys.argv[2])
for number in range(40):
    with store.create_run(params={"number": number}) as writer:
        for step in range(rng.randrange(20)):
            writer.metric("loss", rng.random(), step)
            time.sleep(rng.random() * 0.002)
        writer.end("FINISHED", sync=False)
        if rng.random() < 0.3:
            writer.tag("late", "yes")
    if rng.random() < 0.1:
        store.purge(writer.run_id)
"""
READER = """
import sys, time
from runner.tracking.store import Store
with Store(sys.argv[1]) as store:
    end = time.monotonic() + 3
    while time.monotonic() < end:
        store.search("metrics.loss > 0.5", order_by=["metrics.loss DESC"], limit=10)
        time.sleep(0.02)
    assert store.index.path.startswith(sys.argv[1])
"""


@pytest.mark.slow
def test_writers_and_readers_at_once(root: str) -> None:
    programs = [WRITER, WRITER, WRITER, READER, READER]
    running = [
        subprocess.Popen([sys.executable, "-c", code, root, str(number)])
        for number, code in enumerate(programs)
    ]
    assert [process.wait() for process in running] == [0] * 5
    with Store(root) as store:
        histories.check(store)
        assert store.index.count() > 60
        assert store.problems() == []
