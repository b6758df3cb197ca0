"""Logged models: a model that a run (or nobody) made, as a directory of the store with a log of its own.

`<store>/models/<model_id>/events.jsonl` and `artifacts/`. Events: docs/record.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from runner.errors import StoreError
from runner.tracking import events
from runner.tracking.events import Event, Facts
from runner.tracking.log import EventLog, encode, now, read
from runner.values import Json

__all__ = ["LoggedModel", "append", "create", "directory", "get", "listing"]


class LoggedModel(NamedTuple):
    model_id: str
    experiment_id: str
    name: str
    model_type: str = ""
    run_id: str = ""  # that made it
    status: str = "LOGGED_MODEL_PENDING"
    lifecycle: str = "active"  # or deleted
    creation_time: int = 0
    last_update_time: int = 0
    params: Mapping[str, str] = {}
    tags: Mapping[str, str] = {}
    metrics: tuple[Facts, ...] = ()  # key, value, timestamp, step; run_id, dataset, dataset_digest


def directory(root: str, model_id: str) -> str:
    """StoreError for what cannot be the id of a model."""
    if (
        not model_id.startswith("m-")
        or not model_id[2:].isalnum()
        or not model_id.isascii()
        or len(model_id) > 64
    ):
        raise _unknown(model_id)
    return os.path.join(root, "models", model_id)


def _unknown(model_id: str) -> StoreError:
    return StoreError(f"there is no logged model {model_id!r}")


def create(
    root: str,
    experiment_id: str,
    name: str,
    *,
    model_type: str = "",
    run_id: str = "",
    params: Mapping[str, Json] | None = None,
    tags: Mapping[str, str] | None = None,
) -> LoggedModel:
    time = now()
    model_id = f"m-{os.urandom(16).hex()}"
    place = directory(root, model_id)
    first = events.model(model_id, experiment_id, name, model_type, run_id)
    begun = [first, *events.params(params or {}), *events.tags(tags or {})]
    try:
        os.makedirs(place)
    except OSError as error:
        raise StoreError(f"{place} cannot be written: {error.strerror or error}") from error
    log = EventLog(os.path.join(place, "events.jsonl"))
    try:
        log.append_lines([encode({**event, "time": time}) for event in begun])
    finally:
        log.close()
    return get(root, model_id)


def append(root: str, model_id: str, *new: Event) -> None:
    """StoreError when the model is not there."""
    path = os.path.join(directory(root, model_id), "events.jsonl")
    if not os.path.exists(path):
        raise _unknown(model_id)
    log = EventLog(path)
    try:
        log.append(*new)
    finally:
        log.close()


def get(root: str, model_id: str) -> LoggedModel:
    model = _fold(os.path.join(directory(root, model_id), "events.jsonl"))
    if model is None:
        raise _unknown(model_id)
    return model


def listing(root: str) -> Iterator[LoggedModel]:
    """All of them, deleted ones too."""
    try:
        names = sorted(os.listdir(os.path.join(root, "models")))
    except OSError:
        return
    for name in names:
        model = _fold(os.path.join(root, "models", name, "events.jsonl"))
        if model is not None:
            yield model


def _fold(path: str) -> LoggedModel | None:
    model: LoggedModel | None = None
    for event, _ in read(path):
        try:
            model = _apply(model, event)
        except (KeyError, TypeError, ValueError):
            continue
    return model


def _apply(model: LoggedModel | None, event: Event) -> LoggedModel | None:
    kind, time = event["type"], int(event["time"])
    if model is None:
        if kind != "model":
            return None
        return LoggedModel(
            str(event["model_id"]),
            str(event["experiment_id"]),
            str(event["name"]),
            str(event.get("model_type", "")),
            str(event.get("run_id", "")),
            creation_time=time,
            last_update_time=time,
        )
    if kind == "param":
        return model._replace(params={**model.params, str(event["key"]): str(event["value"])})
    if kind == "tag":
        return model._replace(tags={**model.tags, str(event["key"]): str(event["value"])})
    if kind == "untag":
        return model._replace(tags={key: value for key, value in model.tags.items() if key != event["key"]})
    if kind == "metric":
        point = {key: value for key, value in event.items() if key not in ("type", "time", "model_id")}
        return model if point in model.metrics else model._replace(metrics=(*model.metrics, point))
    if kind == "update":
        return model._replace(status=str(event["status"]), last_update_time=time)
    if kind == "deleted":
        return model._replace(lifecycle="deleted", last_update_time=time)
    return model
