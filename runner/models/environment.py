"""The environment in which a model is loaded: that of the training, where it is what the model asks for.

A model states top-level packages only (requirements.txt, and with it python_env.yaml or conda.yaml). The lock of the
run that made it names all of them. Where that lock has what the model requires, the environment is the training's own,
from the cache; otherwise the requirements are resolved, once for the same content. Either way the lock is recorded.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from runner import environments
from runner.environments import kinds
from runner.errors import InputError, ProjError
from runner.models.address import Located
from runner.models.mlmodel import Model
from runner.models.satisfies import unmet
from runner.running.recorded import Recorded, of
from runner.tracking.store import Store
from runner.values import Environment, EnvironmentOptions, EnvironmentSpec, Json, Report

__all__ = ["Choice", "prepare"]

LOCAL = ("local", "system", "none")
STATED = {
    "virtualenv": ("python_env.yaml", "requirements.txt", "conda.yaml"),
    "conda": ("conda.yaml", "python_env.yaml", "requirements.txt"),
}


class Choice(NamedTuple):
    """What a caller asks of it."""

    manager: str = ""  # local, virtualenv, conda; "": as the training's, or a virtualenv
    path: str = ""  # an existing environment
    refresh: bool = False  # resolve anew, whatever the training had
    offline: bool = False
    python: str = ""  # version instead of the model's
    allow_python_download: bool = False


def prepare(store: Store, found: Located, model: Model, choice: Choice, report: Report) -> Environment:
    """Ready, and in use by this process. Its `details["from"]`: the id of the run whose lock it is, or requirements.

    InputError for an environment that cannot be had by that name; EnvironmentFailure when it cannot be made.
    """
    options = EnvironmentOptions(
        offline=choice.offline,
        refresh=choice.refresh,
        python=choice.python,
        allow_python_download=choice.allow_python_download,
        env_path=choice.path,
        checkout=f"model:{model.digest}",  # its folder may be there for this run only
        fetched=True,  # a package in it does not follow its folder
    )
    if choice.manager in LOCAL or choice.path:
        return environments.prepare(EnvironmentSpec("system"), model.folder, options, report)
    training = None if choice.refresh else _training(store, found.run_id or model.run_id)
    kind = _kind(choice.manager, training)
    spec = EnvironmentSpec(kind, _file(kind, model))
    if training is not None:
        problem = _problem(training, kind, model, choice.python)
        if not problem:
            section = training.section("environment")
            kept = options._replace(kept_lock=training.lock, python=str(section.get("python", "")))
            return _from(environments.prepare(spec, model.folder, kept, report), training.run.run_id)
        report.note(f"the lock of the run {training.run.name} is not used: {problem}")
    return _from(environments.prepare(spec, model.folder, options, report), "requirements")


def _from(environment: Environment, whose: str) -> Environment:
    details: dict[str, Json] = {**environment.details, "from": whose}
    return environment._replace(details=details)


def _training(store: Store, run_id: str) -> Recorded | None:
    """The run that made the model, where this store has it with a lock."""
    if not run_id:
        return None
    try:
        recorded = of(store, store.read(run_id))
    except ProjError:  # of another store
        return None
    return recorded if recorded.lock else None


def _kind(manager: str, training: Recorded | None) -> str:
    if manager:
        named = kinds.named(manager)
        if named is None or named.NAMES[0] not in STATED:
            raise InputError(
                f"--env-manager {manager}: a model cannot be loaded in it",
                f"one of: local, {', '.join(STATED)}",
            )
        return named.NAMES[0]
    own = str(training.section("environment").get("kind", "")) if training else ""
    return own if own in STATED else "virtualenv"


def _file(kind: str, model: Model) -> str:
    for name in STATED[kind]:
        if os.path.isfile(os.path.join(model.folder, name)):
            return name
    raise InputError(
        f"{model.folder} does not say what the model needs: it has no {STATED[kind][0]} and no requirements.txt",
        "--env-manager local  loads it with the Python on PATH; --env PREFIX  with that environment",
    )


def _problem(training: Recorded, kind: str, model: Model, python: str) -> str:
    """Why the lock of the training is not used; "" when it is."""
    section = training.section("environment")
    if section.get("existing"):
        return "its environment was there before, and its packages have no hashes"
    if section.get("kind") != kind:
        return f"it is of the kind {section.get('kind')}"
    packages = kinds.maker(kind).packages(training.lock)
    if packages is None:
        return "it cannot be read"
    if local := [
        name for name, version in packages.items() if version == "local" or not version[:1].isdigit()
    ]:
        return f"{local[0]} in it is no release of a package"
    own = str(section.get("python", ""))
    asked = python or model.python
    if asked and own.split(".")[:2] != asked.split(".")[:2]:
        return f"it is for Python {own}, and the model for {asked}"
    return unmet(model.requirements, packages)
