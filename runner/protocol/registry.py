"""registered-models/... and model-versions/...: what registering a model, and loading it by `models:/`, need."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from runner.host import hashing
from runner.protocol import bounds
from runner.protocol import checks as allowed
from runner.protocol.answer import ApiError, Response, invalid, reply
from runner.protocol.entities import pairs
from runner.protocol.experiments import TAG
from runner.protocol.history import offset_of, token_of
from runner.protocol.models import find as find_model
from runner.protocol.places import find
from runner.protocol.route import Asked, Route, checks
from runner.tracking import events, registry
from runner.tracking.index.grammar import ALL, Grammar, meets, test
from runner.tracking.registry import RegisteredModel, Version
from runner.values import JsonMapping, JsonObject

__all__ = ["ROUTES"]

STAGES = ("None", "Staging", "Production", "Archived")
TAG_VALUE = 100_000
NAME = 256
_MODELS = re.compile(r"models:/+(?:(m-[0-9a-f]{32})|([^/]+)/(\d+))/?\Z")
_RUNS = re.compile(r"runs:/+([0-9a-f]{32})(?:/(.*))?\Z", re.DOTALL)


# ---- registered models -------------------------------------------------------------------------------------


def _name(name: str) -> str:
    if not name.strip():
        raise invalid("Missing value for required parameter 'name'.")
    if "/" in name or ":" in name:
        raise invalid(f"Invalid model name '{name}'. Names cannot contain '/' or ':'.")
    allowed.length("name", NAME, name)
    return name


def _tags(given: Any) -> dict[str, str]:
    found = {allowed.key(each.get("key"), "key", "key"): each.get("value", "") for each in given}
    for value in found.values():
        allowed.length("value", TAG_VALUE, value)
    return found


def _model(asked: Asked) -> RegisteredModel:
    name = _name(asked.values["name"])
    found = registry.find(asked.store.root, name)
    if found is None:
        raise ApiError("RESOURCE_DOES_NOT_EXIST", f"Registered Model with name={name} not found")
    return found


def shown(model: RegisteredModel) -> JsonObject:
    value: JsonObject = {
        "name": model.name,
        "creation_timestamp": model.creation_time,
        "last_updated_timestamp": model.last_update_time,
    }
    if model.description:
        value["description"] = model.description
    if model.latest is not None:
        value["latest_versions"] = [shown_version(model, model.latest)]
    if model.tags:
        value["tags"] = pairs(model.tags)
    return value


def create_model(asked: Asked) -> Response:
    values = asked.values
    name, tags = _name(values["name"]), _tags(values.get("tags", ()))
    asked.scope.write("models")
    store = asked.store
    if not registry.create(store.root, name, values.get("description", ""), tags, store.secrets):
        raise ApiError("RESOURCE_ALREADY_EXISTS", f"Registered Model (name={name}) already exists.")
    return reply({"registered_model": shown(registry.get(store.root, name))})


def get_model(asked: Asked) -> Response:
    return reply({"registered_model": shown(_model(asked))})


def latest(asked: Asked) -> Response:
    """No version is in another stage than None yet."""
    wanted = asked.values.get("stages", ())
    known = {stage.lower() for stage in STAGES}
    for stage in wanted:
        if stage.lower() not in known:
            raise invalid(f"Invalid Model Version stage: {stage}. Value must be one of {', '.join(STAGES)}.")
    model = _model(asked)
    if model.latest is None or (wanted and "none" not in (stage.lower() for stage in wanted)):
        return reply({})
    return reply({"model_versions": [shown_version(model, model.latest)]})


def search_models(asked: Asked) -> Response:
    found = ((each, each) for each in registry.listing(asked.store.root))
    rows = _selected(asked, found, ("name",), ("creation_timestamp", "last_updated_timestamp"), ["name ASC"])
    return _page(asked, "registered_models", [shown(model) for model, _ in rows], 100, 1000)


# ---- versions ----------------------------------------------------------------------------------------------


def shown_version(model: RegisteredModel, version: Version) -> JsonObject:
    value: JsonObject = {
        "name": model.name,
        "version": str(version.number),
        "creation_timestamp": version.creation_time,
        "last_updated_timestamp": version.creation_time,
        "current_stage": "None",
        "description": version.description,
        "source": version.source,
        "run_id": version.run_id,
        "status": "READY",
        "run_link": version.run_link,
    }
    for key, text in (("user_id", version.user), ("model_id", version.model_id)):
        if text:
            value[key] = text
    if version.tags:
        value["tags"] = pairs(version.tags)
    return value


def _version(asked: Asked) -> tuple[RegisteredModel, Version]:
    model = _model(asked)
    return model, _numbered(model, asked.values["version"])


def _numbered(model: RegisteredModel, text: str) -> Version:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise invalid(f"Invalid value '{text}' for parameter 'version' supplied: it must be an integer.")
    number = int(text)
    if claims := model.contested.get(number):
        raise ApiError(
            "RESOURCE_CONFLICT",
            f"Model Version (name={model.name}, version={number}) is claimed by {len(claims)} versions, of stores"
            f" that were merged: {', '.join(_described(model, each) for each in claims)}. Register the one that"
            " is meant again, for a number of its own.",
        )
    found = model.versions.get(number)
    if found is None:
        raise ApiError(
            "RESOURCE_DOES_NOT_EXIST", f"Model Version (name={model.name}, version={number}) not found"
        )
    return found


def _described(model: RegisteredModel, version_id: str) -> str:
    found = next(each for each in model.versions.values() if each.version_id == version_id)
    return f"{found.source} of run {found.run_id}" if found.run_id else found.source


def create_version(asked: Asked) -> Response:
    """The source must be there, where it is one of ours; what lies elsewhere is taken as it is said."""
    values = asked.values
    model, tags = _model(asked), _tags(values.get("tags", ()))
    asked.scope.write("models")
    wanted = _source(asked, values["source"], values.get("run_id", ""), values.get("model_id", ""))
    if wanted.run_id:
        asked.scope.write_run(wanted.run_id)
    wanted = wanted._replace(
        description=values.get("description", ""), run_link=values.get("run_link", ""), tags=tags
    )
    store = asked.store
    made = registry.register(store.root, model.name, wanted, store.secrets)
    if wanted.run_id:
        try:
            live = asked.runs.get(wanted.run_id)
        except ApiError:
            pass  # of another store
        else:
            live.writer.append(events.registered_link(model.name, made.number, made.source, made.model_id))
    return reply({"model_version": shown_version(model, made)})


def _source(asked: Asked, source: str, run_id: str, model_id: str) -> Version:
    """What is to be registered: where its files are, whose they are, and their digest."""
    if ".." in source.replace("\\", "/").split("/"):
        raise invalid(f"Invalid model version source: '{source}'. Please provide an absolute path.")
    location, digest = source, ""
    if found := _MODELS.match(source):
        if found[1]:
            if model_id and model_id != found[1]:
                raise invalid(f"Invalid model version source: '{source}'. It is not the model {model_id}.")
            model_id = found[1]
            model = find_model(asked, model_id)
            run_id = run_id or model.run_id
            location = f"{asked.root(model.experiment_id).rstrip('/')}/models/{model_id}/artifacts"
        else:
            other = registry.find(asked.store.root, found[2])
            if other is None:
                raise ApiError("RESOURCE_DOES_NOT_EXIST", f"Registered Model with name={found[2]} not found")
            copied = _numbered(other, found[3])
            location, digest = copied.location, copied.digest
            run_id, model_id = run_id or copied.run_id, model_id or copied.model_id
    elif found := _RUNS.match(source):
        if run_id and run_id != found[1]:
            raise invalid(f"Invalid model version source: '{source}'. It is not of the run {run_id}.")
        run_id = found[1]
        root = asked.root(asked.runs.get(run_id).run().experiment_id).rstrip("/")
        location = f"{root}/{run_id}/artifacts/{found[2] or ''}".rstrip("/")
    if location.startswith("mlflow-artifacts:") and not digest:
        place = find(asked.store, urlsplit(location).path.lstrip("/"))
        digest = _digest(place.file, source)
        run_id, model_id = run_id or place.run_id, model_id or place.model_id
    elif location.startswith(("/", "file:")):
        digest = _digest(_of_run(asked, location, source, run_id), source)
    return Version("", 0, source, location, run_id, model_id, digest)


def _of_run(asked: Asked, location: str, source: str, run_id: str) -> str:
    """The path of a source on this machine: that counts only within the artifacts of its run."""
    path = unquote(urlsplit(location).path)
    if run_id:
        root = asked.root(asked.runs.get(run_id).run().experiment_id)
        kept = os.path.realpath(f"{unquote(urlsplit(root).path).rstrip('/')}/{run_id}/artifacts")
        if f"{os.path.realpath(path)}/".startswith(f"{kept}/"):
            return path
    raise invalid(
        f"Invalid model version source: '{source}'. To use a local path as a model version source, the run_id"
        " request parameter has to be specified and the local path has to be contained within the artifact"
        " directory of the run specified by the run_id."
    )


def _digest(path: str, source: str) -> str:
    try:
        found = hashing.digest(path)
    except OSError:
        found = None
    if found is None or not found.size:
        raise ApiError("RESOURCE_DOES_NOT_EXIST", f"Model version source '{source}' does not exist.")
    return found.digest


def get_version(asked: Asked) -> Response:
    model, version = _version(asked)
    return reply({"model_version": shown_version(model, version)})


def download_uri(asked: Asked) -> Response:
    return reply({"artifact_uri": _version(asked)[1].location})


def search_versions(asked: Asked) -> Response:
    found = (
        (model, version)
        for model in registry.listing(asked.store.root)
        for version in model.versions.values()
    )
    rows = _selected(
        asked,
        found,
        ("name", "run_id", "source_path", "source", "model_id"),
        ("version_number", "creation_timestamp", "last_updated_timestamp"),
        ["last_updated_timestamp DESC", "name ASC", "version_number DESC"],
    )
    return _page(asked, "model_versions", [shown_version(*row) for row in rows], 10_000, 200_000)


# ---- searching ---------------------------------------------------------------------------------------------


def _selected(
    asked: Asked, rows: Iterable[Any], texts: tuple[str, ...], numbers: tuple[str, ...], order: list[str]
) -> list[Any]:
    entities = {name: entity for name, entity in ALL.items() if entity in ("tag", "attribute")}
    grammar = Grammar(entities, texts, numbers)
    clauses = bounds.clauses(asked.values.get("filter", ""), grammar)
    orders = bounds.orders(asked.values.get("order_by") or order, grammar)
    found = []
    for row in bounds.in_time(rows):
        if meets(clauses, partial(_passes, row)):
            found.append(row)
    for each in reversed(orders):
        found.sort(key=partial(_rank, each), reverse=not each.ascending)
    return found


def _rank(order: object, row: tuple[RegisteredModel, Any]) -> Any:
    return _field(row, order) or 0


def _passes(row: tuple[RegisteredModel, Any], clause: Any) -> bool:
    """A tag that is not there is not equal to anything: clients ask so for models that are no prompts."""
    value = _field(row, clause)
    if value is None and clause.entity == "tag" and clause.operator == "!=":
        return True
    return test(clause, value)


def _field(row: tuple[RegisteredModel, Any], asked_for: Any) -> Any:
    model, item = row
    if asked_for.entity == "tag":
        return item.tags.get(asked_for.key)
    if asked_for.key == "name":
        return model.name
    if asked_for.key == "last_updated_timestamp" and isinstance(item, RegisteredModel):
        return item.last_update_time
    fields = {
        "version_number": "number",
        "source_path": "source",
        "creation_timestamp": "creation_time",
        "last_updated_timestamp": "creation_time",
    }
    return getattr(item, fields.get(asked_for.key, asked_for.key))


def _page(asked: Asked, name: str, rows: list[JsonObject], usual: int, most: int) -> Response:
    limit = int(asked.values.get("max_results") or usual)
    if not 0 < limit <= most:
        raise invalid(f"Invalid value for max_results. It must be from 1 to {most}, but got value {limit}")
    first = offset_of(asked.values.get("page_token", ""))
    answer: JsonObject = {}
    if rows[first : first + limit]:
        answer[name] = rows[first : first + limit]
    if first + limit < len(rows):
        answer["next_page_token"] = token_of(first + limit)
    return reply(answer)


_SEARCH: JsonMapping = {
    "filter": "string", "max_results": "int64", "order_by": ["string"], "page_token": "string"
}  # fmt: skip
_SEARCHED = checks("filter string", "max_results int", "order_by array", "page_token string")
_NAME = checks("name string required")
_STAGES = ({"name": "string", "stages": ["string"]}, checks("name string required", "stages array"))
_NUMBERED = (
    {"name": "string", "version": "string"},
    checks("name string required", "version string required"),
)

ROUTES = (
    Route(
        "POST",
        "registered-models/create",
        create_model,
        {"name": "string", "tags": [TAG], "description": "string"},
        checks("name string required", "tags array", "description string"),
        blocks=True,
    ),
    Route("GET", "registered-models/get", get_model, {"name": "string"}, _NAME, blocks=True),
    Route("GET", "registered-models/search", search_models, _SEARCH, _SEARCHED, slow=True),
    Route("POST", "registered-models/search", search_models, _SEARCH, _SEARCHED, slow=True),  # the R client
    Route("GET", "registered-models/list", search_models, _SEARCH, _SEARCHED, slow=True),  # clients before 2
    Route("GET", "registered-models/get-latest-versions", latest, *_STAGES, blocks=True),
    Route("POST", "registered-models/get-latest-versions", latest, *_STAGES, blocks=True),
    Route(
        "POST",
        "model-versions/create",
        create_version,
        {
            **dict.fromkeys(("name", "source", "run_id", "run_link", "description", "model_id"), "string"),
            "tags": [TAG],
        },
        checks(
            "name string required", "source string required", "run_id string", "tags array", "run_link string",
            "description string", "model_id string",
        ),
        slow=True,
    ),
    Route("GET", "model-versions/get", get_version, *_NUMBERED, blocks=True),
    Route("GET", "model-versions/get-download-uri", download_uri, *_NUMBERED, blocks=True),
    Route("GET", "model-versions/search", search_versions, _SEARCH, _SEARCHED, slow=True),
    Route("POST", "model-versions/search", search_versions, _SEARCH, _SEARCHED, slow=True),
)  # fmt: skip
