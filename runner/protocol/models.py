"""logged-models/...: what `mlflow.<flavor>.log_model` and autologging need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from runner.errors import StoreError
from runner.protocol import bounds
from runner.protocol import checks as allowed
from runner.protocol.answer import EMPTY, ApiError, Response, invalid, reply, reply_list
from runner.protocol.entities import number, pairs
from runner.protocol.experiments import TAG
from runner.protocol.experiments import find as find_experiment
from runner.protocol.fields import EnumKind
from runner.protocol.history import offset_of, token_of
from runner.protocol.route import Asked, Route, checks
from runner.tracking import events, models
from runner.tracking.index.grammar import ALL, Clause, Grammar, meets, test
from runner.tracking.models import LoggedModel
from runner.tracking.names import random_name
from runner.values import JsonMapping, JsonObject

__all__ = ["ROUTES", "find"]

STATUS = EnumKind(("LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"))


def find(asked: Asked, model_id: str, deleted: bool = False) -> LoggedModel:
    """ApiError when there is none, or it is deleted."""
    try:
        model = models.get(asked.store.root, model_id)
    except StoreError:
        raise _unknown(model_id) from None
    if model.lifecycle != "active" and not deleted:
        raise _unknown(model_id)
    return model


def _unknown(model_id: str) -> ApiError:
    return ApiError("RESOURCE_DOES_NOT_EXIST", f"Logged model with ID '{model_id}' not found.")


def shown(asked: Asked, model: LoggedModel) -> JsonObject:
    info: JsonObject = {
        "model_id": model.model_id,
        "experiment_id": model.experiment_id,
        "name": model.name,
        "creation_timestamp_ms": model.creation_time,
        "last_updated_timestamp_ms": model.last_update_time,
        "artifact_uri": f"{asked.root(model.experiment_id).rstrip('/')}/models/{model.model_id}/artifacts",
        "status": model.status,
        "model_type": model.model_type,
        "source_run_id": model.run_id,
    }
    if model.tags:
        info["tags"] = pairs(model.tags)
    data: JsonObject = {}
    if model.params:
        data["params"] = pairs(model.params)
    if model.metrics:
        data["metrics"] = [_metric(model.model_id, each) for each in model.metrics]
    return {"info": info, "data": data}


def _metric(model_id: str, point: JsonMapping) -> JsonObject:
    metric = {
        "key": point["key"],
        "value": number(point["value"]),
        "timestamp": point["timestamp"],
        "step": point.get("step", 0),
        "model_id": model_id,
    }
    for name, ours in (
        ("run_id", "run_id"),
        ("dataset_name", "dataset"),
        ("dataset_digest", "dataset_digest"),
    ):
        if point.get(ours):
            metric[name] = point[ours]
    return metric


def create(asked: Asked) -> Response:
    values = asked.values
    experiment = find_experiment(asked, values["experiment_id"])
    if experiment.lifecycle != "active":
        raise invalid(
            f"The experiment {experiment.experiment_id} must be in the 'active' state."
            f" Current state is {experiment.lifecycle}."
        )
    name = values.get("name", "")
    _name(name)
    asked.scope.write("models")
    if values.get("source_run_id"):
        asked.scope.write_run(values["source_run_id"])
    if not name:
        name = random_name()
    model = models.create(
        asked.store.root,
        experiment.experiment_id,
        name,
        model_type=values.get("model_type", ""),
        run_id=values.get("source_run_id", ""),
        params=_pairs(values.get("params", ())),
        tags=_pairs(values.get("tags", ())),
    )
    return reply({"model": shown(asked, model)})._replace(subject=model.model_id)


def _name(name: str) -> None:
    bad = ("/", ":", ".", "%", '"', "'")
    if any(sign in name for sign in bad):
        raise invalid(
            f"Invalid model name ({name!r}) provided. Model name must be a non-empty string and cannot"
            f" contain the following characters: {bad}"
        )


def _pairs(given: Iterable[JsonMapping]) -> dict[str, str]:
    return {allowed.key(each.get("key"), "key", "key"): each.get("value", "") for each in given}


def _changed(asked: Asked) -> LoggedModel:
    """The model of the path, for a write."""
    model = find(asked, asked.place["model_id"])
    asked.scope.write("models")
    if model.run_id:
        asked.scope.write_run(model.run_id)
    return model


def get(asked: Asked) -> Response:
    model = find(asked, asked.place["model_id"], asked.values.get("allow_deleted", False))
    return reply({"model": shown(asked, model)})


def finalize(asked: Asked) -> Response:
    model = _changed(asked)
    if "status" not in asked.values:
        raise invalid("Missing value for required parameter 'status'.")
    models.append(asked.store.root, model.model_id, events.update(status=asked.values["status"]))
    return reply({"model": shown(asked, find(asked, model.model_id))})


def delete(asked: Asked) -> Response:
    models.append(asked.store.root, _changed(asked).model_id, events.deleted())
    return EMPTY


def set_tags(asked: Asked) -> Response:
    tags = _pairs(asked.values.get("tags", ()))
    model = _changed(asked)
    if tags:
        models.append(asked.store.root, model.model_id, *events.tags(tags))
    return reply({"model": shown(asked, find(asked, model.model_id))})


def delete_tag(asked: Asked) -> Response:
    model, key = _changed(asked), asked.place["tag_key"]
    if key not in model.tags:
        raise ApiError(
            "RESOURCE_DOES_NOT_EXIST", f"No tag with key {key!r} found for model with ID {model.model_id!r}."
        )
    models.append(asked.store.root, model.model_id, events.untag(key))
    return EMPTY


def log_params(asked: Asked) -> Response:
    params = _pairs(asked.values.get("params", ()))
    model = _changed(asked)
    if params:
        models.append(asked.store.root, model.model_id, *events.params(params))
    return EMPTY


def search(asked: Asked) -> Response:
    """Models are few: each is looked at."""
    values = asked.values
    grammar = Grammar(
        {name: entity for name, entity in ALL.items() if entity != "dataset"},
        texts=("name", "model_id", "model_type", "status", "source_run_id", "experiment_id"),
        numbers=("creation_timestamp", "last_updated_timestamp"),
        aliases={"creation_time": "creation_timestamp", "creation_timestamp_ms": "creation_timestamp"},
    )
    clauses = bounds.clauses(values.get("filter", ""), grammar)
    datasets, orders = values.get("datasets", ()), values.get("order_by", ())
    bounds.IDS.check(len(values.get("experiment_ids", ())))
    bounds.CLAUSES.check(len(datasets))
    bounds.ORDERS.check(len(orders))
    if any(not each.get("dataset_name") for each in datasets):
        raise invalid("`dataset_name` in the `datasets` clause must be specified.")
    wanted = set(values.get("experiment_ids", ()))
    found = []
    for model in bounds.in_time(models.listing(asked.store.root)):
        if model.lifecycle != "active" or model.experiment_id not in wanted:
            continue
        points: list[JsonMapping] = [point for point in model.metrics if _about(point, datasets)]
        if datasets and not points:
            continue

        def met(clause: Clause, model: LoggedModel = model, points: list[JsonMapping] = points) -> bool:
            return any(test(clause, value) for value in _values(model, points, clause.entity, clause.key))

        if meets(clauses, met):
            found.append(model)
    found.sort(key=lambda model: (-model.creation_time, model.model_id))
    for order in reversed(orders):
        found = _ordered(found, order)
    first, limit = offset_of(values.get("page_token", "")), int(values.get("max_results") or 100)
    if limit < 1:
        raise invalid(f"Invalid value {limit} for parameter 'max_results' supplied.")
    last = first + limit
    token = token_of(last) if last < len(found) else ""
    return reply_list("models", (shown(asked, model) for model in found[first:last]), token)


def _about(point: JsonMapping, datasets: Iterable[JsonMapping]) -> bool:
    return not datasets or any(
        point.get("dataset") == each["dataset_name"]
        and each.get("dataset_digest") in (None, "", point.get("dataset_digest"))
        for each in datasets
    )


FIELDS = {
    "creation_timestamp": "creation_time",
    "creation_timestamp_ms": "creation_time",
    "creation_time": "creation_time",
    "last_updated_timestamp": "last_update_time",
    "last_updated_timestamp_ms": "last_update_time",
    "source_run_id": "run_id",
    "name": "name",
    "model_id": "model_id",
    "model_type": "model_type",
    "status": "status",
    "experiment_id": "experiment_id",
}


def _values(model: LoggedModel, points: Iterable[JsonMapping], entity: str, key: str) -> list[Any]:
    if entity == "metric":
        return [point["value"] for point in points if point["key"] == key]
    if entity == "param":
        return [model.params.get(key)]
    if entity == "tag":
        return [model.tags.get(key)]
    value = getattr(model, FIELDS[key])
    return [value.removeprefix("LOGGED_MODEL_") if key == "status" else value]


def _ordered(found: list[LoggedModel], order: JsonMapping) -> list[LoggedModel]:
    name, ascending = order.get("field_name", ""), order.get("ascending", True)

    def value(model: LoggedModel) -> Any:
        if name.startswith("metrics."):
            points = [
                point
                for point in model.metrics
                if point["key"] == name[8:]
                and order.get("dataset_name") in (None, "", point.get("dataset"))
                and order.get("dataset_digest") in (None, "", point.get("dataset_digest"))
            ]
            if not points:
                return None
            return max(points, key=lambda point: (point["timestamp"], point.get("step", 0)))["value"]
        return getattr(model, FIELDS[name])

    if "." in name and not name.startswith("metrics."):
        raise invalid(f"Invalid order by field name: {name}. Only metrics are supported.")
    if "." not in name and name not in FIELDS:
        raise invalid(f"Invalid order by field name: {name}")
    there = sorted((model for model in found if value(model) is not None), key=value, reverse=not ascending)
    return there + [model for model in found if value(model) is None]


_SEARCH = {
    "experiment_ids": ["string"],
    "filter": "string",
    "datasets": [{"dataset_name": "string", "dataset_digest": "string"}],
    "max_results": "int32",
    "order_by": [
        {"field_name": "string", "ascending": "bool", "dataset_name": "string", "dataset_digest": "string"}
    ],
    "page_token": "string",
}

ROUTES = (
    Route(
        "POST",
        "logged-models",
        create,
        {
            "experiment_id": "string",
            "name": "string",
            "model_type": "string",
            "source_run_id": "string",
            "params": [TAG],
            "tags": [TAG],
        },
        checks("experiment_id string required", "name string", "params array", "tags array"),
    ),
    Route(
        "POST",
        "logged-models/search",
        search,
        _SEARCH,
        checks("experiment_ids array strings required", "filter string", "max_results int", "order_by array"),
        slow=True,
    ),
    Route("GET", "logged-models/{model_id}", get, {"allow_deleted": "bool"}),
    Route("PATCH", "logged-models/{model_id}", finalize, {"status": STATUS}, checks("status int required")),
    Route("DELETE", "logged-models/{model_id}", delete),
    Route("PATCH", "logged-models/{model_id}/tags", set_tags, {"tags": [TAG]}, checks("tags array")),
    Route("DELETE", "logged-models/{model_id}/tags/{tag_key}", delete_tag),
    Route("POST", "logged-models/{model_id}/params", log_params, {"params": [TAG]}, checks("params array")),
)
