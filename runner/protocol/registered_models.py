"""registered-models/...: models, their tags and their aliases."""

from __future__ import annotations

from runner.protocol import checks as allowed
from runner.protocol.answer import EMPTY, ApiError, Response, invalid, reply
from runner.protocol.experiments import TAG
from runner.protocol.registered import (
    TAG_VALUE,
    alias_of,
    find,
    mirrored,
    name_of,
    number_of,
    numbered,
    shown,
    shown_version,
    stage_of,
    tags_of,
    told,
)
from runner.protocol.route import Asked, Route, checks, texts
from runner.tracking import registry
from runner.tracking.registry import change
from runner.tracking.registry.sources import problem_of

__all__ = ["ROUTES"]


@told
def create(asked: Asked) -> Response:
    values, store, scope = asked.values, asked.store, asked.scope
    name, tags = name_of(values["name"]), tags_of(values.get("tags", ()))
    scope.write("models")
    scope.name_model(name)
    description = values.get("description", "")
    if not registry.create(store.root, name, description, tags, store.secrets, scope.who):
        raise ApiError("RESOURCE_ALREADY_EXISTS", f"Registered Model (name={name}) already exists.")
    scope.made_model(name)
    return reply({"registered_model": shown(registry.get(store.root, name))})


@told
def get(asked: Asked) -> Response:
    return reply({"registered_model": shown(find(asked))})


@told
def update(asked: Asked) -> Response:
    model, text = find(asked), asked.values.get("description", "")
    asked.scope.write_model(model.name, "")
    store = asked.store
    changed = change.describe(store.root, model.name, None, text, asked.scope.who, store.secrets)
    return reply({"registered_model": shown(changed)})


@told
def rename(asked: Asked) -> Response:
    name, new = name_of(asked.values["name"]), name_of(asked.values["new_name"], "new_name")
    asked.scope.manage("registered models")
    for each in (name, new):
        asked.scope.name_model(each)
    store = asked.store
    changed = change.rename(store.root, name, new, asked.scope.who, secrets=store.secrets)
    return reply({"registered_model": shown(changed)})


@told
def delete(asked: Asked) -> Response:
    name, store = name_of(asked.values["name"]), asked.store
    asked.scope.manage("registered models")
    asked.scope.name_model(name)
    change.delete(store.root, name, None, asked.scope.who, secrets=store.secrets)
    return EMPTY


@told
def latest(asked: Asked) -> Response:
    wanted = {stage_of(stage) for stage in asked.values.get("stages", ())}
    model = find(asked)
    found = [each for each in model.latest_of_stages() if not wanted or each.stage in wanted]
    return reply({"model_versions": [shown_version(model, each) for each in found]} if found else {})


@told
def set_tag(asked: Asked) -> Response:
    values, store = asked.values, asked.store
    name, key, value = name_of(values["name"]), values["key"], values.get("value", "")
    allowed.key(key, "key", "key")
    allowed.length("value", TAG_VALUE, value)
    asked.scope.write_model(find(asked).name, "")
    change.tag(store.root, name, None, key, value, asked.scope.who, store.secrets)
    return EMPTY


@told
def delete_tag(asked: Asked) -> Response:
    """Of one that is not there: as if it had been."""
    store, key = asked.store, allowed.key(asked.values["key"], "key", "key")
    model = find(asked)
    asked.scope.write_model(model.name, "")
    if key in model.tags:
        change.untag(store.root, model.name, None, key, asked.scope.who, store.secrets)
    return EMPTY


@told
def set_alias(asked: Asked) -> Response:
    values, store = asked.values, asked.store
    name, alias = name_of(values["name"]), alias_of(values["alias"], is_set=True)
    number = number_of(values["version"])
    model = find(asked)
    version = numbered(model, values["version"])
    asked.scope.write_model(model.name, version.run_id)
    change.set_alias(store.root, name, alias, number, asked.scope.who, secrets=store.secrets)
    mirrored(asked, model, version, "alias", alias=alias)
    return EMPTY


@told
def delete_alias(asked: Asked) -> Response:
    store, alias = asked.store, alias_of(asked.values["alias"])
    model = find(asked)
    version = model.aliased(alias)
    asked.scope.write_model(model.name, version.run_id if version else "")
    change.drop_alias(store.root, model.name, alias, asked.scope.who, secrets=store.secrets)
    mirrored(asked, model, version, "unalias", alias=alias)
    return EMPTY


@told
def get_alias(asked: Asked) -> Response:
    alias, model = alias_of(asked.values["alias"]), find(asked)
    version = model.latest if alias.lower() == "latest" else model.aliased(alias)
    if version is None and alias.lower() == "latest":
        raise ApiError("RESOURCE_DOES_NOT_EXIST", f"Latest version not found for model {model.name}.")
    if version is None:
        raise invalid(f"Registered model alias {alias} not found.")
    return reply({"model_version": shown_version(model, version, problem_of(asked.store, model, version))})


_NAMED = texts("name string required")
_STAGES = ({"name": "string", "stages": ["string"]}, checks("name string required", "stages array"))
_DESCRIBED = {"name": "string", "description": "string", "deployment_job_id": "string"}
_KEYED = texts("name string required", "key string required", "value string")
_ALIASED = texts("name string required", "alias string required")

ROUTES = (
    Route(
        "POST",
        "registered-models/create",
        create,
        {**_DESCRIBED, "tags": [TAG]},
        checks("name string required", "tags array", "description string"),
        blocks=True,
    ),
    Route("GET", "registered-models/get", get, *_NAMED, blocks=True),
    Route(
        "PATCH",
        "registered-models/update",
        update,
        _DESCRIBED,
        checks("name string required", "description string"),
        blocks=True,
    ),
    Route(
        "POST",
        "registered-models/rename",
        rename,
        *texts("name string required", "new_name string required"),
        blocks=True,
    ),
    Route("DELETE", "registered-models/delete", delete, *_NAMED, blocks=True),
    Route("GET", "registered-models/get-latest-versions", latest, *_STAGES, blocks=True),
    Route("POST", "registered-models/get-latest-versions", latest, *_STAGES, blocks=True),
    Route("POST", "registered-models/set-tag", set_tag, *_KEYED, blocks=True),
    Route("DELETE", "registered-models/delete-tag", delete_tag, *_KEYED, blocks=True),
    Route(
        "POST",
        "registered-models/alias",
        set_alias,
        *texts("name string required", "alias string required", "version string required"),
        blocks=True,
    ),
    Route("DELETE", "registered-models/alias", delete_alias, *_ALIASED, blocks=True),
    Route("GET", "registered-models/alias", get_alias, *_ALIASED, blocks=True),
)
