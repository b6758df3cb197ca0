"""A model of an MLflow server (or of a proj server), by the addresses of MLflow: fetched by its REST protocol."""

from __future__ import annotations

import re
from typing import NamedTuple

from runner.errors import InputError
from runner.tracking.mlflow.rest import Refused, Rest
from runner.tracking.mlflow.send_models import proxied

__all__ = ["Place", "find"]

MODELS = re.compile(r"models:/+([^/@]+)(?:/([^/]+)|@([^/]+))/?\Z")
LOGGED = re.compile(r"models:/+(m-[0-9a-f]{32})/?\Z")
RUNS = re.compile(r"runs:/+([0-9a-f]{32})/(.+)\Z", re.DOTALL)
STAGES = ("None", "Staging", "Production", "Archived")


class Place(NamedTuple):
    uri: str  # where the server keeps the files
    address: str
    run_id: str = ""
    model_id: str = ""
    name: str = ""
    number: int = 0


def find(rest: Rest, text: str) -> Place:
    """InputError for what no server has an address for, or this one does not have."""
    text = text if text.startswith(("models:", "runs:")) else f"models:/{text}"
    try:
        with rest.understood():
            if found := LOGGED.match(text):
                return _logged(rest, found[1])
            if found := RUNS.match(text):
                return _of_run(rest, found[1], found[2].strip("/"))
            if found := MODELS.match(text):
                return _registered(rest, found[1], found[2] or "", found[3] or "")
    except Refused as refused:
        raise InputError(refused.message) from None
    raise InputError(
        f"{text} is no address of a server's model",
        "models:/NAME/7, models:/NAME@alias, models:/m-... or runs:/ID/PATH",
    )


def _logged(rest: Rest, model_id: str) -> Place:
    info = rest.get(f"logged-models/{model_id}")["model"]["info"]
    return Place(
        str(info["artifact_uri"]), f"models:/{model_id}", str(info.get("source_run_id", "")), model_id
    )


def _of_run(rest: Rest, run_id: str, path: str) -> Place:
    """Among the run's artifacts, or a model that it logged under that name (MLflow 3), of several the last."""
    info = rest.get("runs/get", run_id=run_id)["run"]["info"]
    try:
        body = {
            "experiment_ids": [info["experiment_id"]],
            "filter": f"name = '{path}' AND source_run_id = '{run_id}'",
            "order_by": [{"field_name": "creation_time", "ascending": False}],
        }
        models = () if "'" in path else rest.post("logged-models/search", body).get("models", ())
    except Refused:  # a server before MLflow 3
        models = ()
    kept = f"{str(info['artifact_uri']).rstrip('/')}/{path}"
    if models and not (kept.startswith("mlflow-artifacts:") and rest.list_files(proxied(kept))):
        return _logged(rest, str(models[0]["info"]["model_id"]))
    return Place(kept, f"runs:/{run_id}/{path}", run_id)


def _registered(rest: Rest, name: str, which: str, alias: str) -> Place:
    if alias and alias.lower() != "latest":
        version = rest.get("registered-models/alias", name=name, alias=alias)["model_version"]
    elif which.isascii() and which.isdigit():
        version = rest.get("model-versions/get", name=name, version=which)["model_version"]
    else:
        stage = next((each for each in STAGES if each.lower() == which.lower()), "")
        if which.lower() not in ("", "latest") and not stage:
            raise InputError(f"{which!r} is no number and no stage of a version", f"models:/{name}/latest")
        body = {"name": name, "stages": [stage] if stage else []}
        found = rest.post("registered-models/get-latest-versions", body).get("model_versions", ())
        version = max(found, key=lambda each: int(each["version"]), default=None)
        if version is None:
            raise InputError(
                f"{rest.uri} has no version of {name} in the stage {stage}"
                if stage
                else f"{rest.uri} has no version of {name}"
            )
    number = str(version["version"])
    uri = rest.get("model-versions/get-download-uri", name=name, version=number)["artifact_uri"]
    return Place(
        str(uri),
        f"models:/{name}/{number}",
        str(version.get("run_id", "")),
        str(version.get("model_id", "")),
        name,
        int(number),
    )
