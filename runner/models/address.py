"""Where a model is: from what people type to a folder on this machine.

./folder, file.zip, https://HOST/OWNER/REPO#folder, git@HOST:REPO, s3://BUCKET/PATH
bundle.zip                          of `proj bundle`: the model of the run that is in it
RUN, RUN:PATH, last:model           the only model of a run, or that of a name or folder
runs:/ID/PATH, models:/m-...        as MLflow has them
models:/NAME/7, NAME/latest, NAME/Production, NAME@alias        `models:/` may be left out
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from runner import sources
from runner.errors import InputError, ProjError, StoreError
from runner.models import remote
from runner.models.mlmodel import FILE
from runner.models.of_runs import model_of, root_of
from runner.reproduction.bundle import archive
from runner.sources import folders
from runner.text.credentials import without
from runner.tracking.fold import Run
from runner.tracking.mlflow import fetch
from runner.tracking.mlflow.rest import Rest
from runner.tracking.registry import Version, find
from runner.tracking.registry import sources as registered
from runner.tracking.registry.reference import version_of
from runner.tracking.remote_artifacts import RemoteRepository
from runner.tracking.store import Store
from runner.values import Report

__all__ = ["Located", "located"]

LOGGED = re.compile(r"(?:models:/+)?(m-[0-9a-f]{32})/?\Z")
SCP = re.compile(r"[\w.-]+@[\w.-]+:")  # git@HOST:PATH
FETCHED = ("http", "https", "ssh", "git", "file", "git+https", "git+ssh", "git+file", "git+http")
USES = ("serve", "check", "predict")  # kinds of runs that make no model
MANY = 20  # models that are named
DEEPEST = 12  # folders within folders that are looked into


class Located(NamedTuple):
    folder: str
    address: str  # exact, and without credentials: models:/credit/7 for credit@champion
    run_id: str = ""  # that made it
    model_id: str = ""  # logged model
    name: str = ""  # of a registered model
    number: int = 0
    version_id: str = ""  # of one that is registered in this store


@contextmanager
def located(
    store: Store,
    text: str,
    run: Callable[[str], Run],
    report: Report,
    server: str = "",
    offline: bool = False,
) -> Iterator[Located]:
    """The model, as long as the context lasts: what was fetched is removed at its end.

    `run`: the run that a text means. `server`: address of an MLflow server whose record is meant, not the store's.
    InputError for what is no model; StoreError or SourceError for one that cannot be had.
    """
    text = text.strip()
    if server and _is_explicit(text):
        report.note(f"--from is not used: {without(text)} is a place of its own, and in no record")
        yield from _placed(text, report, offline)
    elif server:
        yield from _served(server, text, report)
    elif _is_place(text):
        yield from _placed(text, report, offline)
    else:
        version = registered.resolve(store, lambda each: root_of(store, each), _wanted(store, text, run))
        yield from _kept(store, version, report)


def _is_explicit(text: str) -> bool:
    """Whether it cannot be meant but as a place: a URL, or a path that begins as one."""
    if text.startswith(("models:", "runs:", "mlflow-artifacts:")):
        return False
    return "://" in text or bool(SCP.match(text)) or text.startswith((".", "/", "~"))


def _is_place(text: str) -> bool:
    """Whether it is not looked up in a record."""
    if text.startswith(("models:", "runs:", "mlflow-artifacts:")):
        return False
    if _is_explicit(text):
        return True
    path = text.partition("#")[0]  # a run or a registered model may be called like a folder
    return os.path.isfile(path) or bool(models_below(path))


# ---- on disk, on the web ---------------------------------------------------------------------------------------


def _placed(text: str, report: Report, offline: bool) -> Iterator[Located]:
    scheme, slashes, _ = text.partition("://")
    if slashes and scheme not in FETCHED:
        with _folder() as target:
            _download(text, target, report)
            yield Located(_only(target, "", text), without(text))
        return
    address, _, inside = text.partition("#")
    path = os.path.abspath(os.path.expanduser(address.removeprefix("file://")))
    if os.path.isfile(path) and archive.is_bundle(path):
        with _folder() as target, report.step("checking the bundle"):
            archive.unpack(path, os.path.join(target, "bundle"))
            kept = os.path.join(target, "bundle", "run", "artifacts")
            yield Located(_only(kept, inside, path), f"{path}#{inside}".rstrip("#"))
        return
    if not slashes and not SCP.match(text) and not os.path.exists(path):
        raise InputError(f"there is no model at {path}")
    checkout = sources.fetch(text, "", report, offline)
    try:
        folder = _only(checkout.directory, "", text)
        commit = (
            f"@{checkout.commit}" if checkout.kind == "git" and checkout.commit not in checkout.uri else ""
        )
        yield Located(folder, f"{checkout.uri}{commit}")
    finally:
        sources.release(checkout)


@contextmanager
def _folder() -> Iterator[str]:
    """A new one, for what is fetched."""
    folder = folders.make()
    try:
        yield os.path.join(folder, "model")
    finally:
        folders.remove(folder)


def _only(folder: str, inside: str, text: str) -> str:
    """The model in a folder: the folder itself, or the only one below it. InputError."""
    top = os.path.normpath(os.path.join(folder, inside))
    if not f"{os.path.realpath(top)}/".startswith(f"{os.path.realpath(folder)}/"):
        raise InputError(f"#{inside} leads out of {text}")
    found = models_below(top)
    if len(found) == 1:
        return os.path.normpath(os.path.join(top, found[0]))
    if not found:
        raise InputError(f"{text} is no model of MLflow's format: there is no {FILE} file in it")
    named = "\n".join(f"  {each}" for each in found[:MANY])
    more = f"\n  and {len(found) - MANY} more" if len(found) > MANY else ""
    raise InputError(
        f"{text} has {len(found)} models:\n{named}{more}", f"{text}#{found[0]}  is the first of them"
    )


def models_below(top: str) -> list[str]:
    """Paths, from `top`, of the models in a folder; a model's own folder has no other in it."""
    found = []
    for folder, inner, names in os.walk(top):
        inside = os.path.relpath(folder, top)
        if FILE in names:
            found.append(inside)
            inner.clear()
        elif inside.count(os.sep) >= DEEPEST:
            inner.clear()
        inner[:] = sorted(each for each in inner if not each.startswith("."))
    return found


def _download(url: str, target: str, report: Report) -> None:
    """What lies at a URL of fsspec's."""
    repository = RemoteRepository(url)
    with report.step(f"fetching {without(url)}") as step:
        names = [name for name, _ in repository.files("")]
        if not names:
            raise StoreError(f"there is nothing at {without(url)}")
        done = 0
        for name in names:
            place = os.path.normpath(os.path.join(target, name))
            if not place.startswith(target + os.sep):
                raise StoreError(f"{without(url)} has a file that leads out of it: {name}")
            os.makedirs(os.path.dirname(place), exist_ok=True)
            done += repository.get(name, place, lambda _: None).size
            step.update(name, done)


def _served(server: str, text: str, report: Report) -> Iterator[Located]:
    with Rest(server) as rest, _folder() as target:
        place = remote.find(rest, text)
        if place.uri.startswith("mlflow-artifacts:"):
            with report.step(f"fetching {place.address}"):
                fetch.fetch(rest, place.uri, target)
        elif "://" in place.uri and not place.uri.startswith("file:"):
            _download(place.uri, target, report)
        else:
            raise InputError(
                f"the files of {place.address} are at {place.uri}, on the disk of {rest.uri}",
                "its address of a proxy, mlflow server --serve-artifacts, would serve them",
            )
        folder = _only(target, "", place.address)
        yield Located(folder, f"{rest.uri}#{place.address}", *place[2:])


# ---- in the store ----------------------------------------------------------------------------------------------


def _wanted(store: Store, text: str, run: Callable[[str], Run]) -> registered.StatedSource:
    if found := LOGGED.match(text):
        return registered.StatedSource(f"models:/{found[1]}")
    if text.startswith("models:") or _is_registered(store, text):
        model, version = version_of(store.root, text)
        return registered.StatedSource(f"models:/{model.name}/{version.number}")
    if text.startswith("mlflow-artifacts:"):
        return registered.StatedSource(text)
    ref, _, path = text.partition(":")
    if text.startswith("runs:"):
        ref, _, path = text.removeprefix("runs:").strip("/").partition("/")
    elif os.path.isdir(ref) and not path:
        raise InputError(f"{text} is no model of MLflow's format: there is no {FILE} file in it")
    try:
        made_by = _maker(run, ref)
    except InputError as error:
        if not path and find(store.root, ref):
            raise InputError(
                f"{ref} is a registered model, and it is not said which version",
                f"{ref}/latest, {ref}/1 or {ref}@ALIAS;  proj models show {ref}  lists them",
            ) from error
        raise
    return registered.StatedSource(model_of(store, made_by, path))


def _maker(run: Callable[[str], Run], ref: str) -> Run:
    """The run that is meant; `last` is not one that only served or used a model."""
    found, back = run(ref), 0
    while ref == "last" and found.kind in USES:
        back += 1
        found = run(f"last~{back}")
    return found


def _is_registered(store: Store, text: str) -> bool:
    """NAME/7, NAME@alias; NAME/PATH of a name that is known to nobody is one too, and says so."""
    name, at, _ = text.rpartition("@")
    return "/" in text.partition(":")[0] or bool(at and find(store.root, name))


def _kept(store: Store, version: Version, report: Report) -> Iterator[Located]:
    name, number = "", 0
    if found := re.match(r"models:/([^/]+)/(\d+)\Z", version.source):
        name, number = found[1], int(found[2])
    path = registered.file_of(store, version)
    if path:
        label = f"{name}/{number}" if name else version.source
        if name and version.digest and registered.current_digest(store, version) != version.digest:
            raise StoreError(
                f"the files of {label} are not those that were registered", f"proj models show {label}"
            )
        folder = _only(path, "", label)
        yield _as_located(folder, version, name, number)
        return
    with _folder() as target:
        try:
            _download(version.location, target, report)
        except ProjError as error:
            raise StoreError(f"{version.source}: {error.message}", error.hint) from error
        yield _as_located(_only(target, "", version.source), version, name, number)


def _as_located(folder: str, version: Version, name: str, number: int) -> Located:
    known = version.copied_from if name else ""  # `version` is what would be registered if it were once more
    return Located(folder, version.source, version.run_id, version.model_id, name, number, known)
