"""How a record begins: its experiment, the options that are kept, and the events of a run that is continued."""

from __future__ import annotations

import os

from runner.errors import InputError, ProjError
from runner.host import machine
from runner.tracking import events
from runner.tracking.events import Event
from runner.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from runner.running.plan import Plan, Request
    from runner.tracking.fold import Run
    from runner.tracking.store import Store

__all__ = ["continued", "experiment_of", "options_of"]

# Fields of a Request that decide how the command runs, and are not told by another part of the record.
OPTIONS = tuple(
    (
        "env_manager env python strict_python groups extras isolated docker_args build_image backend "
        "timeout grace extra seed"
    ).split()
)


def continued(plan: Plan, run: Run) -> list[Event]:
    """Events with which a run goes on (`--run-id`): one that ended, or one that a client made and left to us.

    InputError when it has other values of the parameters, or is still running: its record would not be true.
    """
    from runner.tracking.fold import given_text
    from runner.tracking.log import kept

    supervisor = run.sections.get("supervisor", {})
    if run.status in ("RUNNING", "SCHEDULED") and supervisor.get("pid"):
        raise InputError(f"run {run.name} is on", f"proj cancel {run.run_id}  ends it")
    values, texts, before = plan.parameters.values, plan.parameters.texts, run.param_texts
    for name, value in values.items():
        text = kept(given_text(value, texts.get(name)))
        recorded = before.get(name, text)
        if recorded != text and run.params.get(name) != value:
            raise InputError(
                f"run {run.name} has {name}={recorded}, and now {name}={text} was given",
                f"-P {name}={recorded}  goes on with it; without --run-id a new run is made",
            )
    tags = plan.tags("")
    return [
        events.update(status="RUNNING", name=plan.request.run_name or None),
        events.section("supervisor", machine.identity()),
        events.section("source", plan.source),
        *events.params({name: value for name, value in values.items() if name not in run.params}, texts),
        *(events.tag(key, value) for key, value in tags.items() if run.tags.get(key) != value),
    ]


def experiment_of(given_id: str, name: str, store: Store) -> str:
    """By id, by name (made when there is none), or inherited: from the run around us, or MLflow's variables.

    Inherited ids may be of another store (--store, a server of the user's): then they do not count.
    """
    if given_id:
        store.experiment(given_id)
        return given_id
    if name:
        return store.ensure_experiment(name)
    around = os.environ.get("PROJ_EXPERIMENT_ID", "")
    if around and is_known(around, store):
        return around
    if named := os.environ.get("MLFLOW_EXPERIMENT_NAME"):
        return store.ensure_experiment(named)
    chosen = os.environ.get("MLFLOW_EXPERIMENT_ID", "")
    return chosen if chosen and is_known(chosen, store) else "0"


def is_known(experiment_id: str, store: Store) -> bool:
    try:
        store.experiment(experiment_id)
    except ProjError:
        return False
    return True


def options_of(request: Request) -> dict[str, Any]:
    """For the record: the OPTIONS that are not as by default."""
    defaults = request._field_defaults
    given = {name: getattr(request, name) for name in OPTIONS}
    found = {name: value for name, value in given.items() if value != defaults[name]}
    if "docker_args" in found:
        found["docker_args"] = [_without_value(text) for text in found["docker_args"]]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def _without_value(text: str) -> str:
    """`e=TOKEN=abc` -> `e=TOKEN`: docker takes the value from the caller, and the record has no secret."""
    name, sign, value = text.partition("=")
    return f"{name}={value.partition('=')[0]}" if sign and name in ("e", "env") else text
