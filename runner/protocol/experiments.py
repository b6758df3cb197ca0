"""experiments/..."""

from __future__ import annotations

import os

from runner.errors import StoreError
from runner.protocol import checks as allowed
from runner.protocol.answer import EMPTY, ApiError, Response, invalid, reply
from runner.protocol.entities import experiment as shown
from runner.protocol.fields import EnumKind
from runner.protocol.route import Asked, Route, checks
from runner.tracking import events
from runner.tracking.experiments import Experiment

__all__ = ["ROUTES", "TAG", "VIEW", "VIEWS", "find"]

TAG = {"key": "string", "value": "string"}
VIEW = EnumKind(("ACTIVE_ONLY", "DELETED_ONLY", "ALL"))
VIEWS = {"ACTIVE_ONLY": "active", "DELETED_ONLY": "deleted", "ALL": "all"}


def find(asked: Asked, experiment_id: str) -> Experiment:
    """ApiError when there is none."""
    allowed.experiment_id(experiment_id)
    try:
        return asked.store.experiment(experiment_id)
    except StoreError:
        raise ApiError("RESOURCE_DOES_NOT_EXIST", f"No Experiment with id={experiment_id} exists") from None


def _in(asked: Asked, lifecycle: str) -> Experiment:
    """The experiment of the request, which must be active (or deleted)."""
    asked.scope.manage("experiments")
    found = find(asked, asked.values["experiment_id"])
    if found.lifecycle != lifecycle:
        raise ApiError("RESOURCE_DOES_NOT_EXIST", f"No Experiment with id={found.experiment_id} exists")
    return found


def _active(asked: Asked) -> Experiment:
    found = find(asked, asked.values["experiment_id"])
    asked.scope.write_experiment(found.experiment_id)
    if found.lifecycle != "active":
        raise invalid(
            f"The experiment {found.experiment_id} must be in the 'active' state."
            f" Current state is {found.lifecycle}."
        )
    return found


def create(asked: Asked) -> Response:
    asked.scope.write("experiments")
    name, place = asked.values["name"], asked.values.get("artifact_location", "")
    allowed.experiment_name(name)
    if not name.strip():
        raise invalid(f"Invalid experiment name: '{name}'")
    located = _location(place)
    if place:
        asked.scope.locate(place)
    tags = {}
    for tag in asked.values.get("tags", ()):
        allowed.experiment_tag(tag.get("key"), tag.get("value", ""))
        tags[tag["key"]] = tag.get("value", "")
    if asked.store.experiment_by_name(name) is None:
        try:
            made = asked.store.create_experiment(name, located, tags, asked.runs.default_root)
        except StoreError:
            if asked.store.experiment_by_name(name) is None:
                raise
        else:
            asked.scope.made_experiment(made)
            asked.scope.chose(made)
            return reply({"experiment_id": made})._replace(subject=made)
    raise ApiError("RESOURCE_ALREADY_EXISTS", f"Experiment(name={name}) already exists.")


def _location(place: str) -> str:
    """A path without a scheme is one of this machine, as in MLflow."""
    if place.startswith("runs:"):
        raise invalid(f"Artifact location cannot be a runs:/ URI. Given: '{place}'")
    allowed.length("artifact_location", 2048, place)
    if "#" in place or "?" in place or ".." in place.split("/"):
        raise invalid(f"'artifact_location' URL can't include fragments, queries or '..': '{place}'")
    return os.path.abspath(place) if place and ":" not in place.partition("/")[0] else place


def get(asked: Asked) -> Response:
    found = find(asked, asked.values["experiment_id"])
    if found.lifecycle == "active":
        asked.scope.chose(found.experiment_id)
    return reply({"experiment": shown(found)})


def get_by_name(asked: Asked) -> Response:
    name = asked.values["experiment_name"]
    found = asked.store.experiment_by_name(name)
    if found is None:
        raise ApiError("RESOURCE_DOES_NOT_EXIST", f"Could not find experiment with name '{name}'")
    if found.lifecycle == "active":
        asked.scope.chose(found.experiment_id)
    return reply({"experiment": shown(found)})


def delete(asked: Asked) -> Response:
    """Its runs are deleted with it, as in MLflow."""
    found = _in(asked, "active")
    asked.store.delete_experiment(found.experiment_id)
    for run_id in _runs(asked, found, "active"):
        asked.runs.get(run_id).writer.append(events.deleted())
    return EMPTY


def restore(asked: Asked) -> Response:
    found = _in(asked, "deleted")
    asked.store.restore_experiment(found.experiment_id)
    for run_id in _runs(asked, found, "deleted"):
        asked.runs.get(run_id).writer.append(events.restored())
    return EMPTY


def _runs(asked: Asked, experiment: Experiment, view: str) -> list[str]:
    ids: list[str] = []
    token = ""
    while True:
        page = asked.store.search(
            experiment_ids=[experiment.experiment_id], view=view, limit=5000, page_token=token
        )
        ids += (run.run_id for run in page.runs)
        token = page.next_page_token
        if not token:
            return ids


def update(asked: Asked) -> Response:
    asked.scope.manage("experiments")
    found = find(asked, asked.values["experiment_id"])
    name = asked.values["new_name"]
    allowed.experiment_name(name)
    if found.lifecycle != "active":
        raise ApiError("INVALID_STATE", "Cannot rename a non-active experiment.", 400)
    other = asked.store.experiment_by_name(name)
    if other is not None and other.experiment_id != found.experiment_id:
        raise ApiError("RESOURCE_ALREADY_EXISTS", f"Experiment(name={name}) already exists.")
    asked.store.rename_experiment(found.experiment_id, name)
    return EMPTY


def set_tag(asked: Asked) -> Response:
    allowed.experiment_tag(asked.values["key"], asked.values.get("value", ""))
    found = _active(asked)
    asked.store.tag_experiment(found.experiment_id, asked.values["key"], asked.values.get("value", ""))
    return EMPTY


def delete_tag(asked: Asked) -> Response:
    found, key = _active(asked), asked.values["key"]
    if key not in found.tags:
        raise ApiError(
            "RESOURCE_DOES_NOT_EXIST",
            f"No tag with name: {key} in experiment with id {found.experiment_id}",
        )
    asked.store.tag_experiment(found.experiment_id, key, None)
    return EMPTY


_ID = {"experiment_id": "string"}
_HAS_ID = checks("experiment_id required string")
_HAS_KEY = checks("experiment_id required string", "key required string", "value string")

ROUTES = (
    Route(
        "POST",
        "experiments/create",
        create,
        {"name": "string", "artifact_location": "string", "tags": [TAG]},
        checks("name required string", "artifact_location string", "tags array"),
        blocks=True,
    ),
    Route("GET", "experiments/get", get, _ID, _HAS_ID),
    Route(
        "GET",
        "experiments/get-by-name",
        get_by_name,
        {"experiment_name": "string"},
        checks("experiment_name required string"),
        blocks=True,
    ),
    Route("POST", "experiments/delete", delete, _ID, _HAS_ID, slow=True),
    Route("POST", "experiments/restore", restore, _ID, _HAS_ID, slow=True),
    Route(
        "POST",
        "experiments/update",
        update,
        {**_ID, "new_name": "string"},
        checks("experiment_id required string", "new_name string required"),
        blocks=True,
    ),
    Route("POST", "experiments/set-experiment-tag", set_tag, {**_ID, **TAG}, _HAS_KEY),
    Route("POST", "experiments/delete-experiment-tag", delete_tag, {**_ID, **TAG}, _HAS_KEY),
)
