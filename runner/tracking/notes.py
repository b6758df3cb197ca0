"""Notes of what has no record of its own, as a project: Markdown in `<store>/notes/<id>/segments/`.

The id is made from what the note is of. Experiments and runs have theirs as a tag, where MLflow looks for it.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from runner.tracking import entity, events
from runner.tracking.events import Event

if TYPE_CHECKING:
    from runner.text.secrets import Secrets

__all__ = ["of_project", "write"]

ROOM = "notes"
NOTE, PROJECT = "mlflow.note.content", "project"


def _apply(old: str | None, event: Event) -> str | None:
    return str(event["value"]) if event["type"] == "tag" and event["key"] == NOTE else old


def _id(project: str) -> str:
    return hashlib.sha256(f"project\0{project}".encode("utf-8", "replace")).hexdigest()[:32]


def of_project(root: str, project: str) -> str:
    """ "" where there is none. StoreError when it cannot be read."""
    thing = os.path.join(root, ROOM, _id(project))
    return (entity.fold(thing, _apply) or "") if os.path.isdir(thing) else ""


def write(root: str, project: str, text: str, secrets: Secrets | None = None) -> None:
    """Instead of the one that there is. StoreError when it cannot be written."""
    event, note_id = events.tag(NOTE, text), _id(project)
    first = (events.tag(PROJECT, project), event)
    if not entity.create(root, ROOM, note_id, *first, secrets=secrets):
        entity.append(os.path.join(root, ROOM, note_id), event, secrets=secrets)
