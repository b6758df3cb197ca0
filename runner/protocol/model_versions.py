"""model-versions/...: versions, their tags and their stages."""

from __future__ import annotations

from runner.protocol import checks as allowed
from runner.protocol.answer import EMPTY, ApiError, Response, invalid, reply
from runner.protocol.experiments import TAG
from runner.protocol.registered import (
    TAG_VALUE,
    find,
    find_version,
    mirrored,
    shown_version,
    stage_of,
    tags_of,
    told,
)
from runner.protocol.route import Asked, Route, checks, texts
from runner.tracking import events, registry
from runner.tracking.registry import change, sources
from runner.tracking.registry.sources import StatedSource, problem_of

__all__ = ["ROUTES"]

ACTIVE = ("Staging", "Production")


@told
def create(asked: Asked) -> Response:
    """The source must be there, where it is one of ours; what lies elsewhere is taken as it is said."""
    values, store, scope = asked.values, asked.store, asked.scope
    model, tags = find(asked), tags_of(values.get("tags", ()))
    scope.write("models")
    scope.name_model(model.name)
    wanted = StatedSource(values["source"], values.get("run_id", ""), values.get("model_id", ""))
    version = sources.resolve(store, asked.root, wanted)
    if version.run_id:
        scope.write_run(version.run_id)
    version = version._replace(
        description=values.get("description", ""),
        run_link=values.get("run_link", ""),
        tags=tags,
        user=scope.who or _user(asked, version.run_id),
    )
    made = registry.register(store.root, model.name, version, store.secrets)
    if made.run_id:
        try:
            live = asked.runs.get(made.run_id)
        except ApiError:
            pass  # of another store
        else:
            live.writer.append(events.registered_link(model.name, made.number, made.source, made.model_id))
    return reply({"model_version": shown_version(registry.get(store.root, model.name), made)})


def _user(asked: Asked, run_id: str) -> str:
    try:
        return asked.runs.get(run_id).run().user if run_id else ""
    except ApiError:
        return ""


@told
def get(asked: Asked) -> Response:
    model, version = find_version(asked)
    return reply({"model_version": shown_version(model, version, problem_of(asked.store, model, version))})


@told
def update(asked: Asked) -> Response:
    """Without a description nothing changes."""
    model, version = find_version(asked)
    asked.scope.write_model(model.name, version.run_id)
    store, who = asked.store, asked.scope.who
    if "description" in asked.values:
        text = asked.values["description"]
        model = change.describe(store.root, model.name, version.number, text, who, store.secrets)
        mirrored(asked, model, version, "describe", description=text)
    return reply({"model_version": shown_version(model, model.versions[version.number])})


@told
def transition(asked: Asked) -> Response:
    values, store = asked.values, asked.store
    stage, archive = stage_of(values["stage"]), values.get("archive_existing_versions", False)
    model, version = find_version(asked)
    if archive and stage not in ACTIVE:
        raise invalid(
            "Model version transition cannot archive existing model versions because"
            f" '{values['stage']}' is not an Active stage. Valid stages are {list(ACTIVE)}"
        )
    asked.scope.write_model(model.name, version.run_id)
    if archive:
        for each in model.versions.values():
            if each.stage == stage:
                asked.scope.write_model(model.name, each.run_id)
    changed = change.transition(
        store.root, model.name, version.number, stage, archive, asked.scope.who, secrets=store.secrets
    )
    archives = {"archive_existing_versions": "true"} if archive else {}
    mirrored(asked, model, version, "stage", stage=stage, **archives)
    return reply({"model_version": shown_version(changed, changed.versions[version.number])})


@told
def delete(asked: Asked) -> Response:
    model, version = find_version(asked)
    store = asked.store
    asked.scope.manage("versions of registered models")
    asked.scope.name_model(model.name)
    change.delete(store.root, model.name, version.number, asked.scope.who, secrets=store.secrets)
    return EMPTY


@told
def download_uri(asked: Asked) -> Response:
    model, version = find_version(asked)
    if problem := problem_of(asked.store, model, version):
        raise ApiError("RESOURCE_DOES_NOT_EXIST", f"This version cannot be loaded: {problem}.")
    return reply({"artifact_uri": version.location})


@told
def set_tag(asked: Asked) -> Response:
    key, value = asked.values["key"], asked.values.get("value", "")
    allowed.key(key, "key", "key")
    allowed.length("value", TAG_VALUE, value)
    model, version = find_version(asked)
    asked.scope.write_model(model.name, version.run_id)
    store = asked.store
    change.tag(store.root, model.name, version.number, key, value, asked.scope.who, store.secrets)
    mirrored(asked, model, version, "tag", key=key, value=value)
    return EMPTY


@told
def delete_tag(asked: Asked) -> Response:
    """Of one that is not there: as if it had been."""
    key = allowed.key(asked.values["key"], "key", "key")
    model, version = find_version(asked)
    asked.scope.write_model(model.name, version.run_id)
    if key in version.tags:
        store = asked.store
        change.untag(store.root, model.name, version.number, key, asked.scope.who, store.secrets)
        mirrored(asked, model, version, "untag", key=key)
    return EMPTY


_NUMBER = ("name string required", "version string required")
_NUMBERED = texts(*_NUMBER)
_KEYED = texts(*_NUMBER, "key string required", "value string")

ROUTES = (
    Route(
        "POST",
        "model-versions/create",
        create,
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
    Route("GET", "model-versions/get", get, *_NUMBERED, blocks=True),
    Route("PATCH", "model-versions/update", update, *texts(*_NUMBER, "description string"), blocks=True),
    Route(
        "POST",
        "model-versions/transition-stage",
        transition,
        {**_NUMBERED[0], "stage": "string", "archive_existing_versions": "bool"},
        checks(*_NUMBER, "stage string required", "archive_existing_versions bool"),
        blocks=True,
    ),
    Route("DELETE", "model-versions/delete", delete, *_NUMBERED, blocks=True),
    Route("GET", "model-versions/get-download-uri", download_uri, *_NUMBERED, blocks=True),
    Route("POST", "model-versions/set-tag", set_tag, *_KEYED, blocks=True),
    Route("DELETE", "model-versions/delete-tag", delete_tag, *_KEYED, blocks=True),
)  # fmt: skip
