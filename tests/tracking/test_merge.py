"""Stores that are copied into one another lose nothing; a log has one writer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.errors import StoreError
from runner.host import files, machine
from runner.tracking import events, segments
from runner.tracking.index import catchup
from runner.tracking.index.dialect import Database
from runner.tracking.journal import hint
from runner.tracking.log import dump, new_run_id
from runner.tracking.reading import read_on
from runner.tracking.segments import NewerFormatError
from runner.tracking.store import Store
from runner.values import Silent
from tests.helpers import examples
from tests.tracking import histories
from tests.tracking.histories import names, settle
from tests.tracking.test_index import rsync

pytestmark = pytest.mark.usefixtures("dialect")


def log_of(root: str, run_id: str) -> bytes:
    with open(os.path.join(root, "runs", run_id, "events.jsonl"), "rb") as file:
        return file.read()


def finished(root: str, **keys: Any) -> str:
    with Store(root).create_run(**keys) as writer:
        writer.metric("loss", 0.5, 1, 1)
        writer.end("FINISHED", sync=False)
    return writer.run_id


# ---- two stores --------------------------------------------------------------------------------------------


def test_an_experiment_that_both_stores_hold(root: str) -> None:
    a, b, c = (os.path.join(root, name) for name in "abc")
    for each, key in ((a, "of a"), (b, "of b")):
        with Store(each) as store:
            experiment = store.ensure_experiment("shared")
            store.tag_experiment(experiment, key, "1")
            store.tag_experiment("0", key, "2")
            store.tag_experiment(experiment, "both", key)
    for _ in range(2):
        for each in (a, b):
            rsync(each, c)
    with Store(c) as store:
        found = store.experiment_by_name("shared")
        assert found is not None
        assert found.tags == {"of a": "1", "of b": "1", "both": "of b"}
        assert store.experiment("0").tags == {"of a": "2", "of b": "2"}
        assert len(store.experiments()) == 2


def test_two_copies_of_a_run_that_are_changed_in_different_ways(root: str) -> None:
    a, b, c = (os.path.join(root, name) for name in "abc")
    run_id = finished(a, name="one", tags={"old": "x"})
    rsync(a, b)
    before = log_of(a, run_id)
    with Store(a) as store, store.open_run(run_id) as writer:
        writer.tag("of a", "1")
        writer.untag("old")
        writer.metric("late", 1.0, 0, 1)
    with Store(b) as store, store.open_run(run_id) as writer:
        writer.tag("of b", "1")
        writer.rename("renamed")
        writer.append(events.verification("identical", "", ["x"], "report"))
    for each in (a, b, a):
        rsync(each, c)
        assert log_of(c, run_id) == before
    for each in (c, a, b):
        rsync(c, each)
        with Store(each) as store:
            (run,) = store.search("tags.`of a` = '1' and tags.`of b` = '1'").runs
            assert (run.name, run.metrics["late"].value, len(run.verifications)) == ("renamed", 1.0, 1)
            assert "old" not in run.tags
            assert store.read(run_id) == run
            assert [point.value for point in store.history(run_id, "late").points] == [1.0]
            histories.check(store)


def test_deleted_in_one_and_tagged_in_the_other(root: str) -> None:
    a, b = (os.path.join(root, name) for name in "ab")
    run_id = finished(a, name="one")
    rsync(a, b)
    Store(a).delete_run(run_id)
    with Store(b) as store, store.open_run(run_id) as writer:
        writer.tag("k", "v")
    rsync(a, b)
    rsync(b, a)
    for each in (a, b):
        with Store(each) as store:
            assert store.search().runs == ()
            assert [run.tags["k"] for run in store.search(view="deleted").runs] == ["v"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.integers(0, 2), histories.EVENTS),
        st.tuples(st.just("experiment"), st.integers(0, 2), st.sampled_from("abc")),
        st.tuples(st.just("copy"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("look"), st.integers(0, 2), st.none()),
    ),
    max_size=16,
)


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS, st.integers(1, 4))
def test_three_stores_merged_in_any_order_have_one_state(
    steps: list[tuple[str, int, Any]], most: int
) -> None:
    """Whatever is done to a run that has ended, and to an experiment; the indexes follow."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "MOST", most)
        patch.setattr(catchup, "SWEEP_EVERY", 0.0)  # an older copy of a journal may be put over a newer one
        roots = [os.path.join(folder, name) for name in "abc"]
        run_id = finished(roots[0], name="one")
        stores = [Store(root) for root in roots]
        for root, store in zip(roots, stores, strict=True):
            copy(roots[0], root)
            store.ensure_experiment("shared")
        shared = stores[0].ensure_experiment("shared")
        for number, (kind, where, what) in enumerate(steps):
            if kind == "run":
                with stores[where].open_run(run_id) as writer:
                    writer.append(what)
            elif kind == "experiment":
                stores[where].rename_experiment(shared, f"{what}{number}")
                stores[where].tag_experiment(shared, what, str(number))
            elif kind == "look":
                histories.check(stores[where])
            else:
                copy(roots[where], roots[what])
        for _ in range(2):
            for source in roots:
                for target in roots:
                    copy(source, target)
        assert len({repr(store.read(run_id)) for store in stores}) == 1
        assert len({repr(store.experiment(shared)) for store in stores}) == 1
        assert len({log_of(root, run_id) for root in roots}) == 1
        for store in stores:
            histories.check(store)
            (name, lifecycle) = store.index.ask(lambda connection: of(connection, shared))
            assert (name, lifecycle) == store.experiment(shared)[1:4:2]
            store.close()


def of(connection: Database, experiment_id: str) -> tuple[str, str]:
    sql = "SELECT name, lifecycle FROM experiments WHERE experiment_id = ?"
    found: tuple[str, str] = connection.execute(sql, (experiment_id,)).fetchone()
    return found


def copy(source: str, target: str) -> None:
    """All that is in a store but its index, over what is there."""
    if source != target:
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("index.*"))


# ---- one writer --------------------------------------------------------------------------------------------


def test_a_log_is_closed_by_its_end(root: str) -> None:
    store = Store(root)
    writer = store.create_run()
    with store.open_run(writer.run_id) as other:  # on this host, while the run is on
        other.tag("while", "on")
        writer.end("FAILED", exit_code=3, sync=False)
        before = log_of(root, writer.run_id)
        assert b'"while"' in before
        assert before.endswith(b',"closed":true}\n')
        other.tag("after", "1")
        writer.tag("after", "2")
    writer.close()
    with store.open_run(writer.run_id) as later:
        later.tag("after", "3")
    assert log_of(root, writer.run_id) == before
    run = store.read(writer.run_id)
    assert (run.tags["after"], run.end) == ("3", {"status": "FAILED", "exit_code": 3, "reason": "exit"})


def test_a_client_closes_its_run_and_goes_on_with_it(root: str) -> None:
    store = Store(root)
    with store.create_run(kind="client") as writer:
        writer.append(events.update(status="FINISHED"))
        before = log_of(root, writer.run_id)
        writer.append(events.update(status="RUNNING"))
        assert store.read(writer.run_id).status == "RUNNING"
        writer.metrics([("loss", float(step), 1, step) for step in range(7000)])
        writer.append(events.update(status="FAILED"))
    assert log_of(root, writer.run_id) == before
    with Store(root) as reader:
        assert reader.read(writer.run_id).status == "FAILED"
        assert len(reader.history(writer.run_id, "loss", 10_000).points) == 7000
        page = reader.history(writer.run_id, "loss", 5000)
        assert len(reader.history(writer.run_id, "loss", 5000, page.next_page_token).points) == 2000
        histories.check(reader)


@pytest.mark.parametrize("change", ["copied", "another host", "an older version", "started again"])
def test_whose_log_it_is(root: str, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is on: only on its own host, and only in its own file."""
    store = Store(root)
    writer = store.create_run()
    path = os.path.join(writer.directory, "events.jsonl")
    if change == "copied":
        shutil.copytree(root, root + "-copy")
        store = Store(root + "-copy")
        path = path.replace(root, root + "-copy")
    elif change == "an older version":
        with open(path, "rb") as file:
            start = {key: value for key, value in json.loads(file.readline()).items() if key != "writer"}
        with open(path, "wb") as file:
            file.write(dump(start))
    else:
        monkeypatch.setattr(machine, "boot_id", lambda: "another")
        if change == "another host":
            system = os.uname()
            monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "elsewhere", *system[2:])))
    size = os.path.getsize(path)
    with store.open_run(writer.run_id) as other:
        other.tag("k", "v")
    assert (os.path.getsize(path) > size) == (change == "started again")
    assert store.read(writer.run_id).tags["k"] == "v"
    writer.close()


def test_a_removed_run_is_not_brought_back(root: str) -> None:
    store = Store(root)
    run_id = finished(root)
    writer = store.open_run(run_id)
    store.purge(run_id)
    with pytest.raises(StoreError):
        writer.tag("k", "v")
    assert not os.path.exists(store.run_directory(run_id))


# ---- the index ---------------------------------------------------------------------------------------------


def test_segments_that_came_to_a_single_run(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the journal tells of them, nor the folder of runs; a new process finds them."""
    monkeypatch.setattr(files, "settled", lambda found, at: True)
    other = root + "-other"
    run_id = finished(root, name="one")
    rsync(root, other)
    with Store(other) as store, store.open_run(run_id) as writer:
        writer.tag("later", "yes")
    settle(root)
    assert names(root) == ["one"]
    rsync(os.path.join(other, "runs", run_id), os.path.join(root, "runs", run_id))
    with Store(root) as store:
        assert [run.name for run in store.search("tags.later = 'yes'").runs] == ["one"]
        monkeypatch.setattr(catchup, "SWEEP_EVERY", 0.0)
        shutil.rmtree(os.path.join(root, "runs", run_id, "segments"))
        assert store.search("tags.later = 'yes'").runs == ()
        histories.check(store)


def test_only_what_is_new_is_applied(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = finished(root)
    directory = os.path.join(root, "runs", run_id)
    with Store(root) as store, store.open_run(run_id) as writer:
        writer.tag("a", "1")
        first = read_on(directory)
        writer.tag("b", "2")
        seen: list[Any] = []
        read = segments.read
        monkeypatch.setattr(
            segments, "read", lambda *args: seen.append(read(*args).operations) or read(*args)
        )
        second = read_on(directory, first)
        assert second.run == store.read(run_id)
        assert [[each["key"] for each in found] for found in seen[:1]] == [["b"]]
        assert read_on(directory, second) == second._replace(start=second.position)


def test_what_a_newer_version_wrote_is_not_shown_and_that_is_said(root: str) -> None:
    said: list[str] = []

    class Told(Silent):
        def warn(self, text: str) -> None:
            said.append(text)

    first, second = finished(root, name="first"), finished(root, name="second")
    shared = Store(root).ensure_experiment("shared")
    third = finished(root, name="third", experiment_id=shared)
    for thing in (f"runs/{second}", f"experiments/{shared}"):
        folder = os.path.join(root, thing, "segments")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"{new_run_id()}.jsonl"), "wb") as file:
            file.write(dump({"type": "segment", "format": 2}) + b"{}\n")
    hint(root, second)
    hint(root, f"e:{shared}")
    with Store(root, Told()) as store:
        for _ in range(2):
            assert [run.run_id for run in store.search().runs] == [first]
        (text,) = said
        assert text.startswith("2 runs or experiments are not shown: a newer version of proj wrote them")
        assert store.read(third).name == "third"
        for call in (lambda: store.read(second), lambda: store.experiment(shared)):
            with pytest.raises(
                NewerFormatError, match="newer version of proj \\(format 2; this one knows 1\\)"
            ):
                call()
        assert [name for name, _, _ in store.problems()] == sorted([second, f"e:{shared}"])
    start = {"type": "start", "format": 99, "time": 1, "run_id": first}
    with open(os.path.join(root, "runs", first, "events.jsonl"), "wb") as log:
        log.write(dump(start))
    with pytest.raises(NewerFormatError, match="format 99; this one knows 2"):
        Store(root).read(first)


TAG = """
import sys
from runner.tracking.store import Store
for number in range(15):
    with Store(sys.argv[1]).open_run(sys.argv[2]) as writer:
        writer.tag(f"{sys.argv[3]} {number}", "x")
"""


def test_many_processes_tag_a_run_that_has_ended(root: str) -> None:
    run_id = finished(root)
    argv = [sys.executable, "-c", TAG, root, run_id]
    writers = [subprocess.Popen([*argv, str(number)]) for number in range(4)]
    with Store(root) as store:
        seen = 0
        while any(writer.poll() is None for writer in writers):
            (run,) = store.search().runs
            assert len(run.tags) >= seen
            seen = len(run.tags)
        assert [writer.wait() for writer in writers] == [0] * 4
        (run,) = store.search().runs
        assert len(run.tags) == 61  # and the name's
        histories.check(store)
