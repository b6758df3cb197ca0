"""How far a run was sent to another server, kept as a thing of the store: `<store>/sync/<run id>/segments/`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from runner.errors import StoreError
from runner.text.encoding import visible
from runner.tracking import entity, models, segments
from runner.tracking.events import ODD, Event, Facts
from runner.tracking.log import read
from runner.tracking.mlflow.rest import without_credentials

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = [
    "Later",
    "Notes",
    "Sent",
    "later",
    "pending",
    "plan",
    "servers",
    "sizes",
    "state_of",
    "thing",
    "unfinished",
]

ROOM = "sync"
BEFORE = "mirrors"  # where older versions kept it, one JSON file a run


class Sent(NamedTuple):
    """How far a run has been sent."""

    run_id: str
    uri: str
    remote_id: str = ""
    experiment_id: str = ""  # over there
    artifact_uri: str = ""
    offset: int = 0  # bytes of its log
    offsets: Mapping[str, int] = {}  # bytes of each of its segments
    operations: int = 0  # in these
    last: str = ""  # id of the last of them
    refused: tuple[str, ...] = ()  # what the server did not want, in its words
    unsent: int = 0  # events that wait
    above: str = ""  # id over there of the run that it says it is below of
    models: Mapping[
        str, Facts
    ] = {}  # by id: id, place, files (bytes by path), offsets (segments.read) that were sent
    registry: str = ""  # server to which versions of registered models go; "": this one

    @property
    def whole(self) -> bool:
        return bool(self.remote_id) and not self.unsent


class Later(NamedTuple):
    """What is still to be sent of the segments of a run."""

    operations: list[Event]  # in their order
    sent: Sent  # once they were sent


def thing(root: str, run_id: str) -> str:
    return os.path.join(root, ROOM, run_id)


def plan(store: Store, run_id: str, uri: str, registry: str = "") -> None:
    """Notes that the run is to be sent there, so that `proj sync` knows of it whatever happens next.

    `registry`: another server, to which its versions of registered models go.
    """
    uri, registry = without_credentials(uri), without_credentials(registry)
    if _known(store.root, run_id, uri) is None:
        with Notes(store.root, run_id) as notes:
            notes.keep(Sent(run_id, uri, registry="" if registry == uri else registry))


class Notes:
    """`with Notes(root, run_id) as notes:` keeps how far the run was sent. Every method raises StoreError."""

    def __init__(self, root: str, run_id: str) -> None:
        folder = thing(root, run_id)
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{folder}: {error.strerror or error}") from error
        self._segment = segments.Segment(folder, keep=_latest)

    def keep(self, sent: Sent) -> None:
        facts = {key: value for key, value in sent._asdict().items() if key not in ("run_id", "unsent")}
        self._segment.append([{"type": "sent", **facts}])

    def __enter__(self) -> Notes:
        return self

    def __exit__(self, *error: object) -> None:
        self._segment.close()


def _latest(operations: list[Event]) -> list[Event]:
    """One for each server: all others are of the past."""
    return list({each.get("uri"): each for each in operations}.values())


def _known(root: str, run_id: str, uri: str = "") -> Sent | None:
    def apply(old: Sent | None, event: Event) -> Sent | None:
        if event["type"] != "sent" or uri not in ("", event["uri"]):
            return old
        return _read(run_id, event)

    return entity.fold(thing(root, run_id), apply, _before(root, run_id, uri))


def _read(run_id: str, event: Facts) -> Sent:
    """TypeError or KeyError for what we would not have written: a store may come from anywhere."""
    usual = Sent("", "")._asdict()
    known = {key: value for key, value in event.items() if key in usual and key != "run_id"}
    known["refused"] = tuple(map(str, event["refused"]))
    for key, value in known.items():
        if not isinstance(value, type(usual[key])):
            raise TypeError(key)
    for each in known.get("models", {}).values():
        if not (isinstance(each["files"], dict) and isinstance(each["offsets"], dict)):
            raise TypeError("models")
        if not (isinstance(each["id"], str) and isinstance(each["place"], str)):
            raise TypeError("models")
    if not all(isinstance(each, int) for each in known.get("offsets", {}).values()):
        raise TypeError("offsets")
    return Sent(**{"uri": "", **known, "run_id": run_id})


def _before(root: str, run_id: str, uri: str) -> Sent | None:
    try:
        with open(os.path.join(root, BEFORE, f"{run_id}.json"), encoding="utf-8") as file:
            sent = _read(run_id, json.load(file))
        return sent if uri in ("", sent.uri) else None
    except (OSError, *ODD):
        return None


def state_of(store: Store, run_id: str, uri: str = "") -> Sent | None:
    """With regard to one server, or to the one that it was last sent to. None when it was never to be sent there."""
    sent = _known(store.root, run_id, uri)
    if sent is None:
        return None
    directory = store.run_directory(run_id)
    events = sum(1 for _ in read(os.path.join(directory, "events.jsonl"), sent.offset))
    waiting = events + len(later(directory, sent).operations) + len(unfinished(store.root, sent))
    return sent._replace(unsent=waiting)


def servers(root: str, run_id: str) -> list[str]:
    """To which the run is to be sent, the one that it was last sent to at the end."""
    found = dict.fromkeys(
        str(event.get("uri", "")) for event in reversed(list(entity.events(thing(root, run_id))))
    )
    return list(found)[::-1]


# ---- models ------------------------------------------------------------------------------------------------


def unfinished(root: str, sent: Sent) -> list[str]:
    """Models of which there is more than was sent."""
    return [model_id for model_id, known in sent.models.items() if _more(root, model_id, known)]


def _more(root: str, model_id: str, known: Facts) -> bool:
    try:
        folder = models.directory(root, model_id)
    except StoreError:
        return False
    if not os.path.isdir(folder):
        return False  # removed
    return segments.changed(folder, known["offsets"]) or sizes(folder) != known["files"]


def sizes(folder: str) -> dict[str, int]:
    """Bytes of the files of the model in this folder, by their path."""
    root, found = os.path.join(folder, "artifacts"), {}
    for inner, _, names in os.walk(root):
        for name in names:
            path = os.path.join(inner, name)
            try:
                found[visible(os.path.relpath(path, root))] = os.stat(path).st_size
            except OSError:
                continue  # replaced at this moment
    return found


def later(directory: str, sent: Sent) -> Later:
    """All operations again when there are some before the last one that was sent, from another store: then they
    come out as they do here. The protocol counts what it knows once."""
    if not segments.changed(directory, sent.offsets):
        return Later([], sent)
    new = segments.read(directory, sent.offsets)
    found, offsets, count = new.operations, new.offsets, sent.operations + len(new.operations)
    if not (sent.offsets.keys() <= offsets.keys() and (not found or found[0]["op"] > sent.last)):
        found, offsets = segments.read(directory)
        count = len(found)
        if count == sent.operations and found[-1]["op"] == sent.last:  # compacted since
            found = []
    last = found[-1]["op"] if found else sent.last
    return Later(found, sent._replace(offsets=offsets, operations=count, last=last))


def pending(store: Store) -> list[Sent]:
    """Runs that are not wholly sent."""
    found = {*entity.listing(store.root, ROOM)}
    found |= {name[: -len(".json")] for name in entity.listing(store.root, BEFORE) if name.endswith(".json")}
    states = [
        state_of(store, run_id, uri)
        for run_id in sorted(found)
        for uri in servers(store.root, run_id) or [""]
    ]
    return [state for state in states if state is not None and not state.whole]
