"""runs/log-metric, runs/log-batch, metrics/get-history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from runner.errors import StoreError
from runner.protocol import checks as allowed
from runner.protocol.answer import EMPTY, ApiError, Response, invalid
from runner.protocol.experiments import TAG
from runner.protocol.fields import MORE, need
from runner.protocol.history import page, rendered, turn
from runner.protocol.route import Asked, Check, Route, checks
from runner.protocol.runs import RUN_ID, for_writing, new_params
from runner.tracking import events, models
from runner.tracking.events import Event
from runner.values import JsonMapping

__all__ = ["POINT", "ROUTES"]

POINT = {
    "key": "string",
    "value": "double",
    "timestamp": "int64",
    "step": "int64",
    "model_id": "string",
    "dataset_name": "string",
    "dataset_digest": "string",
}
NAMES = {"dataset_name": "dataset", "dataset_digest": "dataset_digest", "model_id": "model_id"}
ABOUT = frozenset(NAMES)


def log_metric(asked: Asked) -> Response:
    values = asked.values
    key = allowed.metric(values["key"], values["timestamp"])
    live = for_writing(asked)
    event = _event(key, values)
    live.writer.append(event)
    if "model_id" in event:
        _also_to_model(asked, live.run_id, [event])
    return EMPTY


def _event(key: str, point: JsonMapping) -> Event:
    about = {ours: point[name] for name, ours in NAMES.items() if point.get(name)}
    return events.metric(key, point["value"], point["timestamp"], point.get("step", 0), **about)


def _also_to_model(asked: Asked, run_id: str, about: Sequence[Event]) -> None:
    """A metric of a logged model is kept with the model too."""
    for event in about:
        try:
            models.append(asked.store.root, str(event["model_id"]), {**event, "run_id": run_id})
        except StoreError:
            continue  # a model that is not kept here: the run has its metric


def log_batch(asked: Asked) -> Response:
    values = asked.values
    metrics, params, tags = (values.get(name, ()) for name in ("metrics", "params", "tags"))
    allowed.batch(metrics, params, tags)
    allowed.unique_params(params)
    points, found = _points(metrics)
    pairs = [
        allowed.param(each.get("key"), each.get("value", ""), f"params[{place}]")
        for place, each in enumerate(params)
    ]
    for place, each in enumerate(tags):
        key, value = allowed.tag(each.get("key"), each.get("value", ""), f"tags[{place}]")
        found.append(events.tag(key, value))
    live = for_writing(asked)
    if points:
        found.append(events.metrics(points))
    if pairs:
        with live.exclusive():
            live.writer.append(*new_params(live.run(), pairs), *found)
    elif found:
        live.writer.append(*found)
    about = [event for event in found if "model_id" in event]
    if about:
        _also_to_model(asked, live.run_id, about)
    return EMPTY


def _points(metrics: Sequence[JsonMapping]) -> tuple[list[Any], list[Event]]:
    """Plain points together; those about a dataset or a model are events of their own."""
    good: set[str] = set()
    for place, each in enumerate(metrics):
        if each["key"] not in good or each["timestamp"] < 0:
            good.add(allowed.metric(each["key"], each["timestamp"], f"metrics[{place}]"))
    plain = metrics
    special: list[JsonMapping] = []
    if not all(map(ABOUT.isdisjoint, metrics)):
        special = [each for each in metrics if any(each.get(name) for name in ABOUT)]
        plain = [each for each in metrics if not any(each.get(name) for name in ABOUT)]
    points = [(each["key"], each["value"], each["timestamp"], each.get("step", 0)) for each in plain]
    return points, [_event(each["key"], each) for each in special]


def get_history(asked: Asked) -> Response:
    limit = asked.values.get("max_results")
    if limit is not None and limit <= 0:
        raise invalid(
            f"Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer."
        )
    key = asked.values["metric_key"]
    try:
        live = asked.runs.get(need(asked.values, "run_id", "run_uuid"))
        live.run()
    except ApiError:
        return EMPTY  # as in MLflow
    with turn:
        points, token = page(live, key, limit, asked.values.get("page_token", ""))
        return Response(rendered(key, points, token))


def _all_present(items: list[Any], fields: Sequence[str]) -> bool:
    """As nearly always; a whole batch is looked through at once, field by field."""
    try:
        columns = [list(map(itemgetter(field), items)) for field in fields]
    except (KeyError, TypeError):
        return False
    return not any(None in column or "" in column for column in columns)


def _present(name: str, *fields: str) -> Callable[[Any], None]:
    def check(items: object) -> None:
        if not isinstance(items, list) or _all_present(items, fields):
            return
        for place, item in enumerate(items):
            for field in fields:
                value = item.get(field) if isinstance(item, dict) else None
                if value is None or value == "":
                    raise invalid(f"Missing value for required parameter '{name}[{place}].{field}'.{MORE}")

    return check


def _array(name: str, *fields: str) -> tuple[Check, ...]:
    return ("array", _present(name, *fields))


ROUTES = (
    Route(
        "POST",
        "runs/log-metric",
        log_metric,
        {**RUN_ID, **POINT},
        checks(
            "run_id required string",
            "key required string",
            "value required float",
            "timestamp int required",
            "step int",
            "model_id string",
            "dataset_name string",
            "dataset_digest string",
        ),
    ),
    Route(
        "POST",
        "runs/log-batch",
        log_batch,
        {**RUN_ID, "metrics": [POINT], "params": [TAG], "tags": [TAG]},
        {
            "run_id": ("string", "required"),
            "metrics": _array("metrics", "key", "value", "timestamp"),
            "params": _array("params", "key"),
            "tags": _array("tags", "key"),
        },
    ),
    Route(
        "GET",
        "metrics/get-history",
        get_history,
        {**RUN_ID, "metric_key": "string", "page_token": "string", "max_results": "int32"},
        checks(
            "run_id string required", "metric_key string required", "page_token string", "max_results int"
        ),
        slow=True,
    ),
)
