"""Segments: whoever writes, whatever is copied where and however often, there is one state."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.errors import StoreError
from runner.tracking import entity, events, log, segments
from runner.tracking.events import Event
from runner.tracking.segments import NewerFormatError, Segment
from tests.helpers import examples

QUICK = settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))


def copy(source: str, target: str) -> None:
    """As cp -r and rsync do: each file over the one of the same name; nothing is removed."""
    if source != target:
        shutil.copytree(source, target, dirs_exist_ok=True)


def tags(thing: str) -> dict[str, str]:
    def apply(state: dict[str, str] | None, event: Event) -> dict[str, str]:
        left = {key: value for key, value in (state or {}).items() if key != event["key"]}
        return {**left, event["key"]: event["value"]} if event["type"] == "tag" else left

    return entity.fold(thing, apply) or {}


def ids(thing: str) -> list[str]:
    return [event["op"] for event in segments.read(thing).operations]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("do"), st.integers(0, 2), st.sampled_from("abc"), st.integers(0, 9)),
        st.tuples(st.just("undo"), st.integers(0, 2), st.sampled_from("abc")),
        st.tuples(st.just("copy"), st.integers(0, 2), st.integers(0, 2)),
    ),
    max_size=30,
)


@QUICK
@given(STEPS, st.integers(1, 4), st.permutations([(0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2)]))
def test_random_histories_merged_in_any_order_give_one_state(
    steps: list[tuple[object, ...]], most: int, last: list[tuple[int, int]]
) -> None:
    """On three stores, copied to each other at any moment, older copies over newer ones too; compacted early."""
    done: set[str] = set()
    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "MOST", most)
        things = [os.path.join(root, name) for name in "abc"]
        for thing in things:
            os.mkdir(thing)
        for kind, where, *more in steps:
            thing = things[int(str(where))]
            if kind == "copy":
                copy(thing, things[int(str(more[0]))])
                continue
            new = events.tag(*map(str, more)) if kind == "do" else events.untag(str(more[0]))
            before = tags(thing)
            entity.append(thing, new)
            done |= set(ids(thing))
            now = {**before, str(more[0]): str(more[1])} if kind == "do" else before
            if kind == "undo":
                now.pop(str(more[0]), None)
            assert tags(thing) == now  # what is seen is changed, whatever the clocks say
        for source, target in [*last, *last]:
            copy(things[source], things[target])
        states = [tags(thing) for thing in things]
        assert states[0] == states[1] == states[2]
        for thing in things:
            assert set(ids(thing)) == done
            assert len(ids(thing)) == len(done)


def test_more_than_eight_are_compacted_and_may_come_back(tmp_path: object) -> None:
    thing, old = os.path.join(str(tmp_path), "thing"), os.path.join(str(tmp_path), "old")
    os.mkdir(thing)
    for number in range(8):
        entity.append(thing, events.tag("n", str(number)))
    assert len(segments.names(thing)) == 8
    copy(thing, old)
    entity.append(thing, events.tag("n", "8"))
    assert len(segments.names(thing)) == 1
    assert len(os.listdir(segments.folder_of(thing))) == 1
    copy(old, thing)
    assert len(segments.names(thing)) == 9
    assert len(ids(thing)) == 9
    assert tags(thing) == {"n": "8"}
    entity.append(thing, events.tag("m", "x"))
    assert len(segments.names(thing)) == 1
    assert len(ids(thing)) == 10


def test_what_is_being_written_or_is_damaged_is_not_compacted(tmp_path: object) -> None:
    thing = str(tmp_path)
    writer = Segment(thing)
    writer.append([events.tag("live", "1")])
    with open(os.path.join(segments.folder_of(thing), f"{log.new_run_id()}.jsonl"), "wb") as file:
        file.write(log.encode({"type": "segment", "format": 1}) + b"not an event\n")
    for number in range(12):
        entity.append(thing, events.tag("n", str(number)))
    writer.append([events.tag("live", "2")])
    assert tags(thing) == {"live": "2", "n": "11"}
    writer.close()
    assert len(ids(thing)) == 14
    bad: list[bytes] = []
    segments.read(thing, corrupt=lambda _, line: bad.append(line))
    assert bad == [b"not an event"]


def test_a_segment_that_rests_is_not_gone_on_with(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been copied meanwhile; the copy, put over a longer one, would lose what came later."""
    writer = Segment(str(tmp_path))
    writer.append([events.tag("a", "1")])
    writer.append([events.tag("a", "2")])
    assert len(segments.names(str(tmp_path))) == 1
    monkeypatch.setattr(segments, "IDLE", 0.01)
    time.sleep(0.02)
    writer.append([events.tag("a", "3")])
    writer.close()
    assert len(segments.names(str(tmp_path))) == 2
    assert tags(str(tmp_path)) == {"a": "3"}


def test_killed_at_any_byte(tmp_path: object) -> None:
    whole = os.path.join(str(tmp_path), "whole")
    os.mkdir(whole)
    entity.append(whole, events.tag("a", "1"), events.tag("größe", "2"), events.untag("a"))
    (name,) = segments.names(whole)
    with open(os.path.join(segments.folder_of(whole), name), "rb") as file:
        data = file.read()
    lines = data.splitlines(keepends=True)
    for cut in range(len(data) + 1):
        thing = os.path.join(str(tmp_path), str(cut))
        os.makedirs(segments.folder_of(thing))
        with open(os.path.join(segments.folder_of(thing), name), "wb") as file:
            file.write(data[:cut])
        there = sum(1 for number in range(2, len(lines) + 1) if cut >= len(b"".join(lines[:number])))
        assert len(ids(thing)) == there
        entity.append(thing, events.tag("after", "x"))
        assert len(ids(thing)) == there + 1
        assert tags(thing)["after"] == "x"
        if cut % 20 == 0:
            for number in range(segments.MOST + 1):
                entity.append(thing, events.tag("more", str(number)))
            assert len(ids(thing)) == there + 2 + segments.MOST
            assert len(segments.names(thing)) <= segments.MOST


@pytest.mark.parametrize("moment", ["draft", "renamed", "half removed"])
def test_compaction_that_was_killed_loses_nothing(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    thing = str(tmp_path)
    for number in range(8):
        entity.append(thing, events.tag(str(number), "x"))

    def killed(*args: object, **more: object) -> None:
        raise KeyboardInterrupt

    removed: list[str] = []
    unlink = os.unlink

    def half(path: str) -> None:
        removed.append(path)
        if len(removed) == 5:
            raise KeyboardInterrupt
        unlink(path)

    with monkeypatch.context() as patch:
        if moment == "draft":
            patch.setattr(os, "replace", killed)
        else:
            patch.setattr(os, "unlink", killed if moment == "renamed" else half)
        with pytest.raises(KeyboardInterrupt):
            entity.append(thing, events.tag("8", "x"))
    assert sorted(tags(thing)) == [str(number) for number in range(9)]
    assert len(ids(thing)) == 9
    entity.append(thing, events.tag("9", "x"))
    assert len(ids(thing)) == 10
    assert len(segments.names(thing)) <= segments.MOST


def test_a_newer_format_is_not_guessed(tmp_path: object) -> None:
    thing = str(tmp_path)
    entity.append(thing, events.tag("a", "1"))
    path = os.path.join(segments.folder_of(thing), f"{log.new_run_id()}.jsonl")
    with open(path, "wb") as file:
        file.write(log.encode({"type": "segment", "format": 2}) + b'{"op": "of the future"}\n')
    with pytest.raises(
        NewerFormatError, match="newer version of proj \\(format 2; this one knows 1\\)"
    ) as caught:
        tags(thing)
    assert "upgrade" in caught.value.hint
    for number in range(12):  # one may still write, and what is not understood is not touched
        entity.append(thing, events.tag("n", str(number)))
    assert os.path.exists(path)
    os.unlink(path)
    with open(os.path.join(thing, "events.jsonl"), "wb") as file:
        file.write(log.encode({"type": "experiment", "time": 1, "format": 99}))
    with pytest.raises(NewerFormatError, match="format 99"):
        tags(thing)


def test_a_clock_that_jumps_back(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done after something was seen counts after it; the times are what the clock said."""
    thing, clock = str(tmp_path), [2_000_000_000_000_000_000]
    monkeypatch.setattr(log.time, "time_ns", lambda: clock[0])
    entity.append(thing, events.tag("a", "first"))
    clock[0] -= 3_600_000_000_000
    for number in range(3):
        entity.append(thing, events.tag("a", str(number)), events.tag("b", str(number)))
    assert tags(thing) == {"a": "2", "b": "2"}
    times = [event["time"] for event in segments.read(thing).operations]
    assert times == [2_000_000_000_000, *[1_999_996_400_000] * 6]


def test_a_segment_that_does_not_state_its_format_is_not_read(tmp_path: object) -> None:
    thing = str(tmp_path)
    entity.append(thing, events.tag("a", "1"))
    line = log.dump({"op": log.new_run_id(), "type": "tag", "time": 1, "key": "b", "value": "2"})
    for text in (line, b"damaged\n" + line, b""):
        with open(os.path.join(segments.folder_of(thing), f"{log.new_run_id()}.jsonl"), "wb") as file:
            file.write(text)
    bad: list[bytes] = []
    found = segments.read(thing, corrupt=lambda _, each: bad.append(each))
    assert [each["key"] for each in found.operations] == ["a"]
    assert len(bad) == 3
    assert not segments.changed(thing, found.offsets)


@pytest.mark.parametrize("time", [None, "now", 1.5, True, [], {}, 1 << 70, float("inf")])
def test_an_operation_without_a_time_does_not_count(time: object, tmp_path: object) -> None:
    thing = str(tmp_path)
    entity.append(thing, events.tag("a", "1"))
    (name,) = segments.names(thing)
    odd = {"op": log.new_run_id(), "type": "tag", "time": time, "key": "b", "value": "2"}
    with open(os.path.join(segments.folder_of(thing), name), "ab") as file:
        file.write(log.dump(odd) + log.dump({key: odd[key] for key in odd if key != "time"}))
    bad: list[bytes] = []
    found = segments.read(thing, corrupt=lambda _, each: bad.append(each))
    assert [each["key"] for each in found.operations] == ["a"]
    assert len(bad) == 2


def test_a_torn_line_is_not_looked_at_again_and_again(tmp_path: object) -> None:
    thing = str(tmp_path)
    entity.append(thing, events.tag("a", "1"))
    (name,) = segments.names(thing)
    with open(os.path.join(segments.folder_of(thing), name), "ab") as file:
        file.write(b'{"op":"')
        file.flush()
        found = segments.read(thing)
        assert not segments.changed(thing, found.offsets)
        file.write(f'{log.new_run_id()}","type":"untag","time":1,"key":"a"}}\n'.encode())
    assert segments.changed(thing, found.offsets)
    assert len(segments.read(thing, found.offsets).operations) == 1


def test_what_is_read_on(tmp_path: object) -> None:
    thing = str(tmp_path)
    writer = Segment(thing)
    writer.append([events.tag("a", "1")])
    first = segments.read(thing)
    assert not segments.changed(thing, first.offsets)
    writer.append([events.tag("a", "2")])
    assert segments.changed(thing, first.offsets)
    entity.append(thing, events.tag("a", "3"))
    second = segments.read(thing, first.offsets)
    assert [event["value"] for event in second.operations] == ["2", "3"]
    assert segments.read(thing, second.offsets).operations == []
    writer.close()


WRITE = """
import sys
from runner.tracking import entity, events
for number in range(60):
    entity.append(sys.argv[1], events.tag(f"{sys.argv[2]} {number}", "x"))
"""


def test_many_writers_and_a_reader_while_it_is_compacted(tmp_path: object) -> None:
    thing = os.path.join(str(tmp_path), "thing")
    os.mkdir(thing)
    writers = [subprocess.Popen([sys.executable, "-c", WRITE, thing, str(number)]) for number in range(4)]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        found = len(tags(thing))
        assert found >= seen
        seen = found
        time.sleep(0.005)
    assert [writer.wait() for writer in writers] == [0] * 4
    assert len(tags(thing)) == 240
    assert len(ids(thing)) == 240
    assert len(segments.names(thing)) < 20


def test_what_cannot_be_written_is_an_error(tmp_path: object) -> None:
    thing = os.path.join(str(tmp_path), "thing")
    with open(thing, "w") as file:
        json.dump({}, file)
    with pytest.raises(StoreError, match="Not a directory"):
        entity.append(thing, events.deleted())
