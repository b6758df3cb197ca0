"""The models that a run made: logged ones (MLflow 3), and folders among its artifacts."""

from __future__ import annotations

from runner.errors import InputError, StoreError
from runner.tracking import artifacts, models
from runner.tracking.fold import Run
from runner.tracking.models import LoggedModel
from runner.tracking.store import Store

__all__ = ["model_of", "root_of"]

FILE = "MLmodel"


def root_of(store: Store, experiment_id: str) -> str:
    """Where an experiment keeps its artifacts, for the registry."""
    place = store.experiment(experiment_id).artifact_location
    return place or f"mlflow-artifacts:/{experiment_id}"


def model_of(store: Store, run: Run, path: str) -> str:
    """The URI of a run's model: the only one, or that of a folder of its artifacts or of a logged model's name.

    InputError when none is meant, or several.
    """
    logged = _logged(store, run)
    kept = [
        each.path.rpartition("/")[0]
        for each in artifacts.listing(store, run.run_id, recursive=True)
        if each.path.rpartition("/")[2] == FILE
    ]
    if path:
        path = artifacts.normal(path)
        named = [each for each in logged if each.name == path]
        if path not in kept and named:  # of several of one name the last, as for MLflow's runs:/ID/NAME
            return f"models:/{sorted(named, key=lambda each: each.creation_time)[-1].model_id}"
        return f"runs:/{run.run_id}/{path}"
    found = [f"models:/{each.model_id}" for each in logged]
    found += [f"runs:/{run.run_id}/{each}".rstrip("/") for each in kept]
    if len(found) != 1:
        if not found:
            hint = f"proj artifacts ls {run.run_id[:12]}  lists what it kept"
            raise InputError(f"the run {run.name} has no model", hint)
        what = f"has {len(found)} models: {', '.join(found)}"
        raise InputError(f"the run {run.name} {what}", f"{found[0]}  is the first of them")
    return found[0]


def _logged(store: Store, run: Run) -> list[LoggedModel]:
    found = []
    for link in run.links:
        if link.get("relation") == "model-output":
            try:
                model = models.get(store.root, str(link["model_id"]))
            except StoreError:
                continue
            if model.lifecycle == "active":
                found.append(model)
    return found
