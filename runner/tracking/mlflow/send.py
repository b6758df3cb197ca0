"""Sends runs on to an MLflow server (or a `proj server`): in order, in batches, again after failures, nothing twice.

The record of a run is read from where it was left. Where that is, and how the run is called over there, is kept after
every acknowledged request (sent.py). A request that was sent and not acknowledged is sent again: the protocol counts a
point, a parameter, a tag once however often it comes; a run is found again by its tag `proj.run_id`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from runner.errors import ProjError, StoreError
from runner.host import files
from runner.tracking.artifact_paths import inside
from runner.tracking.events import ODD, SUPERVISED, TERMINAL, Event, Facts
from runner.tracking.fold import PARENT_TAG
from runner.tracking.log import read
from runner.tracking.mlflow import send_models
from runner.tracking.mlflow.outbox import ID_TAG, Request, identity, requests
from runner.tracking.mlflow.rest import Refused, Rest, Unreachable
from runner.tracking.mlflow.sent import Notes, Sent, later, plan, state_of, thing, unfinished
from runner.tracking.reading import NOTHING, Reading, is_current, read_on

if TYPE_CHECKING:
    from runner.tracking.store import Store

__all__ = ["follow", "send"]

T = TypeVar("T")
PAUSES = (0.2, 0.5, 1, 2, 5, 10, 20, 30)  # s between attempts
LOOK = 0.5  # s between looks at a log that grows
CHILDREN = 5  # s between looks for runs below


def send(store: Store, run_id: str, rest: Rest, attempts: int = 4, children: bool = True) -> Sent:
    """Sends what is there now, with the runs below this one. Unreachable when the server stays away.

    `attempts` count for each request.
    """
    lock = os.path.join(thing(store.root, run_id), "lock")
    with files.Exclusive(lock):  # one process at a time
        sent = _send(store, run_id, rest, attempts)
    if children:
        below = _children(store, run_id)
        for child in below:
            plan(store, child, rest.uri)  # so that they are known to be unsent, should the server go away now
        for child in below:
            _put_below(store, send(store, child, rest, attempts), sent, rest, attempts)
    return sent


def _put_below(store: Store, child: Sent, parent: Sent, rest: Rest, attempts: int) -> None:
    """A run that was sent before the one above it could not say so."""
    if child.above != parent.remote_id:
        tag = {"key": PARENT_TAG, "value": parent.remote_id}
        _patiently(attempts, lambda: rest.post("runs/set-tag", {"run_id": child.remote_id, **tag}))
        with Notes(store.root, child.run_id) as notes:
            notes.keep(child._replace(above=parent.remote_id))


def follow(store: Store, run_id: str, rest: Rest) -> Sent:
    """Sends what comes until the run has ended, and then what is left. Unreachable when that fails at the end."""
    directory, reading, attempt = store.run_directory(run_id), NOTHING, 0
    looked = float("-inf")  # for runs below this one, which takes an index
    while True:
        reading = read_on(directory, reading)
        ended = _ended(reading)
        below = ended or time.monotonic() > looked + CHILDREN
        try:
            sent = send(store, run_id, rest, attempts=4 if ended else 1, children=below)
            if ended:
                return sent
            attempt = 0
        except Unreachable:
            if ended:
                raise
            attempt += 1
        looked = time.monotonic() if below else looked
        until = time.monotonic() + (PAUSES[min(attempt, len(PAUSES)) - 1] if attempt else LOOK)
        while time.monotonic() < until and not (attempt and _ended(reading)):
            time.sleep(0.1)
            if attempt and not is_current(directory, reading):
                reading = read_on(directory, reading)


def _ended(reading: Reading) -> bool:
    return reading.run is not None and reading.run.status in TERMINAL


def _children(store: Store, run_id: str) -> list[str]:
    page = store.search(f"tags.`{PARENT_TAG}` = '{run_id}'", limit=10_000, view="all")
    return sorted(run.run_id for run in page.runs)


# ---- one run ------------------------------------------------------------------------------------------------


def _send(store: Store, run_id: str, rest: Rest, attempts: int) -> Sent:
    directory = store.run_directory(run_id)
    start = _start(os.path.join(directory, "events.jsonl"))
    with Notes(store.root, run_id) as notes:
        sent = state_of(store, run_id, rest.uri) or Sent(
            run_id, rest.uri
        )  # another server: from the beginning
        if not sent.remote_id:
            sent = _patiently(attempts, lambda: _introduce(store, sent, rest, start))
            notes.keep(sent)
        supervised = start.get("kind") in SUPERVISED
        for request in requests(read(os.path.join(directory, "events.jsonl"), sent.offset), supervised):
            before = sent
            sent = _patiently(attempts, lambda: _deliver(store, before, rest, request))  # noqa: B023
            sent = sent._replace(offset=max(request.offset, sent.offset))
            if sent != before:
                notes.keep(sent)
        operations, after = later(directory, sent)
        for request in requests(((each, 0) for each in operations), supervised):
            before = after
            after = _patiently(attempts, lambda: _deliver(store, before, rest, request))  # noqa: B023
        for model_id in unfinished(store.root, after):
            before = after
            after = _patiently(attempts, lambda: _visit(store, before, rest, model_id))  # noqa: B023
        if after != sent:
            notes.keep(after)
    return after._replace(unsent=len(unfinished(store.root, after)))


def _has_ended(store: Store, run_id: str) -> bool:
    return store.read(run_id).status in TERMINAL


def _visit(store: Store, sent: Sent, rest: Rest, model_id: str) -> Sent:
    """What came to a model since it was last looked at."""
    try:
        ended = partial(_has_ended, store, sent.run_id)
        return send_models.visit(store, sent, rest, model_id, ended)
    except Refused as refused:
        if refused.status in (401, 403):
            raise
        given_up = {key: known for key, known in sent.models.items() if key != model_id}
        return _reached(sent._replace(models=given_up), (refused.message,))


def _reached(sent: Sent, refused: tuple[str, ...]) -> Sent:
    return sent._replace(refused=(*sent.refused, *refused)[-50:])


def _patiently(attempts: int, work: Callable[[], T]) -> T:
    for attempt in range(attempts):
        try:
            return work()
        except Unreachable:
            if attempt == attempts - 1:
                raise
            time.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])
    raise AssertionError("attempts are at least one")


def _start(log: str) -> Event:
    for event, _ in read(log):
        if event["type"] == "start":
            return event
    raise StoreError(f"{log} has no start", "proj doctor  checks the store")


def _introduce(store: Store, sent: Sent, rest: Rest, start: Event) -> Sent:
    """Finds the run over there, or makes it."""
    with rest.understood():
        return _introduced(store, sent, rest, start)


def _introduced(store: Store, sent: Sent, rest: Rest, start: Event) -> Sent:
    experiment = _experiment(store, str(start.get("experiment_id", "0")), rest)
    found = rest.post(
        "runs/search",
        {
            "experiment_ids": [experiment],
            "filter": f"tags.`{ID_TAG}` = '{sent.run_id}'",
            "run_view_type": "ALL",
            "max_results": 1,
        },
    ).get("runs")
    over = ""
    if found:
        info = found[0]["info"]
    else:
        body = {"experiment_id": experiment, **identity(start)}
        parent = _parent_of(store, sent.run_id)
        above = state_of(store, parent) if parent else None
        if above is not None and above.remote_id and above.uri == rest.uri:
            over = above.remote_id
            body["tags"] = [*body["tags"], {"key": PARENT_TAG, "value": over}]
        info = rest.post("runs/create", body)["run"]["info"]
    return sent._replace(
        remote_id=info["run_id"],
        experiment_id=experiment,
        artifact_uri=info.get("artifact_uri", ""),
        above=over,
    )


def _parent_of(store: Store, run_id: str) -> str:
    return store.read(run_id).parent


def _experiment(store: Store, experiment_id: str, rest: Rest) -> str:
    """The experiment of the same name over there, made if need be."""
    try:
        experiment = store.experiment(experiment_id)
        name, tags = experiment.name, experiment.tags
    except ProjError:
        name, tags = f"experiment {experiment_id}", {}
    for _ in range(2):
        try:
            found = rest.get("experiments/get-by-name", experiment_name=name)["experiment"]
            if found.get("lifecycle_stage") == "deleted":
                raise Refused("", f"{rest.uri}: the experiment {name!r} is deleted there", 400)
            return str(found["experiment_id"])
        except Refused as refused:
            if refused.status != 404:
                raise
        body = {"name": name, "tags": [{"key": key, "value": value} for key, value in tags.items()]}
        try:
            return str(rest.post("experiments/create", body)["experiment_id"])
        except Refused as refused:
            if refused.code != "RESOURCE_ALREADY_EXISTS":
                raise
    raise Unreachable(f"{rest.uri}: the experiment {name!r} cannot be found nor made")


def _deliver(store: Store, sent: Sent, rest: Rest, request: Request) -> Sent:
    """How it then stands, with what was refused. Unreachable: to be sent again."""
    try:
        if request.kind == "batch":
            sent, body = _over_there(store, sent, rest, request.body)
            return _reached(sent, _batch(sent, rest, body))
        if request.kind == "update":
            rest.post("runs/update", {"run_id": sent.remote_id, **request.body})
        elif request.kind == "tag-off":
            rest.post("runs/delete-tag", {"run_id": sent.remote_id, **request.body})
        elif request.kind == "inputs":
            rest.post("runs/log-inputs", {"run_id": sent.remote_id, **request.body})
        elif request.kind == "lifecycle":
            name = "delete" if request.body["kind"] == "deleted" else "restore"
            rest.post(f"runs/{name}", {"run_id": sent.remote_id})
        elif request.kind == "file":
            _file(store, sent, rest, request.body)
        elif request.kind == "model":
            return send_models.link(store, sent, rest, request.body["model_id"], request.body["step"])
        elif request.kind == "version" and sent.registry in ("", sent.uri):
            return send_models.register(store, sent, rest, request.body)
        elif request.kind == "registry" and sent.registry in ("", sent.uri):
            send_models.tell(sent, rest, request.body)
    except Refused as refused:
        if refused.status in (401, 403):
            raise
        if request.kind == "tag-off" and refused.status == 404:
            return sent  # it is off already: this was sent before
        return _reached(sent, (refused.message,))
    except StoreError as error:  # a model that was removed, a file that is none of the run's
        return _reached(sent, (error.message,))
    except ODD as error:  # of a record that says something else than we would write
        return _reached(sent, (f"{request.kind} cannot be sent: {error!r}",))
    return sent


def _over_there(store: Store, sent: Sent, rest: Rest, body: Facts) -> tuple[Sent, Facts]:
    """A batch with the ids that models have there. Of one that cannot be there, the points are the run's alone."""
    if not any("model_id" in each for each in body.get("metrics", ())):
        return sent, body
    metrics = []
    for each in body["metrics"]:
        point = {key: value for key, value in each.items() if key != "model_id"}
        if "model_id" in each:
            try:
                sent = send_models.named(store, sent, rest, each["model_id"])
                point["model_id"] = sent.models[each["model_id"]]["id"]
            except (Refused, StoreError):
                pass  # an old server has no logged models; or it was removed
        metrics.append(point)
    return sent, {**body, "metrics": metrics}


def _batch(sent: Sent, rest: Rest, body: Facts) -> tuple[str, ...]:
    """As a whole; when that is refused, one by one, so that one bad entry does not take the others with it."""
    try:
        rest.post("runs/log-batch", {"run_id": sent.remote_id, **body})
        return ()
    except Refused as refused:
        if refused.status in (401, 403):
            raise
        entries = [(kind, entry) for kind in ("metrics", "params", "tags") for entry in body.get(kind, ())]
        if len(entries) == 1:
            return (refused.message,)
    found: list[str] = []
    for kind, entry in entries:
        found += _batch(sent, rest, {kind: [entry]})
    return tuple(found)


def _file(store: Store, sent: Sent, rest: Rest, body: Facts) -> None:
    place = send_models.proxied(sent.artifact_uri)
    if body["deleted"]:
        try:
            rest.delete_file(f"{place}/{body['path']}")
        except Refused as refused:
            if refused.status != 404:
                raise
        return
    path = inside(os.path.join(store.run_directory(sent.run_id), "artifacts"), body["path"])
    send_models.upload(rest, path, f"{place}/{body['path']}")
