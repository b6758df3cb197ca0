"""Versions on their way between stores: the same files, a number of its own, and what it was copied from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping

from runner.errors import InputError, StoreError
from runner.host import hashing
from runner.tracking import events, models
from runner.tracking.registry import sources
from runner.tracking.registry.change import create, register
from runner.tracking.registry.state import RegisteredModel, Version
from runner.tracking.registry.store import find, get
from runner.tracking.store import Store

__all__ = ["adopt", "copy"]

READY = "LOGGED_MODEL_READY"


def copy(
    source: Store, model: RegisteredModel, version: Version, target: Store, by: str
) -> tuple[Version, bool]:
    """(The version there, whether it is new). InputError when its files are not what was registered."""
    there = find(target.root, model.name)
    known = {each.copied_from: each for each in there.versions.values()} if there else {}
    if version.version_id in known:
        return known[version.version_id], False
    label = f"{model.name}/{version.number}"
    path = sources.file_of(source, version) if version.digest else ""
    if path and sources.current_digest(source, version) != version.digest:
        raise InputError(f"the files of {label} are not those that were registered")
    create(target.root, model.name, model.description, model.tags, target.secrets, by)
    wanted = version._replace(copied_from=version.version_id, user=by)
    if not path:
        return register(target.root, model.name, wanted, target.secrets), True
    return adopt(target, model.name, wanted, lambda folder: _copy(path, folder)), True


def _copy(path: str, folder: str) -> None:
    if os.path.isdir(path):
        shutil.copytree(path, folder, dirs_exist_ok=True)
    else:
        os.makedirs(folder, exist_ok=True)
        shutil.copy(path, folder)


def adopt(target: Store, name: str, wanted: Version, fill: Callable[[str], None]) -> Version:
    """A version whose files are put into the store as a logged model. StoreError when they are other ones."""
    about: Mapping[str, str] = {"proj.copied-from": wanted.copied_from or wanted.source}
    made = models.create(target.root, "0", name.replace("/", "-"), tags=about)
    folder = os.path.join(models.directory(target.root, made.model_id), "artifacts")
    location = f"mlflow-artifacts:/0/models/{made.model_id}/artifacts"
    try:
        fill(folder)
        names = os.listdir(folder)
        path = folder
        if len(names) == 1 and os.path.isfile(os.path.join(folder, names[0])) and wanted.digest[:4] != "tree":
            path, location = os.path.join(folder, names[0]), f"{location}/{names[0]}"
        digest = hashing.digest(path).digest
    except OSError as error:
        raise StoreError(f"the files of {name} cannot be kept: {error.strerror or error}") from error
    if wanted.digest and digest != wanted.digest:
        raise StoreError(f"the files of {name} changed on their way")
    models.append(target.root, made.model_id, events.update(status=READY))
    version = wanted._replace(
        source=f"models:/{made.model_id}", location=location, model_id=made.model_id, digest=digest
    )
    register(target.root, name, version, target.secrets)
    found = get(target.root, name).latest
    if found is None:
        raise StoreError(f"{target.root} does not keep what is written to it")
    return found
