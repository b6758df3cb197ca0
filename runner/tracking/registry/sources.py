"""Where the files of a version are: what a source names is looked up when it is registered, and must be there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote, urlsplit

from runner.errors import StoreError
from runner.host import hashing
from runner.tracking import models
from runner.tracking.artifact_paths import ArtifactPath, OutsideError, locate
from runner.tracking.fold import Run
from runner.tracking.registry.change import numbered
from runner.tracking.registry.state import RegisteredModel, Version
from runner.tracking.registry.store import get, listing
from runner.tracking.store import Store

__all__ = [
    "BadSourceError",
    "NoSourceError",
    "Root",
    "StatedSource",
    "current_digest",
    "file_of",
    "held_by",
    "problem_of",
    "protected",
    "resolve",
]

LONGEST = 4000  # characters of a source
ROUNDS = 10  # in which it is decoded
Root: TypeAlias = "Callable[[str], str]"  # experiment id -> where it keeps artifacts

_LOGGED = re.compile(r"models:/+(m-[0-9a-f]{32})/?\Z")
_MODELS = re.compile(r"models:/+([^/@]+)(?:/([^/]+)|@([^/]+))/?\Z")
_RUNS = re.compile(r"runs:/+([0-9a-f]{32})(?:/(.*))?\Z", re.DOTALL)


class NoSourceError(StoreError):
    """What the source names is not there."""


class BadSourceError(StoreError):
    """It names nothing that can be registered."""


class StatedSource(NamedTuple):
    """What somebody says a new version is made of."""

    source: str  # models:/, runs:/, mlflow-artifacts:/, a path, or a URI of elsewhere
    run_id: str = ""
    model_id: str = ""


def resolve(store: Store, root: Root, stated: StatedSource) -> Version:
    """What is to be registered: where its files are, whose they are, and their digest.

    What lies elsewhere (s3://...) is taken as it is said, and has no digest.
    """
    source, run_id, model_id = stated
    if not _is_plain(source):
        raise BadSourceError(
            f"Invalid model version source: '{source[:LONGEST]}'. Please provide an absolute path."
        )
    if found := _LOGGED.match(source):
        if model_id and model_id != found[1]:
            raise BadSourceError(f"Invalid model version source: '{source}'. It is not the model {model_id}.")
        return _located(store, root, _logged(store, root, stated, found[1]))
    if found := _MODELS.match(source):
        return _copied(get(store.root, found[1]), found[2] or f"@{found[3]}", stated)
    if found := _RUNS.match(source):
        if run_id and run_id != found[1]:
            raise BadSourceError(f"Invalid model version source: '{source}'. It is not of the run {run_id}.")
        place = root(_run(store, found[1]).experiment_id).rstrip("/")
        location = f"{place}/{found[1]}/artifacts/{found[2] or ''}".rstrip("/")
        return _located(store, root, Version("", 0, source, location, found[1], model_id))
    return _located(store, root, Version("", 0, source, source, run_id, model_id))


def _is_plain(source: str) -> bool:
    """Whether it leads nowhere else, however often it was encoded, which `%2525...` may be without end."""
    for _ in range(ROUNDS):
        if ".." in source.replace("\\", "/").split("/") or "\0" in source or len(source) > LONGEST:
            return False
        decoded = unquote(source)
        if decoded == source:
            return True
        source = decoded
    return False


def _run(store: Store, run_id: str) -> Run:
    try:
        return store.read(run_id)
    except StoreError:
        raise NoSourceError(f"Run with id={run_id} not found") from None


def _model(store: Store, model_id: str) -> models.LoggedModel:
    try:
        model = models.get(store.root, model_id)
    except StoreError:
        model = None
    if model is None or model.lifecycle != "active":
        raise NoSourceError(f"Logged model with ID '{model_id}' not found.")
    return model


def _logged(store: Store, root: Root, stated: StatedSource, model_id: str) -> Version:
    model = _model(store, model_id)
    location = f"{root(model.experiment_id).rstrip('/')}/models/{model_id}/artifacts"
    return _owned(Version("", 0, stated.source, location, stated.run_id, model_id), model.run_id, model_id)


def _owned(version: Version, run_id: str, model_id: str) -> Version:
    """Of the run and the logged model whose files they are. BadSourceError when it is said to be another's.

    What a gate asks of the run that made a version (a metric, a rebuild) says nothing of the files of somebody else.
    """
    if version.run_id not in ("", run_id):
        raise BadSourceError(
            f"Invalid model version source: '{version.source}'. It is not of the run {version.run_id}."
        )
    if model_id and version.model_id not in ("", model_id):
        raise BadSourceError(
            f"Invalid model version source: '{version.source}'. It is not the model {version.model_id}."
        )
    return version._replace(run_id=run_id, model_id=model_id or version.model_id)


def _copied(other: RegisteredModel, which: str, stated: StatedSource) -> Version:
    """The same files under another name, or again: no bytes are copied."""
    if which.startswith("@"):
        found = other.aliased(which[1:])
        if found is None:
            raise BadSourceError(f"Registered model alias {which[1:]} not found.")
    elif which.isascii() and which.isdigit():
        found = numbered(other, int(which))
    else:
        latest = {each.stage.lower(): each for each in other.latest_of_stages()}
        found = other.latest if which.lower() == "latest" else latest.get(which.lower())
        if found is None:
            raise NoSourceError(f"No versions of model with name '{other.name}' and stage '{which}' found")
    if stated.run_id not in ("", found.run_id) or stated.model_id not in ("", found.model_id):
        raise BadSourceError(
            f"Invalid model version source: '{stated.source}'. The run_id and model_id request parameters must match"
            " the referenced model version."
        )
    return Version(
        "",
        0,
        f"models:/{other.name}/{found.number}",
        found.location,
        found.run_id,
        found.model_id,
        found.digest,
        copied_from=found.version_id,
    )


def _located(store: Store, root: Root, version: Version) -> Version:
    """With the digest of its files, where they are in this store or on this machine."""
    location, source = version.location, version.source
    if location.startswith("mlflow-artifacts:"):
        place = locate(store, _path(location).lstrip("/"))
        run_id = _model(store, place.model_id).run_id if place.model_id else place.run_id
        return _owned(version, run_id, place.model_id)._replace(digest=_digest(_file(place), source))
    if location.startswith(("/", "file:")):
        version = _local(store, root, version)
        return version._replace(digest=_digest(file_of(store, version), source))
    return version


def _local(store: Store, root: Root, version: Version) -> Version:
    """Of a source on this machine: that counts only within the artifacts of its run."""
    path = os.path.realpath(file_of(store, version))
    if version.model_id and path == os.path.realpath(_of_model(store, root, version.model_id)):
        return _owned(version, _model(store, version.model_id).run_id, version.model_id)
    if version.run_id:
        place = root(_run(store, version.run_id).experiment_id)
        kept = os.path.realpath(f"{unquote(_path(place)).rstrip('/')}/{version.run_id}/artifacts")
        if f"{path}/".startswith(f"{kept}/"):
            return version
    raise BadSourceError(
        f"Invalid model version source: '{version.source}'. To use a local path as a model version source, the run_id"
        " request parameter has to be specified and the local path has to be contained within the artifact"
        " directory of the run specified by the run_id."
    )


def _of_model(store: Store, root: Root, model_id: str) -> str:
    place = root(_model(store, model_id).experiment_id)
    return f"{unquote(_path(place)).rstrip('/')}/models/{model_id}/artifacts"


def _path(location: str) -> str:
    """Of a URI or a path, with its escapes. BadSourceError for what is neither, such as `file://[x`."""
    try:
        return urlsplit(location).path
    except ValueError as error:
        raise BadSourceError(f"Invalid model version source: '{location}'. It is no URI: {error}.") from None


def _file(place: ArtifactPath) -> str:
    """BadSourceError when a link leads out of the folder."""
    try:
        return place.file
    except OutsideError:
        message = f"Invalid model version source: {place.path} leads out of where its artifacts are."
        raise BadSourceError(message) from None


def _digest(path: str, source: str) -> str:
    try:
        found = hashing.digest(path)
    except OSError:
        found = None
    if found is None or not found.size:
        raise NoSourceError(f"Model version source '{source}' does not exist.")
    return found.digest


def file_of(store: Store, version: Version) -> str:
    """The folder with its files on this machine; "" where they lie elsewhere."""
    if version.location.startswith("mlflow-artifacts:"):
        return _file(locate(store, _path(version.location).lstrip("/")))
    if version.location.startswith(("/", "file:")):
        return unquote(_path(version.location))
    return ""


def problem_of(store: Store, model: RegisteredModel, version: Version) -> str:
    """Why a version cannot be loaded any more: its files, which were here, are gone.

    Of one that a protected alias or stage holds also: they are not those that were approved.
    """
    if not version.digest:
        return ""
    try:
        path = file_of(store, version)
        if path and not os.path.exists(path):
            return "its files were removed from the store"
        if path and protected(model, version) and current_digest(store, version) != version.digest:
            return "its files are not those that were registered"
    except StoreError as error:
        return error.message
    return ""


def protected(model: RegisteredModel, version: Version) -> str:
    """NAME@ALIAS or NAME/NUMBER (STAGE), protected, that holds this version; "" for none."""
    for target in model.policies:
        kind, _, name = target.partition(":")
        found = model.aliased(name) if kind == "alias" else None
        if found is not None and found.version_id == version.version_id:
            return f"{model.name}@{name}"
        if kind == "stage" and version.stage == name:
            return f"{model.name}/{version.number} ({name})"
    return ""


def held_by(store: Store, path: str) -> str:
    """NAME@ALIAS or NAME/NUMBER (STAGE), protected, whose files are at, in or above this path; "" for none."""
    path = os.path.realpath(path)
    for model in listing(store.root):
        for version in model.versions.values() if model.policies else ():
            label = protected(model, version) if version.digest else ""
            if not label:
                continue
            try:
                place = os.path.realpath(file_of(store, version))
            except StoreError:
                continue  # of a store that was merged: it names no place
            if f"{path}/".startswith(f"{place}/") or f"{place}/".startswith(f"{path}/"):
                return label
    return ""


def current_digest(store: Store, version: Version) -> str:
    """Of its files as they are now. NoSourceError when they are gone."""
    path = file_of(store, version)
    return _digest(path, version.source) if path else ""
