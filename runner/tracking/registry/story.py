"""The operations of a model as a history: who, when, what, why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from runner.tracking.events import ODD, Event
from runner.tracking.registry.state import RegisteredModel
from runner.tracking.registry.store import history

__all__ = ["Entry", "story"]


class Entry(NamedTuple):
    op: str
    time: int  # ms
    by: str
    what: str
    why: str
    kind: str
    version: str  # number, "" where the model itself is meant
    ignored: str  # why it does not count


def story(root: str, model: RegisteredModel) -> list[Entry]:
    """What happened to a model, oldest first; moves that a policy forbids are there with the reason why they do not
    count.
    """
    ignored = {each.move.op: each.reason for each in model.ignored}
    numbers = {
        version.version_id: str(number)
        for number, version in (*model.versions.items(), *model.deleted.items())
    }
    found = []
    for event in history(root, model.thing):
        tell = TOLD.get(event["type"])
        if tell is None or (event["type"] == "settle" and not event.get("settled")):
            continue
        try:
            number = numbers.get(str(event.get("version_id") or event.get("to") or ""), "")
            what = tell(event, f"version {number}" if number else "the model")
            time = int(event["time"])
        except ODD:
            continue
        by, why = str(event.get("by", "")), str(event.get("why", ""))
        op = str(event["op"])
        found.append(Entry(op, time, by, what, why, event["type"], number, ignored.get(op, "")))
    return found


def _moved(event: Event, which: str) -> str:
    proof = f" with {len(event['evidence'])} pieces of evidence" if event.get("evidence") else ""
    return f"led {event['alias']} to {which}{proof}" if event["to"] else f"took {event['alias']} away"


def _staged(event: Event, which: str) -> str:
    archived = len(event.get("archived", ()))
    return f"moved {which} to {event['stage']}" + (f", and archived {archived}" if archived else "")


def _policy(event: Event, _: str) -> str:
    target = event["target"].removeprefix("alias:")
    return f"protected {target}" if event["needs"] else f"took the protection of {target} away"


def _gate(event: Event, which: str) -> str:
    detail = f": {event['detail']}" if event.get("detail") else ""
    return f"gate {event['need'].rpartition('-')[0]} of {which}: {event['verdict']}{detail}"


TOLD: Mapping[str, Callable[[Event, str], str]] = {
    "registered-model": lambda event, _: f"made {event['name']}",
    "version": lambda event, which: f"registered {which} from {event['source']}",
    "alias": _moved,
    "stage": _staged,
    "tag": lambda event, which: f"tagged {which} {event['key']}={event['value']}",
    "untag": lambda event, which: f"took the tag {event['key']} from {which}",
    "describe": lambda event, which: f"described {which}: {event['text']}",
    "comment": lambda event, which: f"commented on {which}: {event['text']}",
    "rename": lambda event, _: f"renamed it to {event['name']}",
    "delete": lambda _, which: f"deleted {which}",
    "restore": lambda _, which: f"restored {which}",
    "settle": lambda event, _: f"settled {', '.join(map(str, event['settled']))}",
    "policy": _policy,
    "request": lambda event, which: f"asked for {event['target'].removeprefix('alias:')} for {which}",
    "approve": lambda event, which: f"approved {which} for {event['target'].removeprefix('alias:')}",
    "reject": lambda event, which: f"rejected {which} for {event['target'].removeprefix('alias:')}",
    "gate": _gate,
    "rebuilt": lambda event, which: f"rebuilt {which}: {event['verdict']}",
    "signature": lambda _, which: f"signed {which}",
}
