"""Our values as MLflow's JSON."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from runner.tracking.events import SUPERVISED
from runner.values import JsonMapping, JsonObject

if TYPE_CHECKING:
    from runner.tracking.experiments import Experiment
    from runner.tracking.fold import Metric, Run

__all__ = ["artifact_root", "experiment", "metric", "number", "pairs", "run", "run_info"]

DATASET = ("name", "digest", "source_type", "source", "schema", "profile")


def number(value: float) -> float | str:
    """JSON has no names for these; protobuf's mapping writes them as strings."""
    if math.isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def pairs(mapping: JsonMapping) -> list[JsonObject]:
    return [{"key": key, "value": value} for key, value in mapping.items()]


def artifact_root(experiment: Experiment) -> str:
    """A URI, below which each run has RUN_ID/artifacts."""
    return experiment.artifact_location or f"mlflow-artifacts:/{experiment.experiment_id}"


def experiment(value: Experiment) -> JsonObject:
    shown: JsonObject = {
        "experiment_id": value.experiment_id,
        "name": value.name,
        "artifact_location": artifact_root(value),
        "lifecycle_stage": value.lifecycle,
        "last_update_time": value.last_update_time,
        "creation_time": value.creation_time,
    }
    if value.tags:
        shown["tags"] = pairs(value.tags)
    return shown


def metric(key: str, point: Metric) -> JsonObject:
    return {"key": key, "value": number(point.value), "timestamp": point.timestamp, "step": point.step}


def run_info(value: Run, root: Callable[[str], str]) -> JsonObject:
    """`root` tells where an experiment keeps its artifacts."""
    shown: JsonObject = {
        "run_uuid": value.run_id,
        "run_id": value.run_id,
        "run_name": value.name,
        "experiment_id": value.experiment_id,
        "user_id": value.user,
        "status": value.status,
        "start_time": value.start_time,
        "artifact_uri": f"{root(value.experiment_id).rstrip('/')}/{value.run_id}/artifacts",
        "lifecycle_stage": value.lifecycle,
    }
    if value.end_time is not None:
        shown["end_time"] = value.end_time
    return shown


def run(value: Run, root: Callable[[str], str]) -> JsonObject:
    """`root`: from the id of an experiment to where it keeps artifacts."""
    data: JsonObject = {}
    if value.metrics:
        data["metrics"] = [metric(key, point) for key, point in value.metrics.items()]
    if value.params:
        data["params"] = pairs(value.param_texts)
    tags = value.tags
    if value.kind in SUPERVISED and value.user and "mlflow.user" not in tags:
        tags = {**tags, "mlflow.user": value.user}
    if tags:
        data["tags"] = pairs(tags)
    shown = {"info": run_info(value, root), "data": data, "inputs": _inputs(value)}
    outputs = [
        {"model_id": link["model_id"], "step": int(link.get("step", 0))}
        for link in value.links
        if link.get("relation") == "model-output"
    ]
    if outputs:
        shown["outputs"] = {"model_outputs": outputs}
    return shown


def _inputs(value: Run) -> JsonObject:
    shown: JsonObject = {}
    datasets: dict[Any, JsonObject] = {}
    for each in value.datasets:
        entry: JsonObject = {"dataset": {key: each[key] for key in DATASET if each.get(key) is not None}}
        if each.get("tags"):
            entry["tags"] = pairs(each["tags"])
        datasets.setdefault((each.get("name"), each.get("digest")), entry)
    if datasets:
        shown["dataset_inputs"] = list(datasets.values())
    models = dict.fromkeys(link["model_id"] for link in value.links if link.get("relation") == "model-input")
    if models:
        shown["model_inputs"] = [{"model_id": each} for each in models]
    return shown
