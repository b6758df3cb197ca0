"""What a run's events mean to an MLflow server, as requests in their order. Pure: nothing is sent here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from runner.tracking.events import ODD, SUPERVISED, Event, Facts, Metric, points_of
from runner.tracking.fold import PARENT_TAG, SECTIONS, TERMINAL, given_text

__all__ = ["METRICS", "OTHERS", "Request", "identity", "requests", "tags_of"]

METRICS = 1000  # a batch, with what else is in it
OTHERS = 100  # parameters, and tags, of a batch
ID_TAG = "proj.run_id"  # by which a run is found again on the other side
DATASET = ("name", "digest", "source_type", "source", "schema", "profile")

Body: TypeAlias = "dict[str, Any]"  # JSON of the protocol, while it is made


class Request(NamedTuple):
    """`kind`: batch, tag-off, update, inputs, model, file, lifecycle, nothing.

    With it, the log is sent up to `offset`.
    """

    kind: str
    body: Facts
    offset: int


def identity(start: Event) -> Facts:
    """The body of runs/create from the start event, without the experiment."""
    tags = {ID_TAG: str(start["run_id"])}
    if start.get("user"):
        tags["mlflow.user"] = str(start["user"])
    if start.get("kind") in SUPERVISED:
        tags["mlflow.source.type"] = "PROJECT"
        tags["mlflow.source.name"] = str(start.get("uri") or start.get("project") or "")
        tags["mlflow.project.entryPoint"] = str(start.get("entry_point") or "main")
    return {
        "run_name": str(start.get("name") or ""),
        "user_id": str(start.get("user") or ""),
        "start_time": int(start.get("start_time", start["time"])),
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }


class _Batch:
    """What one log-batch can take."""

    def __init__(self) -> None:
        self.metrics: list[Body] = []
        self.params: dict[str, str] = {}
        self.tags: dict[str, str] = {}

    def full(self) -> bool:
        size = len(self.metrics) + len(self.params) + len(self.tags)
        return size >= METRICS or len(self.params) >= OTHERS or len(self.tags) >= OTHERS

    def body(self) -> Body:
        body: Body = {}
        if self.metrics:
            body["metrics"] = self.metrics
        for name, pairs in (("params", self.params), ("tags", self.tags)):
            if pairs:
                body[name] = [{"key": key, "value": value} for key, value in pairs.items()]
        return body


def requests(events: Iterable[tuple[Event, int]], supervised: bool = False) -> Iterator[Request]:
    """The requests for these events, each with the offset that is reached with it.

    `supervised`: how the run ended is said by its `end` alone, not by a client.
    """
    batch, offset = _Batch(), 0
    for event, after in events:
        offset_before, offset = offset, after
        other = _other(event)
        if other is not None and other.kind == "update" and supervised and event["type"] == "update":
            body = {key: value for key, value in other.body.items() if key == "run_name"}
            other = Request("update", body, 0) if body else None
        if other is not None:
            if body := batch.body():
                yield Request("batch", body, offset_before)
                batch = _Batch()
            yield other._replace(offset=after)
            continue
        for kind, key, value in _pieces(event):
            if kind == "metric":
                batch.metrics.append(value)
            elif kind == "param":
                batch.params[key] = value
            else:
                batch.tags[key] = value
            if batch.full():
                # an event may fill several batches: only with the last one it is sent
                yield Request("batch", batch.body(), offset_before)
                batch = _Batch()
        if not batch.body():
            yield Request("nothing", {}, offset)
    if body := batch.body():
        yield Request("batch", body, offset)


def _pieces(event: Event) -> Iterator[tuple[str, str, Any]]:
    kind = event["type"]
    try:
        if kind in ("metric", "metrics"):
            for key, point in points_of(event):
                yield "metric", key, {"key": key, **_point(point), **_about(event)}
        elif kind == "param":
            yield "param", event["key"], given_text(event["value"], event.get("text"))
        elif kind == "tag":
            if event["key"] != PARENT_TAG:
                yield "tag", event["key"], event["value"]
        elif kind in SECTIONS:
            for key, value in tags_of(event).items():
                yield "tag", key, value
    except ODD:
        return  # a corrupt event: it is skipped here as everywhere


def _point(point: Metric) -> Facts:
    return {"value": _number(point.value), "timestamp": point.timestamp, "step": point.step}


def _about(event: Event) -> Facts:
    names = {"dataset": "dataset_name", "dataset_digest": "dataset_digest", "model_id": "model_id"}
    return {theirs: event[ours] for ours, theirs in names.items() if event.get(ours)}


def _number(number: float) -> float | str:
    if math.isfinite(number):
        return number
    return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"


def tags_of(section: Event) -> dict[str, str]:
    """What MLflow keeps of a section, as its own `mlflow run` would."""
    found = {
        ("code", "commit"): "mlflow.source.git.commit",
        ("source", "commit"): "mlflow.source.git.commit",
        ("code", "branch"): "mlflow.source.git.branch",
        ("source", "repository"): "mlflow.source.git.repoURL",
        ("environment", "kind"): "mlflow.project.env",
    }
    kind = section["type"]
    return {tag: str(section[key]) for (of, key), tag in found.items() if of == kind and section.get(key)}


def _other(event: Event) -> Request | None:
    """A request that is not a part of a batch."""
    kind = event["type"]
    try:
        if kind == "untag":
            return Request("tag-off", {"key": event["key"]}, 0)
        if kind == "update":
            return _update(event)
        if kind == "end":
            ended = int(event.get("end_time", event["time"]))
            return Request("update", {"status": event["status"], "end_time": ended}, 0)
        if kind == "dataset":
            tags = [{"key": key, "value": value} for key, value in (event.get("tags") or {}).items()]
            dataset = {name: event[name] for name in DATASET if event.get(name) is not None}
            return Request("inputs", {"datasets": [{"dataset": dataset, "tags": tags}]}, 0)
        if kind == "link" and event.get("relation") == "model-output":
            return Request("model", {"model_id": event["model_id"], "step": int(event.get("step", 0))}, 0)
        if kind == "link" and event.get("relation") == "registered":
            facts = {key: event.get(key) for key in ("name", "version", "source", "model_id")}
            return Request("version", facts, 0)
        if kind == "registry":
            facts = {key: event[key] for key in ("do", "name", "version", "facts")}
            return Request("registry", facts, 0)
        if kind == "artifact":
            return Request("file", {"path": event["path"], "deleted": bool(event.get("deleted"))}, 0)
        if kind in ("deleted", "restored"):
            return Request("lifecycle", {"kind": kind}, 0)
    except ODD:
        pass
    return None


def _update(event: Event) -> Request | None:
    status = event.get("status")
    if status is not None and status not in TERMINAL:
        return Request("update", {"status": status}, 0)
    names = {"name": "run_name", "status": "status", "end_time": "end_time"}
    body = {theirs: event[ours] for ours, theirs in names.items() if event.get(ours) is not None}
    if "status" in body:
        body.setdefault("end_time", int(event["time"]))
    return Request("update", body, 0) if body else None
