"""What a log says: the events of a run folded into one value. Pure; the index is this and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from runner.tracking.events import CLOSED, ODD, TERMINAL, Event, Facts, Metric, points_of, string
from runner.tracking.shapes import shaped
from runner.typed import NamedTuple
from runner.values import Json

__all__ = ["ODD", "SECTIONS", "TERMINAL", "Metric", "Run", "fold", "from_json", "to_json"]

SECTIONS = (
    "source",
    "code",
    "command",
    "environment",
    "machine",
    "supervisor",
    "resources",
    "key",
    "workdir",
    "steps",
)
STATUSES = ("RUNNING", "SCHEDULED", *TERMINAL)
NAME_TAG = "mlflow.runName"  # MLflow keeps a run's name in this tag as well: setting either sets both
PARENT_TAG = "mlflow.parentRunId"
STARTED = ("experiment_id", "name", "user", "kind", "parent", "lifecycle", "project", "entry_point", "uri")
MAPPINGS = ("params", "texts", "tags", "metrics", "sections", "artifacts")  # fields of a Run
OF_THE_LOG = ("type", "time", "op", CLOSED)  # keys that say nothing about the run
LISTS = ("inputs", "outputs", "datasets", "links", "verifications")

State: TypeAlias = "dict[str, Any]"  # the fields of a Run while events are applied: they may be changed


class Run(NamedTuple):
    run_id: str
    experiment_id: str = "0"
    name: str = ""
    status: str = "RUNNING"
    lifecycle: str = "active"  # or deleted
    start_time: int = 0
    end_time: int | None = None
    user: str = ""
    kind: str = "project"  # pipeline: of other runs; client: made by an MLflow client, nobody supervises it
    parent: str = ""
    project: str = ""
    entry_point: str = ""
    uri: str = ""
    params: Mapping[str, Json] = {}  # typed
    texts: Mapping[str, str] = {}  # of parameters whose text for the command is not str(value)
    tags: Mapping[str, str] = {}
    metrics: Mapping[str, Metric] = {}  # the latest point of each: greatest step, then timestamp, then value
    sections: Mapping[str, Facts] = {}  # SECTIONS; `client`: status that a client gave a supervised run
    inputs: tuple[Facts, ...] = ()
    outputs: tuple[Facts, ...] = ()
    artifacts: Mapping[str, Facts] = {}  # path -> {digest, size}
    datasets: tuple[Facts, ...] = ()
    links: tuple[Facts, ...] = ()
    verifications: tuple[Facts, ...] = ()  # how it was when it was made again
    end: Mapping[str, Any] = {}  # status, exit_code, reason, ... of the end event; {} while it runs

    @property
    def duration(self) -> float | None:
        """s; None while it runs."""
        return None if self.end_time is None else (self.end_time - self.start_time) / 1000

    @property
    def verdict(self) -> str:
        """Of the last time that it was made again; "" when it never was."""
        return str(self.verifications[-1].get("verdict", "")) if self.verifications else ""

    @property
    def param_texts(self) -> dict[str, str]:
        """Parameters as MLflow shows them: strings, and a path as it was given."""
        return {key: given_text(value, self.texts.get(key)) for key, value in self.params.items()}


def given_text(value: Json, text: str | None) -> str:
    """A parameter as it was given: of what reaches the command, `text`, a file may be in another place."""
    return value if isinstance(value, str) else text or text_of(value)


def text_of(value: Json) -> str:
    """As MLflow's clients write a value: `True`, `0.1`; lists and mappings as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def fold(
    events: Iterable[Event], run: Run | None = None, problem: Callable[[Event], None] | None = None
) -> Run | None:
    """The run after `events`, from `run` on (None: from nothing). None when there is no start among them.

    An event that lacks what its type needs, or comes before `start`, goes to `problem` and changes nothing.
    """
    state = None if run is None else _open(run)
    for event in events:
        try:
            apply = EVENTS.get(event["type"])
            if apply is None:
                continue
            if state is None:
                if event["type"] != "start":
                    raise ValueError("an event before start")
                state = _start(event)
            elif event["type"] != "start":
                apply(state, shaped(event, problem))
        except ODD:
            if problem is not None:
                problem(event)
    return None if state is None else _close(state)


def _open(run: Run) -> State:
    """A copy that may be changed."""
    state = run._asdict()
    for key in MAPPINGS:
        state[key] = dict(state[key])
    for key in LISTS:
        state[key] = list(state[key])
    return state


def _close(state: State) -> Run:
    for key in LISTS:
        state[key] = tuple(state[key])
    return Run(**state)


def _start(event: Event) -> State:
    state = _open(Run(string(event["run_id"])))
    for key in STARTED:
        if event.get(key) is not None:
            state[key] = string(event[key])
    state["start_time"] = int(event.get("start_time", event["time"]))
    if event.get("status") in STATUSES:
        state["status"] = event["status"]
    if state["name"]:
        state["tags"][NAME_TAG] = state["name"]
    if state["parent"]:
        state["tags"][PARENT_TAG] = state["parent"]
    return state


def _param(state: State, event: Event) -> None:
    key = string(event["key"])
    state["params"][key] = event["value"]
    if isinstance(event.get("text"), str):
        state["texts"][key] = event["text"]
    else:
        state["texts"].pop(key, None)


def _tag(state: State, event: Event) -> None:
    key, value = string(event["key"]), string(event["value"])
    state["tags"][key] = value
    if key == NAME_TAG:
        state["name"] = value
    elif key == PARENT_TAG:
        state["parent"] = value


def _untag(state: State, event: Event) -> None:
    state["tags"].pop(string(event["key"]), None)


def _metrics(state: State, event: Event) -> None:
    points, metrics = points_of(event), state["metrics"]
    for key, new in points:
        old = metrics.get(key)
        if old is None or new.step > old.step or (new.step == old.step and _rank(new) > _rank(old)):
            metrics[key] = new


def _rank(metric: Metric) -> tuple[int, float]:
    """Among those of one step."""
    return metric.timestamp, metric.value if metric.value == metric.value else 0.0  # as MLflow


def _without(event: Event, *keys: str) -> Facts:
    return {key: value for key, value in event.items() if key not in (*OF_THE_LOG, *keys)}


def _section(state: State, event: Event) -> None:
    name, new = event["type"], _without(event)
    old = {} if name == "supervisor" and "pid" in new else state["sections"].get(name, {})
    state["sections"][name] = {**old, **new}


def _listed(state: State, event: Event) -> None:
    state[event["type"] + "s"].append(_without(event))


def _artifact(state: State, event: Event) -> None:
    path = string(event["path"])
    if event.get("deleted"):
        state["artifacts"].pop(path, None)
    else:
        state["artifacts"][path] = _without(event, "path")


def _update(state: State, event: Event) -> None:
    if event.get("name") is not None:
        state["name"] = state["tags"][NAME_TAG] = string(event["name"])
    if event.get("start_time") is not None:
        state["start_time"] = int(event["start_time"])
    status = event.get("status")
    if status is not None and status not in STATUSES:
        raise ValueError("no such status")
    if not state["end"] and "supervisor" in state["sections"]:
        # A client in the command says how it thinks that it ended; who supervises it knows.
        said = {key: event[key] for key in ("status", "end_time") if event.get(key) is not None}
        if said:
            state["sections"]["client"] = {**state["sections"].get("client", {}), **said}
        return
    if event.get("end_time") is not None:
        state["end_time"] = int(event["end_time"])
    if status is None:
        return
    state["status"] = status
    if status in TERMINAL:
        if state["end_time"] is None:
            state["end_time"] = int(event["time"])
    else:
        state["end"], state["end_time"] = {}, None
        state["sections"].pop("supervisor", None)  # whoever goes on with the run is another one, or a client


def _deleted(state: State, event: Event) -> None:
    state["lifecycle"] = "deleted" if event["type"] == "deleted" else "active"


def _end(state: State, event: Event) -> None:
    if event["status"] not in TERMINAL:
        raise ValueError("not an end")
    state["status"] = event["status"]
    state["end_time"] = int(event.get("end_time", event["time"]))
    state["end"] = _without(event, "end_time")


EVENTS: dict[str, Callable[[State, Event], None]] = {
    "start": lambda state, event: None,  # noqa: ARG005
    "param": _param,
    "tag": _tag,
    "untag": _untag,
    **dict.fromkeys(("metric", "metrics"), _metrics),
    **dict.fromkeys(SECTIONS, _section),
    **dict.fromkeys(("input", "output", "dataset", "link", "verification"), _listed),
    "artifact": _artifact,
    "update": _update,
    **dict.fromkeys(("deleted", "restored"), _deleted),
    "end": _end,
}


def to_json(run: Run) -> State:
    """As the index keeps it: what equals the default is left out."""
    return {
        key: value
        for key, value, default in zip(Run._fields, run, (None, *Run._field_defaults.values()), strict=True)
        if value != default
    }


def from_json(state: State) -> Run:
    fields = dict(state)
    if "metrics" in fields:
        fields["metrics"] = {key: Metric(*point) for key, point in fields["metrics"].items()}
    for key in LISTS:
        if key in fields:
            fields[key] = tuple(fields[key])
    return Run(**fields)
