"""Registered models in a store: `<store>/registry/<id>/`, with `segments/` and the lock under which they are changed.

The id is made from the first name. Under the id of a later name lies an operation that refers to the model; what the
model itself says of its name decides. What was read is kept in memory, and read on from where it was left.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from runner.errors import StoreError
from runner.host import files
from runner.tracking import entity, segments
from runner.tracking.events import Event
from runner.tracking.log import kept
from runner.tracking.registry import signing, writers
from runner.tracking.registry.fold import Book
from runner.tracking.registry.state import RegisteredModel

if TYPE_CHECKING:
    from runner.text.secrets import Secrets

__all__ = ["NoModelError", "changing", "find", "folder_of", "get", "history", "id_of", "listing", "placed"]

ROOM = "registry"
KEPT = 200_000  # operations that are kept in memory, as what they come to
RACY = 2.0  # s after which the time of a folder tells whether there is a new file in it


class NoModelError(StoreError):
    """There is no registered model of that name."""


class Reading(NamedTuple):
    """What lies under an id."""

    model: RegisteredModel | None
    refers: tuple[str, ...]  # ids of models that were renamed to a name of this id


class Kept(NamedTuple):
    book: Book
    reading: Reading
    sizes: Mapping[str, int]  # of the segments, in bytes
    read: Mapping[str, int]
    operations: set[str]  # ids of those that were taken
    folder_time: int  # ns; of the folder of segments, 0: not to be relied on
    trusted: object  # whose signatures were, then


_kept: OrderedDict[str, Kept] = OrderedDict()
_lock = threading.RLock()


def id_of(name: str, number: int = 0) -> str:
    """The first, second, ... id of that name: a model may have been renamed since, and stays where it is."""
    import hashlib

    text = name + "\n1" * number
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def folder_of(root: str, thing: str) -> str:
    return os.path.join(root, ROOM, thing)


# ---- reading -----------------------------------------------------------------------------------------------


def read(root: str, thing: str) -> Reading:
    """What is there now. NewerFormatError, or StoreError when it cannot be read."""
    folder = folder_of(root, thing)
    stamp, trusted = _folder_time(folder), signing.trusted()
    with _lock:
        old = _kept.get(folder)
        if old is not None and old.trusted != trusted:
            old = None
        if old is not None and stamp and stamp == old.folder_time:
            return old.reading
        sizes = segments.sizes(folder)
        if old is None or sizes != old.sizes:
            old = (_read_on(folder, old, sizes) if old else None) or _read_all(folder, thing, sizes, trusted)
        if all(old.read.get(name) == size for name, size in sizes.items()):  # none is just being written
            old = old._replace(folder_time=stamp)
        _keep(folder, old)
        return old.reading


def _read_all(folder: str, thing: str, sizes: Mapping[str, int], trusted: object) -> Kept:
    batch = segments.read(folder)
    book = Book(thing, signing.verifier())
    book.take(batch.operations)
    known = {each["op"] for each in batch.operations}
    return Kept(book, _reading(book), sizes, batch.offsets, known, 0, trusted)


def _read_on(folder: str, old: Kept, sizes: Mapping[str, int]) -> Kept | None:
    """With what came since; None where something sorts before what was read, as after a merge."""
    batch = segments.read(folder, old.read)
    new = [each for each in batch.operations if each["op"] not in old.operations]  # others were compacted
    if any(each["op"] <= old.book.last for each in new):
        return None
    old.book.take(new)
    old.operations.update(each["op"] for each in new)
    return old._replace(reading=_reading(old.book), sizes=sizes, read=batch.offsets)


def _reading(book: Book) -> Reading:
    return Reading(book.model(), book.refers)


def _folder_time(folder: str) -> int:
    """0 for a folder that was changed a moment ago: it may be changed again within the same tick of its clock."""
    try:
        found = os.stat(f"{folder}/segments").st_mtime_ns
    except OSError:
        return 0
    return found if time.time_ns() - found > RACY * 1e9 else 0


def _keep(folder: str, found: Kept) -> None:
    _kept[folder] = found
    _kept.move_to_end(folder)
    if len(_kept) % 64 == 0:
        total = sum(len(each.operations) for each in _kept.values())
        while total > KEPT and len(_kept) > 1:
            total -= len(_kept.popitem(last=False)[1].operations)


def placed(root: str, name: str) -> tuple[RegisteredModel | None, str]:
    """(the model of that name, which may be deleted; the id under which it is, or a new one may be made)."""
    name = kept(name)
    deleted: tuple[RegisteredModel | None, str] = None, ""
    number = 0
    while True:
        thing = id_of(name, number)
        if not os.path.isdir(folder_of(root, thing)):
            return deleted if deleted[1] else (None, thing)
        found = read(root, thing)
        for each in (thing, *found.refers):
            model = found.model if each == thing else read(root, each).model
            if model is None or model.name != name:
                continue
            if model.lifecycle == "active":
                return model, each
            if not deleted[1]:
                deleted = model, each
        number += 1


def find(root: str, name: str) -> RegisteredModel | None:
    """None where there is none, or it is deleted."""
    model, _ = placed(root, name)
    return model if model is not None and model.lifecycle == "active" else None


def get(root: str, name: str) -> RegisteredModel:
    """NoModelError when there is none."""
    found = find(root, name)
    if found is None:
        raise NoModelError(f"Registered Model with name={name} not found", "proj models  lists them")
    return found


def listing(root: str, deleted: bool = False) -> Iterator[RegisteredModel]:
    """Those that are not deleted, or all."""
    trusted = signing.trusted()
    for thing in entity.listing(root, ROOM):
        kept = _kept.get(f"{root}/{ROOM}/{thing}")  # nearly always as it was
        if kept is None or kept.trusted != trusted or not kept.folder_time:
            model = read(root, thing).model
        elif kept.folder_time == _folder_time(f"{root}/{ROOM}/{thing}"):
            model = kept.reading.model
        else:
            model = read(root, thing).model
        if model is not None and (deleted or model.lifecycle == "active"):
            yield model


def history(root: str, thing: str) -> list[Event]:
    """The operations, in their order."""
    return segments.read(folder_of(root, thing)).operations


def _last(folder: str) -> str:
    """The operation that was read last."""
    with _lock:
        old = _kept.get(folder)
        return old.book.last if old is not None else ""


# ---- changing ----------------------------------------------------------------------------------------------


class Changing:
    """A model that nobody else in this store changes meanwhile."""

    def __init__(self, root: str, thing: str, model: RegisteredModel, secrets: Secrets | None) -> None:
        self.root = root
        self.thing = thing
        self.model = model
        self._secrets = secrets

    def append(self, *operations: Event) -> RegisteredModel:
        """The model with these. StoreError when they cannot be written."""
        folder = folder_of(self.root, self.thing)
        writers.append(folder, operations, self._secrets, _last(folder))
        found = read(self.root, self.thing).model
        if found is None:
            raise StoreError(f"{folder} does not keep what is written to it", "proj doctor  checks the store")
        self.model = found
        return found


@contextmanager
def changing(
    root: str, name: str, secrets: Secrets | None = None, deleted: bool = False
) -> Iterator[Changing]:
    """NoModelError where there is none of that name. `deleted`: it may be."""
    while True:
        model, thing = placed(root, name)
        if model is None or (model.lifecycle != "active" and not deleted):
            raise NoModelError(f"Registered Model with name={name} not found", "proj models  lists them")
        with files.Exclusive(os.path.join(folder_of(root, thing), "lock")):
            now, where = placed(root, name)
            if now is None or where != thing:
                continue  # renamed meanwhile
            if now.lifecycle != "active" and not deleted:
                continue
            yield Changing(root, thing, now, secrets)
            return
