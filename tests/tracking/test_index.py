"""The index follows the logs wherever they go, and is never in the way."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from runner.errors import StoreError
from runner.host import files
from runner.tracking import journal
from runner.tracking.index import catchup, location, schema
from runner.tracking.index.dialect import Database
from runner.tracking.log import encode
from runner.tracking.store import Store
from tests.tracking import histories
from tests.tracking.histories import ask, execute, fill, names, settle

pytestmark = pytest.mark.usefixtures("dialect")


def test_deleting_the_index_loses_nothing(root: str, dialect: str) -> None:
    fill(root, "a", "b")
    assert names(root) == ["a", "b"]
    if dialect == "sqlite":
        os.unlink(os.path.join(root, "index.sqlite"))
    else:
        ask(root, f"DROP SCHEMA {location.schema(root)} CASCADE")
    assert names(root) == ["a", "b"]


def rsync(source: str, target: str) -> None:
    """rsync -a source/ target/, or what it does."""
    if shutil.which("rsync"):
        subprocess.run(["rsync", "-a", f"{source}/", f"{target}/"], check=True)
        return
    for folder, _, found in os.walk(source):
        there = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(there, exist_ok=True)
        for name in found:
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
    monkeypatch.setattr(files, "settled", lambda found, at: True)
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


def test_a_moved_and_a_copied_store(root: str, dialect: str) -> None:
    fill(root, "a")
    assert names(root) == ["a"]
    os.rename(root, root + "-moved")
    fill(root + "-moved", "b")
    assert names(root + "-moved") == ["a", "b"]
    shutil.copytree(root + "-moved", root)
    fill(root, "c")
    assert names(root) == ["a", "b", "c"]
    assert names(root + "-moved") == ["a", "b"]
    if dialect == "sqlite":
        ((made_for,),) = ask(root, "SELECT value FROM meta WHERE key = 'inode'")
        # made again, not trusted
        assert int(made_for) == os.stat(os.path.join(root, "index.sqlite")).st_ino
    else:
        assert location.schema(root) != location.schema(root + "-moved")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE meta SET value = '99:0' WHERE key = 'format'",
        "DELETE FROM meta WHERE key = 'format'",  # as before there were formats
    ],
    ids=["another format", "none"],
)
def test_an_index_of_another_format_is_made_again(root: str, change: str) -> None:
    fill(root, "a", "b")
    assert names(root) == ["a", "b"]
    with Store(root) as store:
        for sql in ("ALTER TABLE runs RENAME COLUMN host TO something", change):
            store.index.ask(functools.partial(execute, sql=sql), refresh=False)
    assert names(root) == ["a", "b"]
    with Store(root) as store:
        histories.check(store)
        assert store.index.path.startswith(os.environ.get("PROJ_INDEX", root))


def test_a_failed_step_leaves_no_half_made_index(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, "a")
    with monkeypatch.context() as broken, Store(root) as store:
        broken.setattr(schema, "TABLES", (*schema.TABLES, "this is not SQL"))
        with pytest.raises(StoreError, match="syntax error"):
            store.search()
    assert names(root) == ["a"]


def test_another_meaning_of_events_is_another_format(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number is raised in a version in which events mean something else."""
    fill(root, "a", "b")
    assert names(root) == ["a", "b"]
    ask(root, "UPDATE runs SET name = 'as it was understood before'")
    monkeypatch.setattr(schema, "FORMAT", "9" + schema.FORMAT[1:])
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
    monkeypatch.setattr(catchup, "PATIENCE", 0.1)
    fill(root, "a")
    assert names(root) == ["a"]
    with Store(root) as other:
        other.index.ask(lambda connection: connection.execute(connection.dialect.begin))
        fill(root, "b")
        assert names(root) == ["a"]
        other.index.ask(functools.partial(execute, sql="ROLLBACK"), refresh=False)
    assert names(root) == ["a", "b"]


def test_nothing_is_looked_at_when_nothing_changed(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "settled", lambda found, at: True)
    (run, _) = fill(root, "a", "b")
    settle(os.path.join(root, "runs"))
    with Store(root) as store:
        store.search()
        connection = store.index.home.connection
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


def test_runs_that_clients_left_running_are_not_looked_at(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be tens of thousands; what is written to one of them is found by its hint."""
    monkeypatch.setattr(files, "settled", lambda found, at: True)
    old = [Store(root).create_run("0", name=f"r{number}", kind="client") for number in range(5)]
    settle(root)
    with Store(root) as store:
        assert len(store.search().runs) == 5
        looked: list[str] = []
        path = catchup._directory
        monkeypatch.setattr(
            catchup, "_directory", lambda root, run_id: looked.append(run_id) or path(root, run_id)
        )
        assert len(store.search().runs) == 5
        assert looked == []
        old[2]._hinted = float("-inf")  # ten minutes later
        old[2].tag("late", "1")
        assert [run.name for run in store.search("tags.late = '1'").runs] == ["r2"]
        old[2].tag("later", "1")  # without a hint: it is watched again
        assert [run.name for run in store.search("tags.later = '1'").runs] == ["r2"]
        assert set(looked) == {old[2].run_id}
    for writer in old:
        writer.close()


def test_a_killed_bulk_load_is_finished_by_the_next(
    root: str, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catchup, "BULK", 2)
    monkeypatch.setattr(catchup, "BATCH", 2)
    fill(root, *"abcdef")
    update, seen = catchup._update, []

    def killed(connection: Database, root: str, run_id: str) -> None:
        seen.append(run_id)
        if len(seen) == 4:
            raise KeyboardInterrupt
        update(connection, root, run_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catchup, "_update", killed)
        with Store(root) as store, pytest.raises(KeyboardInterrupt):
            store.search()
    assert names(root) == list("abcdef")
    catalog = {"sqlite": "SELECT name FROM sqlite_master", "postgresql": "SELECT indexname FROM pg_indexes"}
    assert {name for (name,) in ask(root, catalog[dialect])} >= schema.BY_VALUE.keys()


def test_the_journal_names_what_changed(root: str) -> None:
    (run,) = fill(root, "a")
    experiment = Store(root).create_experiment("mine")
    with open(journal.path(root), encoding="ascii") as file:
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
import os, sys, time
from runner.tracking.store import Store
with Store(sys.argv[1]) as store:
    end = time.monotonic() + 3
    while time.monotonic() < end:
        store.search("metrics.loss > 0.5", order_by=["metrics.loss DESC"], limit=10)
        time.sleep(0.02)
    assert store.index.path.startswith(os.environ.get("PROJ_INDEX", sys.argv[1]))
"""


@pytest.mark.slow
def test_writers_and_readers_at_once(root: str) -> None:
    os.makedirs(root, exist_ok=True)  # the index of a store that is not there yet lies elsewhere
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
