"""Reads, solves and builds conda environments, and packs their packages."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

from runner.environments import building
from runner.environments.base import Specified
from runner.environments.conda import bundle, channels, package_files, pip, program
from runner.environments.conda.kind import Facts, installed, sites
from runner.environments.conda.lock import named, parse, with_credentials, write
from runner.environments.conda.plan import Plan
from runner.environments.conda.prefix import activation, complete, python_version
from runner.environments.conda.spec import platform, read_file
from runner.environments.python import local, specification
from runner.environments.python.plan import read_plan
from runner.environments.python.wanted import Wanted
from runner.errors import EnvironmentFailure
from runner.text.credentials import redact
from runner.values import Environment, EnvironmentOptions, EnvironmentSpec, Json, Report

__all__ = ["build", "check", "collect", "lock", "outdated", "packages", "remove", "specify", "sweep"]

packages = named
PYTHON = re.compile(r"(?:\S+::)?python(?![\w.-])")


def check(spec: EnvironmentSpec, directory: str) -> tuple[str, ...]:
    specification.read(spec.file, directory, EnvironmentOptions())
    return read_file(spec.file, directory).warnings


def specify(spec: EnvironmentSpec, directory: str, options: EnvironmentOptions, report: Report) -> Specified:  # noqa: ARG001
    file, settings = read_file(spec.file, directory), channels.settings()
    lines = read_plan(Wanted(lines=file.pip, base=file.base), file.shown, options)
    specs = file.specs
    if options.python:
        others = (each for each in specs if not PYTHON.match(each))
        specs = (*others, f"python={options.python.lstrip('=')}")
    plan = Plan(file, settings, specs, lines.plan)
    content: Json = {
        "channels": [redact(each) for each in plan.addresses],
        "priority": settings.priority,
        "specs": list[Json](specs),
        "pip": [*lines.parts[1:], lines.indexes] if file.pip else None,
        "explicit": file.explicit,
    }
    identity: Json = {
        "platform": platform(),
        "local": lines.plan.locals,
        "variables": dict[str, Json](file.variables),
    }
    return Specified(
        content,
        identity,
        (file.path, *channels.files(), *(lines.files if file.pip else ())),
        plan,
        details={"file": spec.file},
        warnings=(*file.warnings, *lines.warnings),
        varying=lines.varying,
        followed=lines.plan.followed,
    )


def lock(plan: Plan, report: Report) -> str:
    if plan.file.explicit:
        return plan.file.explicit
    if own := program.find():
        solved = program.solve(own, plan, platform(), report)
    elif plan.specs:
        from runner.environments.conda import solving

        solved = solving.solve(plan, platform(), report)
    else:
        solved = []
    lines = pip.resolve(plan.pip, solved, report) if plan.pip.lines else ""
    return write(platform(), solved, lines)


def outdated(lock: str) -> bool:  # noqa: ARG001
    return False


def build(
    plan: Plan, lock: str, prefix: str, handle: int, report: Report
) -> tuple[Facts, Mapping[str, Json]]:
    locked = parse(lock, plan.shown)
    if locked.platform and locked.platform != platform():
        raise EnvironmentFailure(
            f"the lock of {plan.shown} is for {locked.platform}, and this is {platform()}",
            "proj run --refresh  solves it for this machine",
        )
    if folder := plan.pip.wheels:
        linked = package_files.at_hand(locked.packages, folder)
    else:
        linked = with_credentials(locked.packages, plan.addresses)
    if own := program.find():
        program.install(own, linked, prefix, plan.shown, handle, report)
    else:
        from runner.environments.conda import solving

        solving.install(linked, prefix, plan.settings, plan.shown, report)
        complete(prefix)
    os.makedirs(os.path.join(prefix, "conda-meta"), exist_ok=True)
    made = pip.fill(plan.pip, locked.pip, prefix, handle, report) if locked.pip else []
    for site in sites(prefix) if made else ():
        local.note(site, made)
    variables, folders, warnings = activation(prefix, plan.file.variables)
    for warning in warnings:
        report.warn(f"{plan.shown}: {warning}")
    version = python_version(prefix)
    details: dict[str, Json] = {"packages": len(linked) + len(locked.pip)}
    if version:
        details["python"] = version
    if made:
        details["local"] = local.told(made)
    facts: Facts = {
        "python": version,
        "variables": variables,
        "folders": folders,
        "installed": installed(prefix),
    }
    return facts, details


def remove(prefix: str, facts: Facts) -> None:
    """Everything lies in the folder; the packages' cache is shared."""


def sweep() -> None:
    building.sweep("conda-", "explicit-")


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
