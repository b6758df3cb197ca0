"""Things of a store that are a fold over their events: experiments, logged models, and what is to come.

`<store>/<room>/<id>/segments/`: what is done to the thing, by whoever does it (segments.py). In a store of before
there is also `events.jsonl`: it comes first, in the order of its lines, and is not written to any more. Runs are read
the same way; theirs is written while the run is in progress (writer.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from runner.errors import StoreError
from runner.host import files
from runner.tracking import segments
from runner.tracking.events import FORMAT, ODD, Event
from runner.tracking.log import read
from runner.tracking.segments import Segment, check_format

if TYPE_CHECKING:
    from runner.text.secrets import Secrets

__all__ = ["append", "create", "events", "every", "fold", "listing"]

T = TypeVar("T")


def events(thing: str) -> Iterator[Event]:
    """Of the thing in this folder, as they count. NewerFormatError; StoreError when it cannot be read."""
    path = os.path.join(thing, "events.jsonl")
    try:
        for number, (event, _) in enumerate(read(path)):
            if number == 0:
                check_format(path, event, FORMAT)
            yield event
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
    yield from segments.read(thing).operations


def fold(thing: str, apply: Callable[[T | None, Event], T | None], state: T | None = None) -> T | None:
    """`apply` gives the state after an event; one that lacks what it needs changes nothing."""
    for event in events(thing):
        try:
            state = apply(state, event)
        except ODD:
            continue
    return state


def listing(root: str, room: str) -> list[str]:
    """Ids, sorted."""
    try:
        return sorted(name for name in os.listdir(os.path.join(root, room)) if not name.startswith("."))
    except OSError:
        return []


def every(root: str, room: str, apply: Callable[[T | None, Event], T | None]) -> Iterator[T]:
    """Each thing of a room, folded."""
    for name in listing(root, room):
        found = fold(os.path.join(root, room, name), apply)
        if found is not None:
            yield found


def append(thing: str, *new: Event, secrets: Secrets | None = None) -> None:
    """In a segment of its own."""
    with Segment(thing, secrets) as segment:
        segment.append(new)


def create(root: str, room: str, name: str, *first: Event, secrets: Secrets | None = None) -> bool:
    """Whole or not at all. False if there is one of that id already; StoreError when it cannot be written."""
    thing = os.path.join(root, room, name)
    draft = os.path.join(root, room, f".{name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        os.makedirs(draft)
        append(draft, *first, secrets=secrets)
        os.rename(draft, thing)
    except (OSError, StoreError) as error:
        files.remove_tree(draft)
        if os.path.isdir(thing):
            return False
        reason = error.message if isinstance(error, StoreError) else error.strerror or error
        raise StoreError(f"{thing} cannot be written: {reason}") from error
    return True
