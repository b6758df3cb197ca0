"""Reads, locks and builds Python environments, and packs their packages."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from runner.environments import building
from runner.environments.base import Specified
from runner.environments.python import (
    faults,
    interpreters,
    local,
    lockfile,
    locking,
    seed,
    specification,
    wheels,
)
from runner.environments.python.filling import download_python, fill
from runner.environments.python.fingerprint import fingerprint
from runner.environments.python.interpreters import Interpreter
from runner.environments.python.kind import installed
from runner.environments.python.plan import Plan, read_plan
from runner.environments.python.wanted import Wanted
from runner.errors import EnvironmentFailure, InputError
from runner.values import Environment, EnvironmentOptions, EnvironmentSpec, Json, Report

if TYPE_CHECKING:
    from runner.environments.python.kind import Facts

__all__ = ["build", "check", "collect", "lock", "outdated", "packages", "remove", "specify", "sweep"]

lock = locking.resolve
packages = lockfile.packages


def check(spec: EnvironmentSpec, directory: str) -> tuple[str, ...]:
    wanted = specification.read(spec.file, directory, EnvironmentOptions())
    if wanted.python and (wrong := faults.python_problem(wanted.python)):
        raise InputError(f"{wanted.where}: {wrong[0]}", wrong[1])
    return read_plan(wanted, spec.file or "environment", EnvironmentOptions()).warnings


def specify(spec: EnvironmentSpec, directory: str, options: EnvironmentOptions, report: Report) -> Specified:
    wanted = specification.read(spec.file, directory, options)
    interpreter, warning = _interpreter(wanted, options, report)
    found = read_plan(wanted, spec.file or "environment", options)
    packages = found.plan._replace(interpreter=interpreter.path, version=interpreter.version)
    content: list[Json] = [wanted.form, list[Json](wanted.arguments), found.parts, found.texts, found.indexes]
    identity: Json = {
        "python": [interpreter.path, interpreter.version, interpreter.implementation],
        "platform": _platform(),
        "local": packages.locals,
        "built": list[Json](packages.binary),
        "seed": seed.pip_version(interpreter.version),
    }
    details: dict[str, Json] = {"python": interpreter.version, "interpreter": interpreter.path}
    if spec.file:
        details["file"] = spec.file
    return Specified(
        content,
        identity,
        (*found.files, interpreter.path),
        packages,
        details=details,
        warnings=(*filter(None, [warning]), *found.warnings),
        varying=found.varying,
        followed=packages.followed,
    )


def _platform() -> list[Json]:
    """The cache may lie on a file system that different machines share."""
    libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else ""
    return [os.uname().sysname, os.uname().machine, libc]


def _interpreter(wanted: Wanted, options: EnvironmentOptions, report: Report) -> tuple[Interpreter, str]:
    asked, where = (options.python, "--python") if options.python else (wanted.python, wanted.where)
    try:
        return interpreters.choose(asked, where, strict=options.strict_python)
    except EnvironmentFailure:
        if not options.allow_python_download or options.offline:
            raise
    download_python(asked, report)
    return interpreters.choose(asked, where, strict=options.strict_python)


def outdated(lock: str) -> bool:  # noqa: ARG001
    return False


def build(
    plan: Plan, lock: str, prefix: str, handle: int, report: Report
) -> tuple[Facts, Mapping[str, Json]]:
    filled = fill(plan, lock, prefix, handle, report)
    site = _site(prefix)
    local.note(os.path.join(prefix, site), filled.local)
    names = installed(os.path.join(prefix, site))
    details: dict[str, Json] = {
        "packages": sum(name.endswith(".dist-info") for name in names),
        "fingerprint": fingerprint(os.path.join(prefix, site)),
    }
    if filled.seeded:
        details["seeded"] = filled.seeded
    if filled.local:
        details["local"] = local.told(filled.local)
    facts: Facts = {"python": plan.version, "interpreter": plan.interpreter, "site": site, "installed": names}
    return facts, details


def _site(prefix: str) -> str:
    sites = [os.path.join("lib", name, "site-packages") for name in os.listdir(os.path.join(prefix, "lib"))]
    return next(site for site in sites if os.path.isdir(os.path.join(prefix, site)))


def remove(prefix: str, facts: Facts) -> None:
    """Everything lies in the folder."""


def sweep() -> None:
    building.sweep("package-", "wheel-", "pylock.")


def collect(
    lock: str,
    spec: EnvironmentSpec,  # noqa: ARG001
    directory: str,
    folder: str,
    prepared: Callable[[], Environment],
    report: Report,
) -> tuple[str, ...]:
    made = prepared()
    # pip must run on the Python that the wheels are for
    code = wheels.Code(directory, lockfile.versions(made.details))
    collected = wheels.collect(lock, [made.activation.python, "-m", "pip"], code, folder, report)
    # with local packages, what pip can install at once is apart: it takes hashes of all, or of none
    texts = {"requirements.txt": collected.pinned}
    texts |= {"environment.lock": collected.lock} if collected.lock != collected.pinned else {}
    for name, text in texts.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    return collected.notes
