"""What a log says: the events of a run folded into one value. Pure; the index is this and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from runner.values import Json

__all__ = ["ODD", "SECTIONS", "TERMINAL", "Metric", "Run", "fold", "from_json", "to_json"]

SECTIONS = ("source", "code", "command", "environment", "machine", "supervisor", "resources", "key")
TERMINAL = ("FINISHED", "FAILED", "KILLED")
ODD = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
)  # what an event of the wrong shape causes
STATUSES = ("RUNNING", "SCHEDULED", *TERMINAL)
NAME_TAG = "mlflow.runName"  # MLflow keeps a run's name in this tag as well: setting either sets both
PARENT_TAG = "mlflow.parentRunId"


class Metric(NamedTuple):
    value: float
    timestamp: int
    step: int


class Run(NamedTuple):
    run_id: str
    experiment_id: str = "0"
    name: str = ""
    status: str = "RUNNING"
    lifecycle: str = "active"  # or deleted
    start_time: int = 0
    end_time: int | None = None
    user: str = ""
    kind: str = "project"  # or client: made by an MLflow client, nobody supervises it
    parent: str = ""
    project: str = ""
    entry_point: str = ""
    uri: str = ""
    params: Mapping[str, Json] = {}  # typed
    texts: Mapping[str, str] = {}  # of parameters whose text for the command is not str(value)
    tags: Mapping[str, str] = {}
    metrics: Mapping[str, Metric] = {}  # the latest point of each: greatest step, then timestamp, then value
    sections: Mapping[
        str, Mapping[str, Any]
    ] = {}  # SECTIONS; `client`: status that a client gave a supervised run
    inputs: tuple[Mapping[str, Any], ...] = ()
    outputs: tuple[Mapping[str, Any], ...] = ()
    artifacts: Mapping[str, Mapping[str, Any]] = {}  # path -> {digest, size}
    datasets: tuple[Mapping[str, Any], ...] = ()
    links: tuple[Mapping[str, Any], ...] = ()
    verifications: tuple[Mapping[str, Any], ...] = ()  # how it was when it was made again
    end: Mapping[str, Any] = {}  # status, exit_code, reason, ... of the end event; {} while it runs

    @property
    def param_texts(self) -> dict[str, str]:
        """Parameters as MLflow shows them: strings."""
        return {key: self.texts.get(key) or text_of(value) for key, value in self.params.items()}


def text_of(value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        import json

        return json.dumps(value, ensure_ascii=False)
    return str(value)


def fold(
    events: Iterable[Mapping[str, Any]],
    run: Run | None = None,
    problem: Callable[[Mapping[str, Any]], None] | None = None,
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
                apply(state, event)
        except ODD:
            if problem is not None:
                problem(event)
    return None if state is None else _close(state)


def _open(run: Run) -> dict[str, Any]:
    """A copy that may be changed."""
    state = run._asdict()
    for key in ("params", "texts", "tags", "metrics", "sections", "artifacts"):
        state[key] = dict(state[key])
    for key in ("inputs", "outputs", "datasets", "links", "verifications"):
        state[key] = list(state[key])
    return state


def _close(state: dict[str, Any]) -> Run:
    for key in ("inputs", "outputs", "datasets", "links", "verifications"):
        state[key] = tuple(state[key])
    return Run(**state)


def _start(event: Mapping[str, Any]) -> dict[str, Any]:
    state = _open(Run(_text(event["run_id"])))
    for key in (
        "experiment_id",
        "name",
        "user",
        "kind",
        "parent",
        "lifecycle",
        "project",
        "entry_point",
        "uri",
    ):
        if event.get(key) is not None:
            state[key] = _text(event[key])
    state["start_time"] = int(event.get("start_time", event["time"]))
    if event.get("status") in STATUSES:
        state["status"] = event["status"]
    if state["name"]:
        state["tags"][NAME_TAG] = state["name"]
    if state["parent"]:
        state["tags"][PARENT_TAG] = state["parent"]
    return state


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _param(state: dict[str, Any], event: Mapping[str, Any]) -> None:
    key = _text(event["key"])
    state["params"][key] = event["value"]
    if isinstance(event.get("text"), str):
        state["texts"][key] = event["text"]
    else:
        state["texts"].pop(key, None)


def _tag(state: dict[str, Any], event: Mapping[str, Any]) -> None:
    key, value = _text(event["key"]), _text(event["value"])
    state["tags"][key] = value
    if key == NAME_TAG:
        state["name"] = value
    elif key == PARENT_TAG:
        state["parent"] = value


def _untag(state: dict[str, Any], event: Mapping[str, Any]) -> None:
    state["tags"].pop(_text(event["key"]), None)


def _point(metrics: dict[str, Metric], key: str, value: float, timestamp: int, step: int) -> None:
    new = Metric(float(value), int(timestamp), int(step))
    old = metrics.get(_text(key))
    if old is None or _rank(new) > _rank(old):
        metrics[key] = new


def _rank(metric: Metric) -> tuple[int, int, float]:
    return metric.step, metric.timestamp, metric.value if metric.value == metric.value else 0.0  # as MLflow


def _metric(state: dict[str, Any], event: Mapping[str, Any]) -> None:
    _point(state["metrics"], event["key"], event["value"], event["timestamp"], event.get("step", 0))


def _metrics(state: dict[str, Any], event: Mapping[str, Any]) -> None:
    metrics = dict(state["metrics"])  # all points of an event or none
    for key, value, timestamp, step in event["points"]:
        _point(metrics, key, value, timestamp, step)
    state["metrics"] = metrics


def _section(state: dict[str, Any], event: Mapping[str, Any]) -> None:
    name = event["type"]
    new = {key: value for key, value in event.items() if key not in ("type", "time")}
    state["sections"][name] = (
        new if name == "supervisor" and "pid" in new else {**state["sections"].get(name, {}), **new}
    )


def _listed(state: dict[str, Any], event: Mapping[str, Any]) -> None:
    state[event["type"] + "s"].append(
        {key: value for key, value in event.items() if key not in ("type", "time")}
    )


def _artifact(state: dict[str, Any], event: Mapping[str, Any]) -> None:
    path = _text(event["path"])
    if event.get("deleted"):
        state["artifacts"].pop(path, None)
    else:
        keys = ("type", "time", "path")
        state["artifacts"][path] = {key: value for key, value in event.items() if key not in keys}


def _update(state: dict[str, Any], event: Mapping[str, Any]) -> None:
    if event.get("name") is not None:
        state["name"] = state["tags"][NAME_TAG] = _text(event["name"])
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


def _deleted(state: dict[str, Any], event: Mapping[str, Any]) -> None:
    state["lifecycle"] = "deleted" if event["type"] == "deleted" else "active"


def _end(state: dict[str, Any], event: Mapping[str, Any]) -> None:
    if event["status"] not in TERMINAL:
        raise ValueError("not an end")
    state["status"] = event["status"]
    state["end_time"] = int(event.get("end_time", event["time"]))
    state["end"] = {key: value for key, value in event.items() if key not in ("type", "time", "end_time")}


EVENTS: dict[str, Callable[[dict[str, Any], Mapping[str, Any]], None]] = {
    "start": lambda state, event: None,  # noqa: ARG005
    "param": _param,
    "tag": _tag,
    "untag": _untag,
    "metric": _metric,
    "metrics": _metrics,
    **dict.fromkeys(SECTIONS, _section),
    **dict.fromkeys(("input", "output", "dataset", "link", "verification"), _listed),
    "artifact": _artifact,
    "update": _update,
    "deleted": _deleted,
    "restored": _deleted,
    "end": _end,
}


def to_json(run: Run) -> dict[str, Any]:
    """As the index keeps it: what equals the default is left out."""
    return {
        key: value
        for key, value, default in zip(Run._fields, run, (None, *Run._field_defaults.values()), strict=True)
        if value != default
    }


def from_json(state: Mapping[str, Any]) -> Run:
    fields = dict(state)
    if "metrics" in fields:
        fields["metrics"] = {key: Metric(*point) for key, point in fields["metrics"].items()}
    for key in ("inputs", "outputs", "datasets", "links", "verifications"):
        if key in fields:
            fields[key] = tuple(fields[key])
    return Run(**fields)
