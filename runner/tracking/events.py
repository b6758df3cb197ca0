"""The events of the logs: how each is written, and the one reader of metric points. Format: docs/record.md.

A constructor gives what its event must have; the log adds `time`. What a reader finds is an Event too, and may have
been written by another version or program: whoever reads one must expect the errors in ODD.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runner.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from runner.values import CodeState, Json

__all__ = [
    "CLOSED",
    "FORMAT",
    "ODD",
    "SUPERVISED",
    "TERMINAL",
    "Event",
    "Facts",
    "Metric",
    "points_of",
    "string",
]

Event: TypeAlias = "Mapping[str, Any]"  # `type` is a text; all else is JSON of any kind
Facts: TypeAlias = "Mapping[str, Any]"  # JSON by name, as whoever found it out calls it

ODD = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
)  # what an event of the wrong shape causes
FORMAT = 2  # of events.jsonl; a reader refuses a greater one. 2: it may be gone on with in segments
SUPERVISED = ("project", "pipeline")  # kinds of runs that a process of ours is in charge of
TERMINAL = ("FINISHED", "FAILED", "KILLED")
CLOSED = "closed"  # a key of the last event of a run's log: all that comes after it is in segments


class Metric(NamedTuple):
    """A point of a metric."""

    value: float
    timestamp: int  # ms
    step: int


_make = tuple.__new__  # a third of the time that it takes to call a NamedTuple


def _given(kind: str, **keys: Json) -> Event:
    """Without the keys that are None or ""."""
    return {"type": kind, **{key: value for key, value in keys.items() if value is not None and value != ""}}


# ---- a run -------------------------------------------------------------------------------------------------


def start(
    run_id: str,
    experiment_id: str,
    *,
    name: str = "",
    user: str = "",
    kind: str,
    parent: str = "",
    start_time: int | None = None,
    project: str = "",
    entry_point: str = "",
    uri: str = "",
    writer: Facts | None = None,
) -> Event:
    """The first event. `kind`: project, or client for a run that nobody supervises; `start_time` in ms.

    `writer`: which file this is, on which host (writer.py); a copy is not written to.
    """
    first = {"type": "start", "format": FORMAT, "run_id": run_id, "experiment_id": experiment_id}
    more = {
        "start_time": start_time,
        "parent": parent,
        "project": project,
        "entry_point": entry_point,
        "uri": uri,
        "writer": None if writer is None else dict(writer),
    }
    return {**first, "name": name, "user": user, "kind": kind, **_given("start", **more)}


def param(key: str, value: Json, text: str | None = None) -> Event:
    """`text` is what reaches the command, when that is not str(value)."""
    event = {"type": "param", "key": key, "value": value}
    return event if text is None else {**event, "text": text}


def params(values: Mapping[str, Json], texts: Mapping[str, str] | None = None) -> list[Event]:
    texts = texts or {}
    return [param(key, value, texts.get(key)) for key, value in values.items()]


def tag(key: str, value: str) -> Event:
    return {"type": "tag", "key": key, "value": value}


def tags(values: Mapping[str, str]) -> list[Event]:
    return [tag(key, value) for key, value in values.items()]


def untag(key: str) -> Event:
    return {"type": "untag", "key": key}


def metric(key: str, value: float, timestamp: int, step: int = 0, **about: str) -> Event:
    """`about`: dataset, dataset_digest, model_id; of a model's point also run_id. Empty ones are left out."""
    event = {"type": "metric", "key": key, "value": value, "timestamp": timestamp, "step": step}
    return {**event, **{name: text for name, text in about.items() if text}} if about else event


def metrics(points: Iterable[tuple[str, float, int, int]]) -> Event:
    """Points of (key, value, timestamp in ms, step)."""
    return {"type": "metrics", "points": list(points)}


def points_of(event: Event) -> list[tuple[str, Metric]]:
    """The points of a `metric` or `metrics` event, with their keys. One of ODD when one of them is none."""
    if event["type"] == "metric":
        point = Metric(float(event["value"]), int(event["timestamp"]), int(event.get("step", 0)))
        return [(string(event["key"]), point)]
    return [
        (key if type(key) is str else string(key), _make(Metric, (float(value), int(at), int(step))))
        for key, value, at, step in event["points"]
    ]


def string(value: object) -> str:
    """TypeError for all else."""
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def section(kind: str, facts: Facts) -> Event:
    """source, command, environment, machine, supervisor, resources: merged over what was known of it before."""
    return {"type": kind, **facts}


def code(state: CodeState, problem: str = "") -> Event:
    """`problem`: why it could not be kept."""
    event: Event = {"type": "code", **state._asdict()}
    return {**event, "problem": problem} if problem else event


def command(
    text: str, directory: str, variables: Mapping[str, str], options: Facts, stdin: str = ""
) -> Event:
    """`text` without secrets; `options`: of `proj run`, that decide how it runs; `stdin`: what the command reads."""
    event = {"type": "command", "command": text, "directory": directory, "variables": dict(variables)}
    return event | ({"stdin": stdin} if stdin else {}) | ({"options": options} if options else {})


def dataset(name: str, digest: str, *, tags: Mapping[str, str] | None = None, **more: str | None) -> Event:
    """`more`: source_type, source, schema, profile, as MLflow's dataset inputs have them; None is left out."""
    kept = {key: value for key, value in more.items() if value is not None}
    event: Event = {"type": "dataset", "name": name, "digest": digest, **kept}
    return {**event, "tags": dict(tags)} if tags else event


def input_file(facts: Facts) -> Event:
    """path or uri, digest, size (bytes), origin, version; empty ones are left out."""
    return _given("input", **facts)


def output(
    path: str,
    digest: str,
    size: int,
    links: Mapping[str, str] | None = None,
    found: Iterable[str] = (),
    executable: Iterable[str] = (),
    folders: Iterable[str] = (),
) -> Event:
    """What is in it, by paths in the artifacts.

    `links`: those that are kept as links -> where they lead; `found`: the files of a folder that the command found
    there and did not change; `executable` files; empty `folders`.
    """
    kept: dict[str, Json] = {"path": path, "digest": digest, "size": size}
    kept |= {name: [*names] for name, names in (("executable", executable), ("folders", folders)) if names}
    names: list[Json] = [*found]
    if names:
        kept["found"] = names
    if links:
        kept["links"] = dict(links)
    return _given("output", **kept)


def artifact(path: str, digest: str, size: int) -> Event:
    """`digest`: sha256:HEX; `size`: bytes."""
    return {"type": "artifact", "path": path, "digest": digest, "size": size}


def artifact_removed(path: str) -> Event:
    return {"type": "artifact", "path": path, "deleted": True}


def run_link(relation: str, run_id: str) -> Event:
    """rerun-of, reproduces, cached-from."""
    return {"type": "link", "relation": relation, "run_id": run_id}


def model_link(relation: str, model_id: str, step: int | None = None) -> Event:
    """model-input, model-output."""
    event: Event = {"type": "link", "relation": relation, "model_id": model_id}
    return event if step is None else {**event, "step": step}


def registered_link(name: str, version: int, source: str, model_id: str) -> Event:
    """The run made what was registered as this version; `model_id`: "" for a model among its artifacts."""
    facts: dict[str, Json] = {"name": name, "version": version, "source": source, "model_id": model_id}
    return _given("link", relation="registered", **facts)


def registry(do: str, name: str, version: int, **facts: str) -> Event:
    """What the command of the run did to a version that it registered, for servers to which the run is sent.

    `do`: alias, unalias, stage, tag, untag, describe; `facts`: of the request.
    """
    return {"type": "registry", "do": do, "name": name, "version": version, "facts": facts}


def update(
    *,
    name: str | None = None,
    status: str | None = None,
    start_time: int | None = None,
    end_time: int | None = None,
) -> Event:
    """What is None stays; times in ms."""
    keys = {"name": name, "status": status, "start_time": start_time, "end_time": end_time}
    return {"type": "update", **{key: value for key, value in keys.items() if value is not None}}


def deleted() -> Event:
    return {"type": "deleted"}


def restored() -> Event:
    return {"type": "restored"}


def verification(verdict: str, cause: str, run_ids: Iterable[str], report: str) -> Event:
    """`report`: the file in the record."""
    event = {"type": "verification", "verdict": verdict, "cause": cause}
    return {**event, "run_ids": list(run_ids), "report": report}


def end(
    status: str,
    reason: str = "exit",
    *,
    exit_code: int | None = None,
    signal: str = "",
    message: str = "",
    by: str = "",
    end_time: int | None = None,
) -> Event:
    """`status`: FINISHED, FAILED or KILLED; `reason` as in values.Ended; `end_time`: ms since 1970, if not now."""
    keys = {"exit_code": exit_code, "signal": signal, "message": message, "by": by, "end_time": end_time}
    return _given("end", status=status, reason=reason, **keys)


# ---- experiments and models ---------------------------------------------------------------------------------


def experiment(experiment_id: str, name: str, artifact_location: str) -> Event:
    first = {"type": "experiment", "experiment_id": experiment_id}
    return {**first, "name": name, "artifact_location": artifact_location}


def model(model_id: str, experiment_id: str, name: str, model_type: str, run_id: str) -> Event:
    """`run_id`: of the run that made it."""
    first = {"type": "model", "model_id": model_id, "experiment_id": experiment_id}
    return {**first, "name": name, "model_type": model_type, "run_id": run_id}


def view(name: str, place: str, address: str) -> Event:
    """`place`: where the pages list it (views.py); `address`: below the pages, with its query."""
    return {"type": "view", "name": name, "place": place, "address": address}
