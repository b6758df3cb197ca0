"""Saved views: a name, and the address of a page, which says all that it shows. `<store>/views/<id>/segments/`.

The id is made from the place and the name: a view that is saved again under its name is replaced.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, NamedTuple

from runner.tracking import entity, events
from runner.tracking.events import Event
from runner.tracking.log import kept

if TYPE_CHECKING:
    from runner.text.secrets import Secrets

__all__ = ["View", "listing", "remove", "save"]

ROOM = "views"


class View(NamedTuple):
    view_id: str
    name: str
    place: str  # "": the table of runs; else what it is pinned to: experiments/<id>, projects?name=<name>
    address: str  # below the pages
    creation_time: int = 0


def _apply(old: View | None, event: Event) -> View | None:
    if event["type"] == "view":
        name, place, address = (str(event[key]) for key in ("name", "place", "address"))
        return View(_id(name, place), name, place, address, int(event["time"]))
    return None if event["type"] == "deleted" else old


def _id(name: str, place: str) -> str:
    return hashlib.sha256(f"{place}\0{name}".encode("utf-8", "replace")).hexdigest()[:32]


def listing(root: str, place: str) -> list[View]:
    """Those of a place, by name."""
    found = [each for each in entity.every(root, ROOM, _apply) if each.place == place]
    return sorted(found, key=lambda each: each.name)


def save(root: str, name: str, place: str, address: str, secrets: Secrets | None = None) -> None:
    """StoreError when it cannot be written."""
    name, place = kept(name, secrets), kept(place, secrets)
    view_id, event = _id(name, place), events.view(name, place, address)
    if not entity.create(root, ROOM, view_id, event, secrets=secrets):
        entity.append(os.path.join(root, ROOM, view_id), event, secrets=secrets)


def remove(root: str, view_id: str) -> None:
    """Nothing where there is none."""
    if view_id in entity.listing(root, ROOM):
        entity.append(os.path.join(root, ROOM, view_id), events.deleted())
