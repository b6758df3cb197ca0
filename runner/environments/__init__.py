"""What a command needs around it: chosen, resolved to a lock, built once, and described by an Activation."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

from runner.environments import cache
from runner.environments.choice import choose
from runner.errors import EnvironmentFailure
from runner.host import files, memo
from runner.typed import TYPE_CHECKING
from runner.values import Activation, Environment, EnvironmentOptions, EnvironmentSpec, Json, Report

if TYPE_CHECKING:
    from runner.environments.base import Kind, Use

    Known = tuple[
        str, Use, Mapping[str, Json], Sequence[str]
    ]  # key, and of Specified: use, details, warnings

__all__ = ["choose", "is_ready", "lock", "prepare"]

# Options that decide which environment it is; the others (offline, refresh) only how we come to it.
DECIDING = ("python", "groups", "extras", "strict_python", "docker_args", "build_image")

ISOLATED = ("PYTHON", "PIP_", "CONDA_", "GIT_")


def prepare(
    spec: EnvironmentSpec, directory: str, options: EnvironmentOptions, report: Report
) -> Environment:
    """The environment, ready and held in use by this process."""
    if spec.kind == "system" or options.env_path:
        from runner.environments import system

        environment = system.existing(options.env_path) if options.env_path else system.current(directory)
    else:
        environment = _kept(spec, directory, options, report)
    if not environment.activation.python and environment.activation.container is None:
        from runner.environments import system

        environment = system.with_python(environment, directory)
    if options.isolated:
        return environment._replace(activation=isolated(environment.activation))
    return environment


def is_ready(spec: EnvironmentSpec, directory: str, options: EnvironmentOptions) -> bool:
    """Whether `prepare` has nothing to resolve and nothing to build."""
    if spec.kind == "system" or options.env_path:
        return True
    known = memo.recall("prepared", _subject(spec, directory, options))
    return bool(known and not options.refresh and cache.look(known[0]))


def _kept(spec: EnvironmentSpec, directory: str, options: EnvironmentOptions, report: Report) -> Environment:
    """From the cache, where it is remembered; else read, resolved and, if need be, built."""
    from runner.environments import kinds

    kind = kinds.load(spec.kind)
    subject = _subject(spec, directory, options)
    if not options.refresh and not options.kept_lock:
        known = memo.recall("prepared", subject)
        found = cache.look(known[0]) if known else None
        if found:
            if not kind.problem(found.prefix, found.facts):
                return _environment(kind, found, known, report)
            cache.release(found.key)
    try:
        return _made(spec, kind, subject, directory, options, report)
    except OSError as error:
        raise EnvironmentFailure(
            f"the environment cannot be made: {error}",
            "proj env gc  makes room; PROJ_CACHE names another folder",
        ) from error


def _made(
    spec: EnvironmentSpec,
    kind: Kind,
    subject: str,
    directory: str,
    options: EnvironmentOptions,
    report: Report,
) -> Environment:
    from runner.environments import building, kinds
    from runner.environments.resolving import resolve

    began = files.now()
    maker = kinds.maker(spec.kind)
    specified, text = resolve(spec, maker, directory, options, report)
    found = building.ensure(kind, maker, specified, text, report)
    known = (found.key, specified.use, specified.details, specified.warnings)
    if not options.kept_lock and not specified.varying:
        watched = specified.files
        if options.checkout:  # what is in the folder is named by the checkout
            watched = tuple(path for path in watched if not path.startswith(os.path.join(directory, "")))
        memo.keep("prepared", subject, watched, _without_credentials(known), began)
    return _environment(kind, found, known, report)


def lock(spec: EnvironmentSpec, directory: str, options: EnvironmentOptions, report: Report) -> str:
    """Only the text of the lock, nothing is built; "" for the system's environment."""
    if spec.kind == "system":
        return ""
    from runner.environments import kinds
    from runner.environments.resolving import resolve

    return resolve(spec, kinds.maker(spec.kind), directory, options, report)[1]


def _without_credentials(known: object) -> Json:
    from runner.text.credentials import redact

    plain: Json = json.loads(redact(json.dumps(known)))
    return plain


def _environment(kind: Kind, found: cache.Found, known: Known, report: Report) -> Environment:
    _, use, specified, warnings = known
    for warning in warnings:
        report.warn(warning)
    details: dict[str, Json] = {**found.details, **specified}
    if all_warnings := [*warnings, *([found.problem] if found.problem else [])]:
        details["warnings"] = list[Json](all_warnings)
    activation = kind.activate(found.prefix, found.facts, use)
    return Environment(activation, found.key, cache.lock_text(found.key), kind.LOCK_NAME, details)


def isolated(activation: Activation) -> Activation:
    """Without what the caller's shell says to Python, pip, conda and git; what the environment sets stays."""
    cleared: dict[str, str | None] = {name: None for name in os.environ if name.startswith(ISOLATED)}
    return activation._replace(variables={**cleared, "PYTHONNOUSERSITE": "1", **activation.variables})


def _subject(spec: EnvironmentSpec, directory: str, options: EnvironmentOptions) -> str:
    from runner.environments.python.indexes import stated

    chosen = {name: value for name in DECIDING if (value := getattr(options, name))}
    code = options.checkout or directory
    seen = [options.fetched, options.moved[1], dict(options.versions)]
    return json.dumps([spec, code, seen, chosen, stated(), os.environ.get("PATH", "")], default=dict)
