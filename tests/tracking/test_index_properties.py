"""index == fold(logs), whatever happened to the logs."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.tracking import entity, segments
from runner.tracking.fold import EVENTS
from runner.tracking.journal import hint
from runner.tracking.log import encode, read, read_all
from runner.tracking.store import Store
from tests.helpers import examples
from tests.tracking import histories

pytestmark = pytest.mark.usefixtures("dialect")
QUICK = settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(st.lists(histories.HISTORIES, max_size=4))
def test_random_histories(all_runs: list[list[dict[str, object]]]) -> None:
    with tempfile.TemporaryDirectory() as root, Store(root) as store:
        for number, history in enumerate(all_runs):
            histories.append(root, number, b"".join(histories.lines(history)))
        histories.check(store)


@QUICK
@given(
    st.lists(histories.HISTORIES, min_size=1, max_size=3),
    st.lists(
        st.tuples(st.integers(0, 2), st.one_of(st.integers(1, 200), histories.EVENTS), st.booleans()),
        max_size=25,
    ),
    st.integers(1, 8),
)
def test_random_interleavings_of_writers_and_readers(
    all_runs: list[list[dict[str, object]]],
    steps: list[tuple[int, int | dict[str, object], bool]],
    most: int,
) -> None:
    """Logs grow by any number of bytes, operations are added in segments, which are compacted, and the index is brought
    up to all that at any moment."""
    rest = [b"".join(histories.lines(history)) for history in all_runs]
    last = [(number, 1 << 20, False) for number in range(len(rest))]
    with tempfile.TemporaryDirectory() as root, Store(root) as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "MOST", most)
        for number, size, look in [*steps, *last]:
            number %= len(rest)
            directory = store.run_directory(histories.run_id(number))
            if isinstance(size, dict):
                os.makedirs(directory, exist_ok=True)
                entity.append(directory, size)
                hint(root, histories.run_id(number))
            elif rest[number]:
                histories.append(root, number, rest[number][:size])
                rest[number] = rest[number][size:]
                hint(root, histories.run_id(number))
            if look:
                histories.check(store)
        histories.check(store)
        shutil.copytree(os.path.join(root, "runs"), os.path.join(root, "copy", "runs"))
        with Store(os.path.join(root, "copy")) as copy:
            histories.check(copy)


@settings(max_examples=examples(8), deadline=None, suppress_health_check=list(HealthCheck))
@given(histories.HISTORIES)
def test_every_cut_of_the_last_line(history: list[dict[str, object]]) -> None:
    """A crash at any byte: the torn line does not count; what is written after it does."""
    *head, last = histories.lines(history)
    after = encode({"type": "tag", "time": 1, "key": "after", "value": "crash"})
    with tempfile.TemporaryDirectory() as root, Store(root) as store:
        for cut in range(len(last) + 1):
            histories.append(root, cut, b"".join(head) + last[:cut])
            hint(root, histories.run_id(cut))
        histories.check(store)
        for cut in range(len(last) + 1):
            if not head and cut < len(last):
                continue
            with store.open_run(histories.run_id(cut)) as writer:
                writer.log.append_lines([after])
            hint(root, histories.run_id(cut))
        histories.check(store)
        for run in store.search(limit=1000, view="all").runs:
            assert not head or run.tags["after"] == "crash"


@QUICK
@given(
    st.lists(
        st.one_of(histories.EVENTS.map(encode), st.binary(max_size=12).map(lambda b: b + b"\n")), max_size=9
    )
)
def test_both_readers_agree_on_any_bytes(lines: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as root:
        path = os.path.join(root, "log")
        with open(path, "wb") as file:
            file.write(b"".join(lines) + b'{"type": "torn')
        bad: list[tuple[int, bytes]] = []
        also_bad: list[tuple[int, bytes]] = []
        slow = list(read(path, corrupt=lambda *place: bad.append(place)))
        file_number = os.open(path, os.O_RDONLY)
        quick = list(read_all(file_number, corrupt=lambda *place: also_bad.append(place)))
        os.close(file_number)
        assert repr([event for event, _ in slow]) == repr([event for events, _ in quick for event in events])
        assert bad == [(place, line + b"\n") for place, line in also_bad]


ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just(10**400)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    [
        *(
            "key",
            "value",
            "timestamp",
            "step",
            "points",
            "time",
            "name",
            "status",
            "end_time",
            "start_time",
            "pid",
        ),
        *(
            "host",
            "group",
            "group_start",
            "pid_start",
            "boot_id",
            "path",
            "deleted",
            "tags",
            "digest",
            "text",
        ),
        *("run_id", "experiment_id", "kind", "parent", "lifecycle", "artifact_location"),
    ]
)
SPECIAL = st.sampled_from([10**400, float("inf"), float("nan"), [], {}, None, "x", [[]], {"a": []}, -1, True])
SUPERVISOR = {"host": os.uname().nodename, "pid": 1, "pid_start": "1", "boot_id": ""}
ODD = st.one_of(
    st.builds(lambda event, key, value: {**event, key: value}, histories.EVENTS, FIELDS, SPECIAL),
    st.builds(lambda key, value: {"type": "supervisor", **SUPERVISOR, key: value}, FIELDS, SPECIAL),
    st.builds(
        lambda kind, fields: {"time": 1, **fields, "type": kind},
        st.sampled_from([*EVENTS, "experiment"]),
        st.dictionaries(FIELDS, ANY, max_size=6),
    ),
)


@settings(max_examples=examples(100), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(ODD, histories.EVENTS), max_size=6), st.booleans())
def test_no_event_however_odd_breaks_a_reader(events: list[dict[str, object]], started: bool) -> None:
    """Logs come from other versions, other programs and other people."""
    run_id = histories.run_id(0)
    start: list[dict[str, object]] = [{"type": "start", "time": 1, "run_id": run_id}] if started else []
    with tempfile.TemporaryDirectory() as root, Store(root) as store:
        histories.append(root, 0, b"".join(encode(each) for each in [*start, *events]))
        os.makedirs(os.path.join(root, "experiments", "7"))
        with open(os.path.join(root, "experiments", "7", "events.jsonl"), "wb") as file:
            file.write(b"".join(encode(each) for each in events))
        found = store.search(view="all").runs
        assert len(found) >= started
        for run in found:
            store.read(run.run_id)
        store.experiments("all")
        store.history(run_id, "loss")
        store.problems()
        histories.check(store)
