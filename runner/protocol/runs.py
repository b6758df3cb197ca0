"""runs/...: their life, parameters and tags. Metrics are in metrics.py, datasets and models in inputs.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.protocol import checks as allowed
from runner.protocol.answer import EMPTY, ApiError, Response, invalid, reply
from runner.protocol.entities import run as shown
from runner.protocol.entities import run_info
from runner.protocol.experiments import TAG
from runner.protocol.experiments import find as find_experiment
from runner.protocol.fields import EnumKind, need
from runner.protocol.route import Asked, Route, checks
from runner.tracking import events
from runner.tracking.events import Event

if TYPE_CHECKING:
    from runner.protocol.live import Live
    from runner.tracking.fold import Run

__all__ = ["ROUTES", "RUN_ID", "RUN_KEY", "equal", "for_writing", "new_params"]

STATUS = EnumKind(("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"))
NAME_TAG = "mlflow.runName"
RUN_ID = {"run_id": "string", "run_uuid": "string"}
RUN_KEY = checks("run_id required string", "key required string", "value string")


def for_writing(asked: Asked, active: bool = True) -> Live:
    """The run that a request names. ApiError when there is none, it may not be written to, or (`active`) it is
    deleted.
    """
    run_id = need(asked.values, "run_id", "run_uuid")
    live = asked.runs.get(run_id)
    asked.scope.write_run(run_id)
    if active:
        live.check_active()
    return live


def create(asked: Asked) -> Response:
    values = asked.values
    experiment = find_experiment(asked, values.get("experiment_id") or asked.scope.experiment_id)
    if experiment.lifecycle != "active":
        raise invalid(
            f"The experiment {experiment.experiment_id} must be in the 'active' state."
            f" Current state is {experiment.lifecycle}."
        )
    tags = dict(allowed.tag(tag.get("key"), tag.get("value", "")) for tag in values.get("tags", ()))
    name, tagged = values.get("run_name", ""), tags.get(NAME_TAG, "")
    if name and tagged and name != tagged:
        raise invalid(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values"
            f" (run_name='{name}', mlflow.runName='{tagged}')."
        )
    asked.scope.write("experiments")
    writer = asked.store.create_run(
        experiment.experiment_id,
        name=name or tagged,
        kind="client",
        start_time=values.get("start_time"),
        user=values.get("user_id", ""),
        tags=tags,
    )
    asked.scope.created(writer.run_id)
    run = asked.runs.adopt(writer).run()
    return reply({"run": shown(run, asked.root)})._replace(subject=run.run_id)


def get(asked: Asked) -> Response:
    run = asked.runs.get(need(asked.values, "run_id", "run_uuid")).whole()
    return reply({"run": shown(asked.scope.seen(run), asked.root)})


def update(asked: Asked) -> Response:
    live, values = for_writing(asked), asked.values
    status, end_time, name = values.get("status"), values.get("end_time"), values.get("run_name") or None
    if (status, end_time, name) != (None, None, None):
        live.check_settled()
        live.writer.append(events.update(status=status, end_time=end_time, name=name))
    return reply({"run_info": run_info(live.run(), asked.root)})


def delete(asked: Asked) -> Response:
    live = for_writing(asked, active=False)
    if live.run().lifecycle == "active":
        live.writer.append(events.deleted())
    return EMPTY


def restore(asked: Asked) -> Response:
    live = for_writing(asked, active=False)
    if live.run().lifecycle != "active":
        live.writer.append(events.restored())
    return EMPTY


def set_tag(asked: Asked) -> Response:
    key, value = allowed.tag(asked.values["key"], asked.values.get("value", ""))
    for_writing(asked).writer.tag(key, value)
    return EMPTY


def delete_tag(asked: Asked) -> Response:
    live, key = for_writing(asked), asked.values["key"]
    if key not in live.run().tags:
        raise ApiError("RESOURCE_DOES_NOT_EXIST", f"No tag with name: {key} in run with id {live.run_id}")
    live.writer.untag(key)
    return EMPTY


def log_parameter(asked: Asked) -> Response:
    key, value = allowed.param(asked.values["key"], asked.values.get("value", ""))
    live = for_writing(asked)
    with live.exclusive():
        run = live.run()
        if key not in run.params:
            live.writer.param(key, value)
        elif not equal(run, key, value):
            raise invalid(
                f"Changing param values is not allowed. Param with key='{key}' was already logged with"
                f" value='{run.param_texts[key]}' for run ID='{live.run_id}'."
                f" Attempted logging new value '{value}'."
            )
    return EMPTY


def new_params(run: Run, params: Sequence[tuple[str, str]]) -> list[Event]:
    """The events of those that are not there yet. ApiError when one is there with another value."""
    changed = [
        {"key": key, "old_value": run.param_texts[key], "new_value": value}
        for key, value in params
        if key in run.params and not equal(run, key, value)
    ]
    if changed:
        raise invalid(
            f"Changing param values is not allowed. Params were already logged='{changed}'"
            f" for run ID='{run.run_id}'."
        )
    return [events.param(key, value) for key, value in params if key not in run.params]


def equal(run: Run, key: str, text: str) -> bool:
    """Whether `text` says the value that the run has: 5 and 5.0, True and true are the same."""
    old = run.params[key]
    if run.texts.get(key) == text or text == run.param_texts[key]:
        return True
    if isinstance(old, bool):
        return text.lower() == str(old).lower()
    try:
        return float(old if isinstance(old, int | float) else run.param_texts[key]) == float(text)
    except ValueError:
        return False
    except OverflowError:
        return str(old) == text


_HAS_ID = checks("run_id required string")
_PARAM = {"key": "string", "value": "string"}

ROUTES = (
    Route(
        "POST",
        "runs/create",
        create,
        {
            "experiment_id": "string",
            "user_id": "string",
            "run_name": "string",
            "start_time": "int64",
            "tags": [TAG],
        },
        checks("experiment_id string", "start_time int", "run_name string"),
    ),
    Route("GET", "runs/get", get, RUN_ID, _HAS_ID),
    Route(
        "POST",
        "runs/update",
        update,
        {**RUN_ID, "status": STATUS, "end_time": "int64", "run_name": "string"},
        checks("run_id required string", "end_time int", "status string", "run_name string"),
    ),
    Route("POST", "runs/delete", delete, RUN_ID, _HAS_ID),
    Route("POST", "runs/restore", restore, RUN_ID, _HAS_ID),
    Route("POST", "runs/set-tag", set_tag, {**RUN_ID, **TAG}, RUN_KEY),
    Route("POST", "runs/delete-tag", delete_tag, {**RUN_ID, "key": "string"}, RUN_KEY),
    Route("POST", "runs/log-parameter", log_parameter, {**RUN_ID, **_PARAM}, RUN_KEY),
)
