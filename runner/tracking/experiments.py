"""Experiments: named groups of runs; the id is made from the name, so that two stores agree on it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from runner.errors import StoreError
from runner.text.credentials import refuse_password
from runner.tracking import entity, events
from runner.tracking.events import Event
from runner.tracking.journal import hint
from runner.tracking.log import kept
from runner.typed import NamedTuple

if TYPE_CHECKING:
    from runner.text.secrets import Secrets

__all__ = [
    "DEFAULT",
    "Experiment",
    "append",
    "by_name",
    "create",
    "find",
    "get",
    "ids",
    "listing",
    "place_default",
    "rename",
]

ROOM = "experiments"


class Experiment(NamedTuple):
    experiment_id: str
    name: str
    artifact_location: str = ""  # "": in the folder of each run
    lifecycle: str = "active"  # or deleted
    creation_time: int = 0
    last_update_time: int = 0
    tags: Mapping[str, str] = {}


DEFAULT = Experiment("0", "Default")


def _apply(old: Experiment | None, event: Event) -> Experiment | None:
    kind, time = event["type"], int(event["time"])
    if kind == "experiment" and (old is None or old is DEFAULT):
        name, place = str(event["name"]), str(event.get("artifact_location") or "")
        return Experiment(str(event["experiment_id"]), name, place, "active", time, time)
    if old is None:
        return None
    if kind == "tag":
        return old._replace(tags={**old.tags, str(event["key"]): str(event["value"])}, last_update_time=time)
    if kind == "untag":
        left = {key: value for key, value in old.tags.items() if key != event["key"]}
        return old._replace(tags=left, last_update_time=time)
    if kind == "update":
        return old._replace(name=str(event["name"]), last_update_time=time)
    if kind in ("deleted", "restored"):
        return old._replace(lifecycle="deleted" if kind == "deleted" else "active", last_update_time=time)
    return old


def _folder(root: str, experiment_id: str) -> str:
    return os.path.join(root, ROOM, experiment_id)


def get(root: str, experiment_id: str) -> Experiment:
    """As `find`; StoreError when there is none."""
    found = find(root, experiment_id)
    if found is None:
        raise StoreError(f"there is no experiment {experiment_id!r}", "proj experiments  lists them")
    return found


def find(root: str, experiment_id: str) -> Experiment | None:
    """None when there is none; `0` is always there. NewerFormatError, or StoreError when it cannot be read."""
    if not experiment_id.isdigit():
        return None
    found = entity.fold(_folder(root, experiment_id), _apply, DEFAULT if experiment_id == "0" else None)
    return None if found is None else found._replace(experiment_id=experiment_id)


def ids(root: str) -> list[str]:
    """All of them, deleted ones too; "0" is always there."""
    return sorted({"0", *(name for name in entity.listing(root, ROOM) if name.isdigit())})


def listing(root: str) -> Iterator[Experiment]:
    """All of them, deleted ones too."""
    for experiment_id in ids(root):
        found = find(root, experiment_id)
        if found is not None:
            yield found


def by_name(root: str, name: str) -> Experiment | None:
    """The experiment of that name, deleted or not."""
    name = kept(name)
    first = find(root, "0" if name == DEFAULT.name else id_of(name))
    if first is not None and first.name == name:
        return first
    return next((found for found in listing(root) if found.name == name), None)


def id_of(name: str) -> str:
    """Of the name, so that two stores that are merged have one experiment of a name: 18 decimal digits."""
    import hashlib

    return str(int(hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest(), 16))[:18]


def create(
    root: str,
    name: str,
    artifact_location: str = "",
    tags: Mapping[str, str] | None = None,
    secrets: Secrets | None = None,
    default_root: str = "",
) -> str:
    """The id of the new experiment. StoreError when the name is taken (names of deleted ones are kept).

    Without an `artifact_location`, that is a folder of its own in `default_root`, if there is one.
    """
    if not name.strip():
        raise StoreError("an experiment needs a name")
    name = kept(name, secrets)
    if artifact_location:
        refuse_password(artifact_location)
    old = by_name(root, name)
    if old is not None:
        state = " (it is deleted: proj experiments restore)" if old.lifecycle == "deleted" else ""
        raise StoreError(f"the experiment {name!r} is already there{state}")
    text = name
    while (taken := find(root, id_of(text))) is not None and taken.name != name:
        text += "\n1"  # that id belongs to an experiment that has another name since
    experiment_id = id_of(text)
    if default_root and not artifact_location:
        artifact_location = f"{default_root.rstrip('/')}/{experiment_id}"
    first = events.experiment(experiment_id, name, artifact_location)
    made = entity.create(root, ROOM, experiment_id, first, *events.tags(tags or {}), secrets=secrets)
    if not made:  # somebody was quicker
        raise StoreError(f"the experiment {name!r} is already there")
    hint(root, f"e:{experiment_id}")
    return experiment_id


def place_default(root: str, location: str) -> None:
    """Where Default keeps its artifacts, in a store without runs: those that are there are not moved."""
    if entity.listing(root, "runs") or os.path.exists(_folder(root, DEFAULT.experiment_id)):
        return
    first = events.experiment(DEFAULT.experiment_id, DEFAULT.name, location)
    if entity.create(root, ROOM, DEFAULT.experiment_id, first):
        hint(root, f"e:{DEFAULT.experiment_id}")


def append(root: str, experiment_id: str, *new: Event, secrets: Secrets | None = None) -> None:
    """StoreError when there is no such experiment, or the store cannot be written."""
    get(root, experiment_id)
    try:
        os.makedirs(_folder(root, experiment_id), exist_ok=True)  # Default has none at first
    except OSError as error:
        raise StoreError(f"{root} cannot be written: {error.strerror or error}") from error
    entity.append(_folder(root, experiment_id), *new, secrets=secrets)
    hint(root, f"e:{experiment_id}")


def rename(root: str, experiment_id: str, name: str, secrets: Secrets | None = None) -> None:
    """StoreError when another one has the name."""
    name = kept(name, secrets)
    other = by_name(root, name)
    if other is not None and other.experiment_id != experiment_id:
        raise StoreError(f"the experiment {name!r} is already there")
    append(root, experiment_id, events.update(name=name), secrets=secrets)
