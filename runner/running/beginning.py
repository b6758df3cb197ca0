"""What a plan says about its run: the events and tags with which a record begins, or is gone on with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from runner.errors import InputError, ProjError
from runner.host import machine

if TYPE_CHECKING:
    from runner.running.plan import Plan
    from runner.tracking.fold import Run
    from runner.tracking.store import Store

__all__ = ["begun", "continued", "experiment_of"]


def begun(plan: Plan, parent: str) -> dict[str, Any]:
    """For Store.create_run: what a new run of this plan begins with."""
    return {
        "params": plan.parameters.values,
        "texts": plan.parameters.texts,
        "tags": {**mlflow_tags(plan, parent), **user_tags(plan.request.tags)},
        "sections": {"source": source(plan), "supervisor": machine.identity()},
        "project": plan.project.name,
        "entry_point": plan.entry_point.name,
        "uri": plan.checkout.uri,
    }


def continued(plan: Plan, run: Run) -> list[dict[str, Any]]:
    """Events with which a run goes on (`--run-id`): one that ended, or one that a client made and left to us.

    InputError when it has other values of the parameters, or is on: its record would not be true.
    """
    from runner.running.reconcile import gone
    from runner.tracking.fold import text_of
    from runner.tracking.log import kept
    from runner.tracking.store import param_events

    supervisor = run.sections.get("supervisor", {})
    if run.status in ("RUNNING", "SCHEDULED") and supervisor.get("pid") and not gone(supervisor):
        raise InputError(f"run {run.name} is on", f"proj cancel {run.run_id}  ends it")
    values, texts, before = plan.parameters.values, plan.parameters.texts, run.param_texts
    for name, value in values.items():
        text = kept(texts.get(name) or text_of(value))
        recorded = before.get(name, text)
        if recorded != text and run.params.get(name) != value:
            raise InputError(
                f"run {run.name} has {name}={recorded}, and now {name}={text} was given",
                f"-P {name}={recorded}  goes on with it; without --run-id a new run is made",
            )
    tags = {**mlflow_tags(plan, ""), **user_tags(plan.request.tags)}
    update = {"type": "update", "status": "RUNNING"}
    if plan.request.run_name:
        update["name"] = plan.request.run_name
    return [
        update,
        {"type": "supervisor", **machine.identity()},
        {"type": "source", **source(plan)},
        *param_events({name: value for name, value in values.items() if name not in run.params}, texts),
        *(
            {"type": "tag", "key": key, "value": value}
            for key, value in tags.items()
            if run.tags.get(key) != value
        ),
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


def source(plan: Plan) -> dict[str, str]:
    checkout = plan.checkout
    section = {
        "uri": checkout.uri,
        "kind": checkout.kind,
        "repository": checkout.repository,
        "version": checkout.version,
        "commit": checkout.commit,
        "branch": checkout.branch,
        "subdirectory": checkout.subdirectory,
        "directory": "" if checkout.temporary else checkout.directory,
    }
    return {key: value for key, value in section.items() if value}


def mlflow_tags(plan: Plan, parent: str) -> dict[str, str]:
    """The tags that `mlflow run` sets, so that its clients and pages know the run."""
    checkout = plan.checkout
    tags = {
        "mlflow.source.name": checkout.uri,
        "mlflow.source.type": "PROJECT",
        "mlflow.project.entryPoint": plan.entry_point.name,
        "mlflow.project.backend": plan.request.backend,
        "mlflow.source.git.commit": checkout.commit,
        "mlflow.source.git.repoURL": checkout.repository,
        "mlflow.source.git.branch": checkout.branch if checkout.version else "",
        "mlflow.project.env": "" if plan.specification.kind == "system" else plan.specification.kind,
        "mlflow.parentRunId": parent,
    }
    return {key: value for key, value in tags.items() if value}


def user_tags(given: tuple[str, ...]) -> dict[str, str]:
    tags = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise InputError(f"--tag {text!r} is not NAME=VALUE")
        tags[name] = value
    return tags
