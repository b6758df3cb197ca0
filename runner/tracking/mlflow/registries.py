"""Registered models of an MLflow server, or of a proj server: versions are sent with their runs, or fetched."""

from __future__ import annotations

import os
from collections.abc import Iterator

from runner.errors import InputError, StoreError
from runner.tracking import events
from runner.tracking.events import Facts
from runner.tracking.mlflow import fetch
from runner.tracking.mlflow.rest import Refused, Rest
from runner.tracking.mlflow.send import send
from runner.tracking.mlflow.send_models import VERSION_TAG
from runner.tracking.registry.change import create, is_name
from runner.tracking.registry.state import RegisteredModel, Version
from runner.tracking.registry.store import find
from runner.tracking.registry.transfer import adopt
from runner.tracking.store import Store

__all__ = ["pull", "push"]

PAGE = 200


def push(store: Store, model: RegisteredModel, version: Version, rest: Rest) -> tuple[str, bool]:
    """(The number there, whether it is new): the run that made it is sent with it. InputError without a run."""
    label = f"{model.name}/{version.number}"
    if not version.run_id or not os.path.isdir(store.run_directory(version.run_id)):
        raise InputError(
            f"the run that made {label} is not in this store: a server gets a version with its run"
        )
    mark = f"{version.run_id}/{version.number}"
    found = _there(rest, model.name, mark)
    if not found:
        linked = any(
            each.get("relation") == "registered"
            and (each.get("name"), each.get("version")) == (model.name, version.number)
            for each in store.read(version.run_id).links
        )
        if not linked:  # as of one that was renamed, or copied
            with store.open_run(version.run_id) as writer:
                writer.append(
                    events.registered_link(model.name, version.number, version.source, version.model_id)
                )
        send(store, version.run_id, rest)
    number = _there(rest, model.name, mark)
    if not number:
        raise StoreError(f"{rest.uri} did not take {label}", "proj sync --list  says why")
    named = {"name": model.name, "version": number}
    for key, value in version.tags.items():
        rest.post("model-versions/set-tag", {**named, "key": key, "value": value})
    if version.description:
        rest.post("model-versions/update", {**named, "description": version.description}, "PATCH")
    return number, not found


def _there(rest: Rest, name: str, mark: str) -> str:
    try:
        found = rest.get("model-versions/search", filter=f"tags.`{VERSION_TAG}` = '{mark}'")
    except Refused:
        return ""
    numbers = [str(each["version"]) for each in found.get("model_versions", ()) if each["name"] == name]
    return numbers[0] if numbers else ""


def pull(
    store: Store, rest: Rest, name: str, number: str, by: str
) -> Iterator[tuple[str, str, Version, bool]]:
    """(Name, number there, the version here, whether it is new) of each; without a name of all models."""
    with rest.understood():
        names = [name] if name else [str(each["name"]) for each in _every(rest, "registered-models/search")]
    for each in names:
        if not is_name(each):
            raise InputError(f"{rest.uri} has a registered model {each!r}: no model can have that name")
        try:
            with rest.understood():
                model = rest.get("registered-models/get", name=each)["registered_model"]
                description, tags = str(model.get("description", "")), _tags(model)
        except Refused as refused:
            raise InputError(refused.message) from None
        quoted = each.replace("'", "''")
        with rest.understood():
            versions = _every(rest, "model-versions/search", f"name = '{quoted}'", number)
            found = sorted(versions, key=lambda one: int(one["version"]))
        if number and not found:
            raise InputError(f"{rest.uri} has no version {each}/{number}")
        create(store.root, each, description, tags, store.secrets, by)
        for facts in found:
            made, new = _take(store, rest, each, facts, by)
            yield each, str(facts["version"]), made, new


def _every(rest: Rest, path: str, where: str = "", number: str = "") -> Iterator[Facts]:
    token = ""
    kind = path.partition("/")[0].replace("-", "_")
    while True:
        answer = rest.get(path, filter=where, max_results=PAGE, page_token=token)
        for each in answer.get(kind, ()):
            if not number or str(each.get("version")) == number:
                yield each
        token = str(answer.get("next_page_token", ""))
        if not token:
            return


def _tags(facts: Facts) -> dict[str, str]:
    return {str(each["key"]): str(each.get("value", "")) for each in facts.get("tags", ())}


def _take(store: Store, rest: Rest, name: str, facts: Facts, by: str) -> tuple[Version, bool]:
    number = str(facts["version"])
    mark = f"{rest.uri}#{name}/{number}"
    known = find(store.root, name)
    for version in known.versions.values() if known else ():
        if version.copied_from == mark:
            return version, False
    source = str(facts.get("source", ""))
    with rest.understood():
        wanted = Version(
            "",
            0,
            source,
            source,
            run_id="",
            description=str(facts.get("description", "")),
            run_link=str(facts.get("run_link", "")),
            user=str(facts.get("user_id", "") or by),
            tags=_tags(facts),
            copied_from=mark,
        )
        place = str(rest.get("model-versions/get-download-uri", name=name, version=number)["artifact_uri"])
    if not place.startswith(("mlflow-artifacts:", "runs:")):
        raise InputError(f"the files of {name}/{number} are at {place}: they are not kept through {rest.uri}")
    return adopt(store, name, wanted, lambda folder: _fetch(rest, place, folder)), True


def _fetch(rest: Rest, place: str, folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    fetch.fetch(rest, place, folder)
