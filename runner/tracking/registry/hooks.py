"""Webhooks: who is told of what is done to registered models. `<store>/webhooks/<id>/segments/`.

What was delivered is noted there, so that nothing is lost when the server ends, or the receiver is away. The secrets
with which deliveries are signed are not in the store, but in PROJ_HOME: a copy of the store signs nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from runner import paths
from runner.errors import StoreError
from runner.host import files
from runner.tracking import entity
from runner.tracking.events import Event
from runner.tracking.log import new_run_id
from runner.values import Json

__all__ = ["ACTIONS", "Topic", "Webhook", "create", "delete", "get", "listing", "note", "secret_of", "update"]

ROOM = "webhooks"
ACTIONS: Mapping[str, tuple[str, ...]] = {  # the first rows are MLflow's
    "REGISTERED_MODEL": ("CREATED", "DELETED"),
    "MODEL_VERSION": ("CREATED", "DELETED"),
    "MODEL_VERSION_TAG": ("SET", "DELETED"),
    "MODEL_VERSION_ALIAS": ("CREATED", "DELETED"),
    "PROMPT": ("CREATED",),
    "PROMPT_VERSION": ("CREATED",),
    "PROMPT_TAG": ("SET", "DELETED"),
    "PROMPT_VERSION_TAG": ("SET", "DELETED"),
    "PROMPT_ALIAS": ("CREATED", "DELETED"),
    "MODEL_VERSION_STAGE": ("SET",),
    "MODEL_VERSION_GATE": ("SET",),
    "MODEL_VERSION_APPROVAL": ("CREATED", "DELETED"),
}


class Topic(NamedTuple):
    entity: str
    action: str


class Webhook(NamedTuple):
    webhook_id: str
    name: str
    url: str
    topics: tuple[Topic, ...]
    description: str = ""
    status: str = "ACTIVE"  # or DISABLED
    lifecycle: str = "active"  # or deleted
    creation_time: int = 0
    last_update_time: int = 0
    since: str = ""  # operation: what came in an earlier ms is not delivered
    done: frozenset[str] = frozenset()  # operations that were delivered, or given up


def _apply(hook: Webhook | None, event: Event) -> Webhook | None:
    kind, time = event["type"], int(event["time"])
    if hook is None:
        if kind != "webhook":
            return None
        name, url, topics = str(event["name"]), str(event["url"]), _topics(event)
        made = Webhook(str(event["webhook_id"]), name, url, topics, str(event.get("description", "")))
        status = str(event.get("status") or "ACTIVE")
        return made._replace(status=status, creation_time=time, last_update_time=time, since=str(event["op"]))
    if kind == "update":
        changes = {key: str(event[key]) for key in ("name", "url", "description", "status") if key in event}
        topics = _topics(event) if "topics" in event else hook.topics
        return hook._replace(**changes)._replace(topics=topics, last_update_time=time)  # type: ignore[arg-type]
    if kind == "deleted":
        return hook._replace(lifecycle="deleted")
    if kind == "delivered":
        return hook._replace(done=hook.done | {str(each) for each in event["ops"]})
    return hook


def _topics(event: Event) -> tuple[Topic, ...]:
    return tuple(Topic(str(one), str(two)) for one, two in event["topics"])


def create(
    root: str,
    name: str,
    url: str,
    topics: Sequence[Topic],
    description: str = "",
    status: str = "ACTIVE",
    secret: str = "",
) -> Webhook:
    """`secret`: signs what is sent (HMAC-SHA256). StoreError when it cannot be kept."""
    webhook_id = new_run_id()
    facts: dict[str, Json] = {"type": "webhook", "webhook_id": webhook_id, "name": name, "url": url}
    about: dict[str, Json] = {"topics": [[*each] for each in topics], "description": description}
    _keep_secret(root, webhook_id, secret)
    entity.create(root, ROOM, webhook_id, {**facts, **about, "status": status})
    found = get(root, webhook_id)
    if found is None:
        raise StoreError(f"{root} does not keep what is written to it", "proj doctor  checks the store")
    return found


def _folder(root: str, webhook_id: str) -> str:
    return os.path.join(root, ROOM, webhook_id)


def get(root: str, webhook_id: str) -> Webhook | None:
    """None when there is none, or it is deleted."""
    if len(webhook_id) != 32 or not webhook_id.isalnum():
        return None
    found = entity.fold(_folder(root, webhook_id), _apply)
    return found if found is not None and found.lifecycle == "active" else None


def listing(root: str) -> Iterator[Webhook]:
    return (each for each in entity.every(root, ROOM, _apply) if each.lifecycle == "active")


def update(root: str, webhook_id: str, changes: Mapping[str, Json], secret: str | None = None) -> None:
    """`changes`: name, url, topics, description, status."""
    if secret is not None:
        _keep_secret(root, webhook_id, secret)
    entity.append(_folder(root, webhook_id), {"type": "update", **changes})


def delete(root: str, webhook_id: str) -> None:
    entity.append(_folder(root, webhook_id), {"type": "deleted"})
    _keep_secret(root, webhook_id, "")


def note(root: str, webhook_id: str, *ops: str) -> None:
    """These were delivered."""
    entity.append(_folder(root, webhook_id), {"type": "delivered", "ops": [*ops]})


# ---- secrets -----------------------------------------------------------------------------------------------


def _secret(root: str, webhook_id: str) -> str:
    place = hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:16]
    return os.path.join(paths.home(), "webhooks", place, webhook_id)


def secret_of(root: str, webhook_id: str) -> str:
    """ "" where it has none."""
    try:
        return files.read(_secret(root, webhook_id), 10_000).decode("utf-8", "replace")
    except OSError:
        return ""


def _keep_secret(root: str, webhook_id: str, secret: str) -> None:
    path = _secret(root, webhook_id)
    try:
        if not secret:
            if os.path.exists(path):
                os.unlink(path)
            return
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as written:
            written.write(secret)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
