"""What the endpoints of registered models and of their versions share: names, errors, and how they are shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import wraps

from runner.protocol import checks as allowed
from runner.protocol.answer import ApiError, Response, invalid
from runner.protocol.entities import pairs
from runner.protocol.route import Asked
from runner.protocol.scope import OneRun
from runner.tracking import events, registry
from runner.tracking.registry import (
    STAGES,
    ContestedError,
    NoModelError,
    NoVersionError,
    ProtectedError,
    RegisteredModel,
    TakenError,
    Version,
)
from runner.tracking.registry.change import NAME, is_name
from runner.tracking.registry.sources import BadSourceError, NoSourceError
from runner.values import JsonMapping, JsonObject

__all__ = [
    "alias_of",
    "find",
    "find_version",
    "name_of",
    "numbered",
    "shown",
    "shown_version",
    "stage_of",
    "tags_of",
    "told",
]

TAG_VALUE = 100_000
ALIAS = 255
_ALIAS = re.compile(r"[\w\-]+\Z")
_VERSION_ALIAS = re.compile(r"[vV]\d+\Z")


# ---- what is asked -----------------------------------------------------------------------------------------


def name_of(name: str, what: str = "name") -> str:
    """The name of a model, registered or to be. ApiError for one that MLflow refuses, too."""
    if not name.strip():
        raise invalid(f"Missing value for required parameter '{what}'.")
    if "/" in name or ":" in name:
        raise invalid(f"Invalid model name '{name}'. Names cannot contain '/' or ':'.")
    allowed.length(what, NAME, name)
    if not is_name(name):
        raise allowed.wrong(what, name, allowed.elsewhere(name))
    return name


def tags_of(given: Iterable[JsonMapping]) -> dict[str, str]:
    """ApiError for a key or value that MLflow would refuse."""
    found = {allowed.key(each.get("key"), "key", "key"): each.get("value", "") for each in given}
    for value in found.values():
        allowed.length("value", TAG_VALUE, value)
    return found


def alias_of(alias: str, is_set: bool = False) -> str:
    """`is_set`: it is to be given to a version, so `latest` and `v1` are refused. ApiError."""
    if not _ALIAS.match(alias):
        raise invalid(
            f"Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )
    allowed.length("Registered model alias name", ALIAS, alias)
    if is_set and alias.lower() == "latest":
        raise invalid("'latest' alias name (case insensitive) is reserved.")
    if is_set and _VERSION_ALIAS.match(alias):
        raise invalid(f"Version alias name '{alias}' is reserved.")
    return alias


def stage_of(text: str) -> str:
    """In its own spelling, however it is written. ApiError for what is no stage."""
    for stage in STAGES:
        if stage.lower() == text.lower():
            return stage
    raise invalid(f"Invalid Model Version stage: {text}. Value must be one of {', '.join(STAGES)}.")


def number_of(text: str) -> int:
    """The number of a version. ApiError for what is none."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise invalid(f"Parameter 'version' must be an integer, got '{text}'.")
    return int(text)


def find(asked: Asked) -> RegisteredModel:
    """The model of the request."""
    return registry.get(asked.store.root, name_of(asked.values["name"]))


def numbered(model: RegisteredModel, text: str) -> Version:
    return registry.numbered(model, number_of(text))


def find_version(asked: Asked) -> tuple[RegisteredModel, Version]:
    """The version of the request, and its model."""
    name_of(asked.values["name"])
    number_of(asked.values["version"])
    model = find(asked)
    return model, numbered(model, asked.values["version"])


def told(handle: Callable[[Asked], Response]) -> Callable[[Asked], Response]:
    """The faults of the registry in MLflow's words, with what to type."""

    @wraps(handle)
    def answer(asked: Asked) -> Response:
        try:
            return handle(asked)
        except NoModelError as error:
            raise ApiError("RESOURCE_DOES_NOT_EXIST", error.message) from None
        except (NoVersionError, NoSourceError) as error:
            raise ApiError("RESOURCE_DOES_NOT_EXIST", error.message) from None
        except BadSourceError as error:
            raise invalid(error.message) from None
        except TakenError as error:
            raise ApiError("RESOURCE_ALREADY_EXISTS", error.message) from None
        except ContestedError as error:
            raise ApiError("RESOURCE_CONFLICT", f"{error.message}. {error.hint}") from None
        except ProtectedError as error:
            raise ApiError("PERMISSION_DENIED", f"{error.message}: {error.hint}") from None

    return answer


def mirrored(asked: Asked, model: RegisteredModel, version: Version | None, do: str, **facts: str) -> None:
    """What the command of a run does to a version of its own is sent on with the run."""
    if isinstance(asked.scope, OneRun) and version is not None and version.run_id:
        writer = asked.runs.get(version.run_id).writer
        writer.append(events.registry(do, model.name, version.number, **facts))


# ---- what is answered --------------------------------------------------------------------------------------


def shown(model: RegisteredModel) -> JsonObject:
    value: JsonObject = {
        "name": model.name,
        "creation_timestamp": model.creation_time,
        "last_updated_timestamp": model.last_update_time,
    }
    if model.user:
        value["user_id"] = model.user
    if model.description:
        value["description"] = model.description
    if model.versions:
        value["latest_versions"] = [shown_version(model, each) for each in model.latest_of_stages()]
    if model.tags:
        value["tags"] = pairs(model.tags)
    aliases = [
        {"alias": name, "version": str(version.number)}
        for name in model.aliases
        if (version := model.aliased(name)) is not None
    ]
    if aliases:
        value["aliases"] = aliases
    return value


def shown_version(model: RegisteredModel, version: Version, problem: str = "") -> JsonObject:
    value: JsonObject = {
        "name": model.name,
        "version": str(version.number),
        "creation_timestamp": version.creation_time,
        "last_updated_timestamp": version.last_update_time,
        "current_stage": version.stage,
        "description": version.description,
        "source": version.source,
        "run_id": version.run_id,
        "status": "FAILED_REGISTRATION" if problem else "READY",
        "run_link": version.run_link,
    }
    more = (("user_id", version.user), ("model_id", version.model_id), ("status_message", problem))
    value |= {key: text for key, text in more if text}
    if aliases := model.names_of(version):
        value["aliases"] = aliases
    if version.tags:
        value["tags"] = pairs(version.tags)
    return value
