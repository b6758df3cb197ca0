"""Logged models: a model that a run (or nobody) made: `<store>/models/<model_id>/`, with `artifacts/` in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from runner.errors import StoreError
from runner.tracking import entity, events
from runner.tracking.events import Event, Facts
from runner.values import Json

__all__ = ["LoggedModel", "append", "create", "directory", "get", "listing"]

ROOM = "models"


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
    return os.path.join(root, ROOM, model_id)


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
    model_id = f"m-{os.urandom(16).hex()}"
    first = events.model(model_id, experiment_id, name, model_type, run_id)
    entity.create(root, ROOM, model_id, first, *events.params(params or {}), *events.tags(tags or {}))
    return get(root, model_id)


def append(root: str, model_id: str, *new: Event) -> None:
    """StoreError when the model is not there."""
    thing = directory(root, model_id)
    if not os.path.isdir(thing):
        raise _unknown(model_id)
    entity.append(thing, *new)


def get(root: str, model_id: str) -> LoggedModel:
    """StoreError when there is none."""
    model = entity.fold(directory(root, model_id), _apply)
    if model is None:
        raise _unknown(model_id)
    return model


def listing(root: str) -> Iterator[LoggedModel]:
    """All of them, deleted ones too."""
    return entity.every(root, ROOM, _apply)


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
        point = {key: value for key, value in event.items() if key not in ("type", "time", "op", "model_id")}
        return model if point in model.metrics else model._replace(metrics=(*model.metrics, point))
    if kind == "update":
        return model._replace(status=str(event["status"]), last_update_time=time)
    if kind == "deleted":
        return model._replace(lifecycle="deleted", last_update_time=time)
    return model
