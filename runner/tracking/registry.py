"""Registered models: a name, and the versions that were registered under it. `<store>/registry/<id>/segments/`.

The id is made from the name, so that two stores agree on it. A version is its `version_id`, and the digest of its
files; its number is given under a lock, one after the other. After a merge of two stores two versions may claim one
number: the earlier keeps it, the later gets the next one after the greatest, and the number is marked as contested.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from runner.errors import StoreError
from runner.host import files
from runner.tracking import entity, events
from runner.tracking.events import Event
from runner.tracking.log import kept, new_run_id

if TYPE_CHECKING:
    from runner.text.secrets import Secrets

__all__ = ["NoModelError", "RegisteredModel", "Version", "create", "find", "get", "listing", "register"]

ROOM = "registry"
TEXTS = ("run_id", "model_id", "digest", "description", "run_link", "user")  # of a version, that may be empty


class NoModelError(StoreError):
    """There is no registered model of that name."""


class Version(NamedTuple):
    version_id: str
    number: int
    source: str  # as it was given: models:/m-..., models:/NAME/1, mlflow-artifacts:/..., s3://...
    location: str  # where its files are: what models:/ stands for is looked up when it is registered
    run_id: str = ""  # that made it
    model_id: str = ""  # logged model
    digest: str = ""  # of its files; "": they are not in the store
    description: str = ""
    run_link: str = ""
    user: str = ""
    creation_time: int = 0
    tags: Mapping[str, str] = {}


class RegisteredModel(NamedTuple):
    name: str
    description: str = ""
    creation_time: int = 0
    last_update_time: int = 0
    tags: Mapping[str, str] = {}
    versions: Mapping[int, Version] = {}  # by number, ascending
    contested: Mapping[int, tuple[str, ...]] = {}  # numbers that two versions claim -> their version ids

    @property
    def latest(self) -> Version | None:
        return self.versions[max(self.versions)] if self.versions else None


def _apply(old: RegisteredModel | None, event: Event) -> RegisteredModel | None:
    kind, time = event["type"], int(event["time"])
    if kind == "registered-model" and old is None:
        name, description = str(event["name"]), str(event.get("description", ""))
        return RegisteredModel(name, description, time, time, _texts(event.get("tags") or {}))
    if old is None or kind != "version":
        return old
    version = Version(
        str(event["version_id"]),
        int(event["number"]),
        str(event["source"]),
        str(event.get("location") or event["source"]),
        **{key: str(event.get(key, "")) for key in TEXTS},
        creation_time=time,
        tags=_texts(event.get("tags") or {}),
    )
    contested = dict(old.contested)
    if first := old.versions.get(version.number):
        claims = contested.get(version.number, (first.version_id,))
        contested[version.number] = (*claims, version.version_id)
        version = version._replace(number=max(old.versions) + 1)
    versions = dict(sorted({**old.versions, version.number: version}.items()))
    return old._replace(last_update_time=time, versions=versions, contested=contested)


def _texts(given: Mapping[str, object]) -> dict[str, str]:
    return {str(key): str(value) for key, value in given.items()}


def _folder(root: str, name: str) -> str:
    return os.path.join(root, ROOM, id_of(name))


def id_of(name: str) -> str:
    import hashlib

    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def create(
    root: str,
    name: str,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    secrets: Secrets | None = None,
) -> bool:
    """False when the name is taken. StoreError when it cannot be written."""
    name = kept(name, secrets)
    first = events.registered_model(name, description, tags or {})
    return entity.create(root, ROOM, id_of(name), first, secrets=secrets)


def find(root: str, name: str) -> RegisteredModel | None:
    return entity.fold(_folder(root, kept(name)), _apply)


def get(root: str, name: str) -> RegisteredModel:
    found = find(root, name)
    if found is None:
        raise NoModelError(f"there is no registered model {name!r}")
    return found


def listing(root: str) -> Iterator[RegisteredModel]:
    return entity.every(root, ROOM, _apply)


def register(root: str, name: str, wanted: Version, secrets: Secrets | None = None) -> Version:
    """A new version, with the next number; of `wanted`, its id, number and time do not count."""
    name = kept(name, secrets)
    folder = _folder(root, name)
    get(root, name)
    with files.Exclusive(os.path.join(folder, "lock")):
        known = get(root, name)
        # a number that a merge took from a version is not given again either
        number = max(known.versions, default=0) + 1
        made = wanted._replace(version_id=new_run_id(), number=number)
        facts = {key: value for key, value in made._asdict().items() if key != "creation_time"}
        entity.append(folder, events.version(facts), secrets=secrets)
    found = next(
        (each for each in get(root, name).versions.values() if each.version_id == made.version_id), None
    )
    if found is None:
        raise StoreError(f"{folder} does not keep what is written to it", "proj doctor  checks the store")
    return found
