"""The derived file of a run's curves holds what the log says, however it was extended, cut or spoiled."""

from __future__ import annotations

import math
import os
import random
from array import array
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.tracking import events
from runner.tracking.curves import MOST, Columns, Curves, coarser, merged, thin
from runner.tracking.events import Metric
from runner.tracking.store import Store
from runner.tracking.writer import RunWriter
from tests.helpers import examples


@pytest.fixture
def writer(tmp_path: object) -> RunWriter:
    return Store(os.path.join(str(tmp_path), "store")).create_run(name="a")


@pytest.fixture
def folder(tmp_path: object) -> str:
    return os.path.join(str(tmp_path), "curves")


def log(writer: RunWriter, name: str, points: list[tuple[int, float]]) -> None:
    writer.append(events.metrics([(name, value, 1000 + step, step) for step, value in points]))


def shown(columns: Columns) -> list[tuple[int, float]]:
    return list(zip(columns.steps, columns.values, strict=True))


def test_points_are_ordered_and_count_once(writer: RunWriter, folder: str) -> None:
    log(writer, "loss", [(3, 0.3), (1, 0.1), (2, math.nan), (1, 0.1), (2, math.nan), (2, -math.inf)])
    curves = Curves(writer.directory, folder)
    assert curves.refresh()
    assert not curves.refresh()
    assert repr(shown(curves.columns("loss"))) == "[(1, 0.1), (2, nan), (2, -inf), (3, 0.3)]"
    assert shown(curves.columns("other")) == []


def test_it_is_extended_while_the_run_is_on(writer: RunWriter, folder: str) -> None:
    curves = Curves(writer.directory, folder)
    for start in range(0, 12_000, 600):
        log(writer, "loss", [(step, step / 7) for step in range(start, start + 600)])
        assert curves.refresh()
        other = Curves(writer.directory, folder)  # another process, which finds what this one has kept
        other.refresh()
        assert shown(other.columns("loss")) == [(step, step / 7) for step in range(start + 600)]
        assert shown(curves.columns("loss")) == shown(other.columns("loss"))
        assert repr(curves.curve("loss")) == repr(thin(curves.columns("loss")))


def test_a_point_from_before(writer: RunWriter, folder: str) -> None:
    curves = Curves(writer.directory, folder)
    log(writer, "loss", [(step, 1.0) for step in range(10, 5000)])
    curves.refresh()
    log(writer, "loss", [(5, 2.0), (5000, 3.0)])
    curves.refresh()
    assert shown(curves.columns("loss"))[0] == (5, 2.0)
    assert shown(curves.columns("loss"))[-1] == (5000, 3.0)
    assert curves.curve("loss").steps[0] == 5


@pytest.mark.parametrize("spoil", ["cut", "flip", "empty", "replaced", "pipe"])
def test_a_spoilt_file_is_made_again(writer: RunWriter, folder: str, spoil: str) -> None:
    expected = [(step, float(step)) for step in range(3000)]
    log(writer, "loss", expected)
    curves = Curves(writer.directory, folder)
    curves.refresh(ended=True)
    (path,) = [os.path.join(root, name) for root, _, names in os.walk(folder) for name in names]
    with open(path, "rb") as file:
        data = file.read()
    os.unlink(path)
    if spoil == "pipe":
        os.mkfifo(path)
    else:
        with open(path, "wb") as file:
            file.write(
                {"cut": data[:-5], "flip": data[:-1] + b"x", "empty": b"", "replaced": b"x" * 999}[spoil]
            )
    again = Curves(writer.directory, folder)
    assert again.refresh(ended=True)
    assert shown(again.columns("loss")) == expected
    assert shown(curves.columns("loss")) == expected  # whoever has the old one open


def test_another_log_in_its_place(writer: RunWriter, folder: str, tmp_path: object) -> None:
    log(writer, "loss", [(step, 1.0) for step in range(3000)])
    curves = Curves(writer.directory, folder)
    curves.refresh(ended=True)
    writer.close()
    other = Store(os.path.join(str(tmp_path), "other")).create_run(name="b")
    log(other, "acc", [(1, 0.5)])
    os.replace(other.log.path, writer.log.path)
    for each in (curves, Curves(writer.directory, folder)):
        each.refresh()
        assert each.names() == ["acc"]
        assert shown(each.columns("acc")) == [(1, 0.5)]


def test_segments_count(writer: RunWriter, folder: str) -> None:
    from runner.tracking import entity

    log(writer, "loss", [(1, 1.0)])
    curves = Curves(writer.directory, folder)
    curves.refresh()
    writer.close()
    entity.append(writer.directory, events.metric("loss", 2.0, 1002, 2))
    assert curves.refresh()
    assert shown(curves.columns("loss")) == [(1, 1.0), (2, 2.0)]
    assert not curves.refresh()


def test_one_spike_is_seen_at_every_zoom(writer: RunWriter, folder: str) -> None:
    rng = random.Random(1)
    values = [rng.random() for _ in range(100_000)]
    values[61_234] = 50.0
    log(writer, "loss", list(enumerate(values)))
    curves = Curves(writer.directory, folder)
    curves.refresh(ended=True)
    first, last = 0, 99_999
    while last - first > 4:
        curve = curves.curve("loss", first, last)
        assert len(curve.steps) <= MOST
        assert max(curve.highs) == 50.0
        assert min(curve.lows) == min(values[first : last + 1])
        first, last = (first + 61_234) // 2, (last + 61_235) // 2
    assert curves.curve("loss", 61_234, 61_234).width == 1


points = st.lists(
    st.builds(
        Metric,
        st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1e308, -1e308]),
        st.integers(0, 3),
        st.integers(-3, 3),
    ),
    max_size=30,
)


@given(points, points, st.integers(1, 9))
@settings(max_examples=300)
def test_merging_and_thinning_lose_nothing(old: list[Metric], new: list[Metric], most: int) -> None:
    def columns_of(points: list[Metric]) -> Columns:
        kinds = (("q", "step"), ("q", "timestamp"), ("d", "value"))
        return Columns(*(array(kind, [getattr(each, name) for each in points]) for kind, name in kinds))

    columns = merged(merged(columns_of([]), columns_of(old)), columns_of(new))

    def same(point: Any) -> str:
        return repr((point.step, point.timestamp, point.value + 0.0))

    assert len(columns.steps) == len({same(each) for each in old + new})
    assert list(columns.steps) == sorted(columns.steps)
    curve = thin(columns, most)
    assert len(curve.steps) <= most
    finite = [value for value in columns.values if abs(value) < math.inf]
    if finite:
        assert min(each for each in curve.lows if abs(each) < math.inf) == min(finite)
        assert max(each for each in curve.highs if abs(each) < math.inf) == max(finite)
    if curve.width > 1:
        for low, mean, high in zip(curve.lows, curve.means, curve.highs, strict=True):
            slack = 1e-9 * max(abs(low), abs(high))
            assert math.isnan(mean) or low - slack <= mean <= high + slack


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), min_size=1, max_size=300),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_buckets_of_buckets_reach_as_far(values: list[float], most: int, more: int) -> None:
    columns = Columns(array("q", range(len(values))), array("q", range(len(values))), array("d", values))
    fine = thin(columns, max(most, more))
    found, wanted = coarser(fine, min(most, more), len(values)), thin(columns, min(most, more))
    assert found[:4] == wanted[:4]
    for ours, theirs in zip(found[5:7], wanted[5:7], strict=True):
        assert list(map(str, ours)) == list(map(str, theirs))
    assert str(found.lasts) == str(wanted.lasts)
    if not any(value != value for value in values):
        assert list(found.means) == pytest.approx(list(wanted.means), abs=1e-6)
