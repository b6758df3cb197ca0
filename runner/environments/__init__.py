"""What a command needs around it: chosen, resolved to a lock, made once, and told as data (an Activation)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from runner.environments import cache
from runner.environments.choice import choose
from runner.errors import EnvironmentFailure
from runner.host import files, memo
from runner.values import Activation, Environment, EnvironmentSpec, Json, Report

__all__ = ["KINDS", "choose", "lock", "prepare"]

# name -> module with the names of base.Kind, imported when it is needed; `system` is found, not made
KINDS = {
    "virtualenv": "runner.environments.python.virtualenv",
    "conda": "runner.environments.conda.kind",
    "docker": "runner.environments.docker.kind",
}

# Options that decide which environment it is; the others (offline, refresh) only how we come to it.
DECIDING = ("python", "groups", "extras", "strict_python", "docker_args", "build_image")

ISOLATED = ("PYTHON", "PIP_", "CONDA_", "GIT_")


def load(kind: str) -> Any:
    from importlib import import_module

    return import_module(KINDS[kind])


def prepare(spec: EnvironmentSpec, directory: str, options: Mapping[str, Any], report: Report) -> Environment:
    """The environment, ready and held in use by this process.

    Options: python (instead of the specification's), groups, extras, strict_python, allow_python_download,
    refresh (resolve anew), offline, isolated, kept_lock (text: build exactly this), wheels (folder: the lock's
    packages are taken from there and nowhere else), env_path (an existing
    virtualenv or conda prefix), checkout (what names the code, when `directory` is a folder for this run only).
    """
    if spec.kind == "system" or options.get("env_path"):
        from runner.environments import system

        prepared = system.prepare(spec, directory, options, report)
        return (
            prepared._replace(activation=isolated(prepared.activation))
            if options.get("isolated")
            else prepared
        )
    kind = load(spec.kind)
    subject = _subject(spec, directory, options)
    if not options.get("refresh") and not options.get("kept_lock"):
        known = memo.recall("environment", subject)
        found = known and cache.look(known["key"])
        if found:
            if not kind.problem(found.prefix, found.facts):
                return _environment(kind, found, known, options, report)
            cache.release(found.key)
    try:
        return _made(spec, kind, subject, directory, options, report)
    except OSError as error:
        raise EnvironmentFailure(
            f"the environment cannot be made: {error}",
            "proj env gc  makes room; PROJ_CACHE names another folder",
        ) from error


def _made(
    spec: EnvironmentSpec, kind: Any, subject: str, directory: str, options: Mapping[str, Any], report: Report
) -> Environment:
    from runner.environments import building
    from runner.environments.resolving import resolve

    began = files.now()
    specified, text = resolve(spec, kind, directory, options, report)
    found = building.ensure(spec.kind, kind, specified, text, report)
    known = {
        "key": found.key,
        "plan": specified.plan,
        "details": specified.details,
        "warnings": specified.warnings,
    }
    # what variables mean in a specification is looked up each time
    if not options.get("kept_lock") and not specified.plan.get("varying"):
        watched = specified.files
        if options.get("checkout"):  # what is in the folder is named by the checkout
            watched = tuple(path for path in watched if not path.startswith(os.path.join(directory, "")))
        memo.keep("environment", subject, watched, _without_credentials(known), began)
    return _environment(kind, found, known, options, report)


def lock(spec: EnvironmentSpec, directory: str, options: Mapping[str, Any], report: Report) -> str:
    """Only the text of the lock, nothing is built; "" for the system's environment."""
    if spec.kind == "system":
        return ""
    from runner.environments.resolving import resolve

    return resolve(spec, load(spec.kind), directory, options, report)[1]


def _without_credentials(known: Mapping[str, Any]) -> Any:
    import json

    from runner.text.credentials import redact

    return json.loads(redact(json.dumps(known)))


def _environment(
    kind: Any, found: cache.Found, known: Mapping[str, Any], options: Mapping[str, Any], report: Report
) -> Environment:
    for warning in known["warnings"]:
        report.warn(warning)
    details: dict[str, Json] = {**found.details, **known["details"]}
    if warnings := [*known["warnings"], *([found.problem] if found.problem else [])]:
        details["warnings"] = warnings
    activation = kind.activate(found.prefix, found.facts, known["plan"])
    if options.get("isolated"):
        activation = isolated(activation)
    return Environment(activation, found.key, cache.lock_text(found.key), kind.LOCK_NAME, details)


def isolated(activation: Activation) -> Activation:
    """Without what the caller's shell says to Python, pip, conda and git; what the environment sets stays."""
    cleared: dict[str, str | None] = {name: None for name in os.environ if name.startswith(ISOLATED)}
    return activation._replace(variables={**cleared, "PYTHONNOUSERSITE": "1", **activation.variables})


def _subject(spec: EnvironmentSpec, directory: str, options: Mapping[str, Any]) -> str:
    import json

    from runner.environments.python.indexes import stated

    chosen = {name: options[name] for name in DECIDING if options.get(name)}
    code = options.get("checkout") or directory
    return json.dumps([spec, code, chosen, stated(), os.environ.get("PATH", "")], default=dict)
