"""Reads a pixi.lock and the manifest beside it; what the lock names is installed as for conda."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from runner.environments.base import Specified
from runner.environments.conda import bundle, channels, making
from runner.environments.conda.lock import write
from runner.environments.conda.plan import Plan
from runner.environments.conda.spec import CondaFile, platform
from runner.environments.python.plan import read_plan
from runner.environments.python.wanted import Table, Wanted, parse_toml, text_of
from runner.errors import InputError
from runner.text.credentials import redact
from runner.text.names import canonical
from runner.values import Environment, EnvironmentOptions, EnvironmentSpec, Json, Report

MANIFESTS = ("pixi.toml", "pyproject.toml")

lock = making.lock
outdated = making.outdated
build = making.build
remove = making.remove
sweep = making.sweep
packages = making.packages


def check(spec: EnvironmentSpec, directory: str) -> tuple[str, ...]:
    manifest, tables = _tables(os.path.dirname(os.path.join(directory, spec.file)))
    return tuple(_variables(tables, manifest)[1])


def specify(spec: EnvironmentSpec, directory: str, options: EnvironmentOptions, report: Report) -> Specified:  # noqa: ARG001
    path = os.path.normpath(os.path.join(directory, spec.file))
    if not os.path.isfile(path):
        raise InputError(f"there is no {spec.file} in {directory}", "pixi lock")
    from runner.environments.pixi import lockfile  # rattler

    folder, name = os.path.dirname(path), platform()
    locked = lockfile.read(path, spec.file, name)
    manifest, tables = _tables(folder)
    known = {canonical(each) for each in locked.names}
    missing = [each for each in _dependencies(tables, name) if canonical(each) not in known]
    if missing and not options.kept_lock:
        raise InputError(
            f"{spec.file} does not fit {manifest} any more: no {', '.join(missing)}", "pixi lock"
        )
    variables, warnings = _variables(tables, manifest)
    wanted = Wanted(lines=locked.lines, base=folder)
    pip = read_plan(wanted, spec.file, options)
    text = write(name, locked.conda, redact("\n".join(pip.plan.lines)))
    file = CondaFile(path, spec.file, locked.channels, variables=variables, explicit=text)
    identity: Json = {
        "platform": name,
        "local": pip.plan.locals,
        "variables": dict[str, Json](variables),
    }
    return Specified(
        {"explicit": text},
        identity,
        (path, *(os.path.join(folder, each) for each in MANIFESTS), *channels.files(), *pip.files),
        Plan(file, channels.settings(), (), pip.plan),
        details={"file": spec.file},
        warnings=(*warnings, *pip.warnings),
        varying=pip.varying,
        followed=pip.plan.followed,
    )


def collect(
    lock: str,
    spec: EnvironmentSpec,
    directory: str,
    folder: str,
    prepared: Callable[[], Environment],
    report: Report,
) -> tuple[str, ...]:
    plan = specify(spec, directory, EnvironmentOptions(), report).plan
    return bundle.collect(lock, plan, folder, prepared, report)


# ---- the manifest: what a lock does not say ----------------------------------------------------------------


def _tables(folder: str) -> tuple[str, list[Table]]:
    """The manifest's name, and its tables for the environment `default`: its own, and those of its features."""
    for name in MANIFESTS:
        path = os.path.join(folder, name)
        stated: Table = parse_toml(text_of(path), name) if os.path.isfile(path) else {}
        if name == "pyproject.toml":
            stated = stated.get("tool", {}).get("pixi", {})
        if stated:
            default = stated.get("environments", {}).get("default", {})
            default = default if isinstance(default, dict) else {"features": default}
            features = [stated.get("feature", {}).get(each, {}) for each in default.get("features", ())]
            return name, [*([] if default.get("no-default-feature") else [stated]), *features]
    return "", []


def _dependencies(tables: list[Table], platform: str) -> Iterator[str]:
    """Names of conda packages that are asked for, for any machine or for this one."""
    for table in tables:
        targets = [
            table.get("target", {}).get(each, {}) for each in (platform, platform.split("-")[0], "unix")
        ]
        for each in (table, *targets):
            yield from each.get("dependencies", {})


def _variables(tables: list[Table], manifest: str) -> tuple[dict[str, str], list[str]]:
    """Those of [activation.env], and warnings of what is left out."""
    found: dict[str, str] = {}
    warnings = []
    for activation in (table.get("activation", {}) for table in tables):
        if activation.get("scripts"):
            warnings.append(f"{manifest}: [activation] scripts are not run: proj sets variables as data")
        found |= {str(name): str(value) for name, value in activation.get("env", {}).items()}
    for name in [name for name, value in found.items() if "$" in value]:
        warnings.append(
            f"{manifest}: [activation.env] {name} is left out: only pixi knows what $ means in it"
        )
        del found[name]
    return found, warnings
