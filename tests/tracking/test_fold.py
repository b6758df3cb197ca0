"""What events mean (docs/record.md)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.tracking.fold import Metric, Run, fold, from_json, to_json
from tests.tracking import histories

START = {"type": "start", "time": 1, "run_id": "r", "experiment_id": "7", "name": "first", "kind": "project"}


def after(*events: dict[str, Any], start: dict[str, Any] = START) -> Run:
    run = fold([start, *({"time": 5, **event} for event in events)])
    assert run is not None
    return run


def point(value: float, timestamp: int, step: int) -> dict[str, Any]:
    return {"type": "metric", "key": "m", "value": value, "timestamp": timestamp, "step": step}


@pytest.mark.parametrize(
    ("points", "latest"),
    [
        ([(1.0, 9, 0), (2.0, 1, 3), (3.0, 99, 2)], (2.0, 1, 3)),  # step first
        ([(1.0, 9, 0), (2.0, 1, 0)], (1.0, 9, 0)),  # then time
        ([(1.0, 9, 0), (3.0, 9, 0), (2.0, 9, 0)], (3.0, 9, 0)),  # then value
        ([(1.0, 9, 0), (float("nan"), 9, 0)], (1.0, 9, 0)),  # NaN has the rank of 0 in MLflow
        ([(1.0, 9, 0), (1.0, 9, 0)], (1.0, 9, 0)),
        ([(float("-inf"), 9, -1), (float("inf"), 9, -1)], (float("inf"), 9, -1)),
    ],
)
def test_latest_metric_is_mlflows(
    points: list[tuple[float, int, int]], latest: tuple[float, int, int]
) -> None:
    assert after(*(point(*each) for each in points)).metrics == {"m": Metric(*latest)}
    many = {"type": "metrics", "points": [["m", *each] for each in points]}
    assert after(many).metrics == {"m": Metric(*latest)}


def test_nan_takes_the_place_of_a_negative_number_as_in_mlflow() -> None:
    latest = after(point(-1.0, 9, 0), point(float("nan"), 9, 0)).metrics["m"].value
    assert latest != latest
    assert after(point(0.0, 9, 0), point(float("nan"), 9, 0)).metrics["m"].value == 0.0


def test_an_end_at_the_epoch_is_kept() -> None:
    run = after({"type": "update", "status": "FAILED", "end_time": 0}, start={**START, "kind": "client"})
    assert run.end_time == 0


def test_name_and_tag_are_one() -> None:
    assert after().tags["mlflow.runName"] == "first"
    assert after({"type": "tag", "key": "mlflow.runName", "value": "second"}).name == "second"
    run = after({"type": "update", "name": "third"})
    assert (run.name, run.tags["mlflow.runName"]) == ("third", "third")


def test_a_client_does_not_end_a_run_that_is_supervised() -> None:
    """The command's own client says FINISHED as it leaves; if the process then dies by a signal, that counts."""
    supervisor = {"type": "supervisor", "pid": 1}
    run = after(supervisor, {"type": "update", "status": "FINISHED", "end_time": 9})
    assert (run.status, run.end_time, run.sections["client"]["status"]) == ("RUNNING", None, "FINISHED")
    run = after(supervisor, {"type": "update", "status": "FINISHED"}, {"type": "end", "status": "KILLED"})
    assert run.status == "KILLED"


def test_a_client_ends_and_resumes_its_own_run() -> None:
    client = {**START, "kind": "client"}
    run = after({"type": "update", "status": "FAILED"}, start=client)
    assert (run.status, run.end_time) == ("FAILED", 5)
    run = after({"type": "update", "status": "FAILED"}, {"type": "update", "status": "RUNNING"}, start=client)
    assert (run.status, run.end_time, run.end) == ("RUNNING", None, {})


def test_sections_are_merged_and_a_new_supervisor_replaces() -> None:
    run = after(
        {"type": "machine", "host": "a", "cores": 2},
        {"type": "machine", "cores": 4},
        {"type": "supervisor", "pid": 1, "group": 2},
        {"type": "supervisor", "group": 3},
        {"type": "supervisor", "pid": 9},
    )
    assert run.sections == {"machine": {"host": "a", "cores": 4}, "supervisor": {"pid": 9}}


def test_what_lacks_what_it_needs_changes_nothing() -> None:
    bad: list[Any] = []
    events = [
        {"type": "tag", "time": 1, "key": "too early", "value": "x"},
        START,
        {"type": "metric", "time": 2, "key": "m", "value": "many", "timestamp": 1},
        {"type": "metrics", "time": 2, "points": [["m", 1.0, 1, 1], ["m"]]},
        {"type": "end", "time": 2, "status": "RUNNING"},
        {"type": "unheard of", "time": 2},
        START,
    ]
    run = fold(events, problem=bad.append)
    assert run == after()
    assert [each["type"] for each in bad] == ["tag", "metric", "metrics", "end"]


@pytest.mark.parametrize(
    "event",
    [
        point(10**400, 1, 1),
        point(1.0, float("inf"), 1),  # type: ignore[arg-type]
        {"type": "update", "start_time": float("nan")},
        {"type": "end", "status": []},
        {"type": "param", "key": ["a"], "value": 1},
        {"type": "untag", "key": {}},
        {"type": "metrics", "points": 7},
        {"type": "artifact", "path": None},
    ],
    ids=str,
)
def test_events_of_a_wrong_shape(event: dict[str, Any]) -> None:
    bad: list[Any] = []
    assert fold([START, {"time": 1, **event}], problem=bad.append) == after()
    assert bad == [{"time": 1, **event}]


def test_artifacts_can_be_deleted() -> None:
    put = {"type": "artifact", "path": "a.txt", "digest": "sha256:00", "size": 1}
    assert after(put).artifacts == {"a.txt": {"digest": "sha256:00", "size": 1}}
    assert after(put, {"type": "artifact", "path": "a.txt", "deleted": True}).artifacts == {}


def test_what_events_mean_has_not_changed() -> None:
    """If this must be changed, raise the number in schema.FORMAT: indexes hold what the events meant before."""
    run = after(
        {"type": "param", "key": "lr", "value": 0.1, "text": "1e-1"},
        {"type": "tag", "key": "mlflow.parentRunId", "value": "p"},
        point(1.0, 2, 3),
        point(float("nan"), 2, 3),
        {"type": "metrics", "points": [["m", 0.5, 2, 3], ["n", 1, 1, 1]]},
        {"type": "dataset", "name": "d", "digest": "x"},
        {"type": "supervisor", "pid": 1},
        {"type": "update", "status": "FAILED"},
        {"type": "end", "status": "FINISHED", "exit_code": 0, "reason": "exit", "end_time": 7},
        {"type": "deleted"},
    )
    assert to_json(run) == {
        "run_id": "r",
        "experiment_id": "7",
        "name": "first",
        "status": "FINISHED",
        "lifecycle": "deleted",
        "start_time": 1,
        "end_time": 7,
        "parent": "p",
        "params": {"lr": 0.1},
        "texts": {"lr": "1e-1"},
        "tags": {"mlflow.runName": "first", "mlflow.parentRunId": "p"},
        "metrics": {"m": (1.0, 2, 3), "n": (1.0, 1, 1)},
        "sections": {"supervisor": {"pid": 1}, "client": {"status": "FAILED"}},
        "datasets": ({"name": "d", "digest": "x"},),
        "end": {"status": "FINISHED", "exit_code": 0, "reason": "exit"},
    }


@given(histories.HISTORIES, st.integers(0, 12))
def test_in_two_steps_as_in_one(history: list[dict[str, Any]], cut: int) -> None:
    whole = fold(history)
    first = fold(history[: cut + 1])
    before = repr(first)
    assert repr(fold(history[cut + 1 :], first)) == repr(whole)
    assert repr(first) == before  # the value itself has not changed
    assert whole is not None
    assert repr(from_json(to_json(whole))) == repr(whole)
