"""runs/log-inputs, runs/outputs, runs/log-model: what went into a run and what models came out."""

from __future__ import annotations

import json

from runner.protocol.answer import EMPTY, Response, invalid
from runner.protocol.checks import length
from runner.protocol.experiments import TAG
from runner.protocol.route import Asked, Route, checks
from runner.protocol.runs import RUN_ID, for_writing
from runner.tracking import events
from runner.tracking.events import Event
from runner.values import JsonMapping

__all__ = ["ROUTES"]

DATASET = {
    "name": "string",
    "digest": "string",
    "source_type": "string",
    "source": "string",
    "schema": "string",
    "profile": "string",
}
LIMITS = {"name": 500, "digest": 36, "source": 65_535, "schema": 1_048_575, "profile": 16_777_215}
HISTORY_TAG = "mlflow.log-model.history"


def log_inputs(asked: Asked) -> Response:
    found = [_dataset(each) for each in asked.values.get("datasets", ())]
    live = for_writing(asked)
    known = {(each.get("name"), each.get("digest")) for each in live.run().datasets}
    new = []
    for event in found:
        if (event["name"], event["digest"]) not in known:
            known.add((event["name"], event["digest"]))
            new.append(event)
    new += [
        events.model_link("model-input", each["model_id"])
        for each in asked.values.get("models", ())
        if each.get("model_id")
    ]
    if new:
        live.writer.append(*new)
    return EMPTY


def _dataset(given: JsonMapping) -> Event:
    dataset = given.get("dataset")
    if not dataset:
        raise invalid("Dataset input must have a dataset associated with it.")
    for name in ("name", "digest", "source_type", "source"):
        if name not in dataset:
            raise invalid(f"Dataset {name} cannot be None")
    for name, limit in LIMITS.items():
        length(name, limit, dataset.get(name, ""))
    tags = {}
    for tag in given.get("tags", ()):
        length("key", 255, tag.get("key", ""))
        length("value", 500, tag.get("value", ""))
        tags[tag.get("key", "")] = tag.get("value", "")
    return events.dataset(**{name: dataset[name] for name in DATASET if name in dataset}, tags=tags)


def log_outputs(asked: Asked) -> Response:
    links = [
        events.model_link("model-output", each["model_id"], each.get("step", 0))
        for each in asked.values.get("models", ())
        if each.get("model_id")
    ]
    live = for_writing(asked)
    if links:
        live.writer.append(*links)
    return EMPTY


def log_model(asked: Asked) -> Response:
    """Clients before 3.0: a list of models in a tag."""
    text = asked.values["model_json"]
    try:
        model = json.loads(text)
    except ValueError:
        raise invalid(f"Malformed model info. \n {text} \n is not a valid JSON.") from None
    if not isinstance(model, dict):
        raise invalid(f"Malformed model info. \n {text} \n is not a JSON object.")
    missing = {"artifact_path", "flavors", "utc_time_created", "run_id"} - set(model)
    if missing:
        raise invalid(f"Model json is missing mandatory fields: {missing}")
    live = for_writing(asked)
    with live.exclusive():
        try:
            known = json.loads(live.run().tags.get(HISTORY_TAG, "[]"))
        except ValueError:
            known = []
        live.writer.tag(HISTORY_TAG, json.dumps([*(known if isinstance(known, list) else []), model]))
    return EMPTY


_INPUT = {"dataset": DATASET, "tags": [TAG]}
_MODEL = {"model_id": "string", "step": "int64"}

ROUTES = (
    Route(
        "POST",
        "runs/log-inputs",
        log_inputs,
        {**RUN_ID, "datasets": [_INPUT], "models": [_MODEL]},
        checks("run_id required string", "datasets array", "models array"),
    ),
    Route(
        "POST",
        "runs/outputs",
        log_outputs,
        {**RUN_ID, "models": [_MODEL]},
        checks("run_id required string", "models required array"),
    ),
    Route(
        "POST",
        "runs/log-model",
        log_model,
        {**RUN_ID, "model_json": "string"},
        checks("run_id string required", "model_json string required"),
        blocks=True,
    ),
)
