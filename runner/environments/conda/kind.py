"""conda environments, solved and installed without conda; locked to addresses with hashes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from runner.environments.base import Specified
from runner.text.credentials import redact
from runner.values import Activation, EnvironmentSpec, Json, Report

__all__ = ["LOCK_NAME", "activate", "build", "lock", "problem", "remove", "specify"]

LOCK_NAME = "conda.lock"


def specify(spec: EnvironmentSpec, directory: str, options: Mapping[str, Any], report: Report) -> Specified:  # noqa: ARG001
    from runner.environments.conda import channels as conda_channels
    from runner.environments.conda import spec as conda_spec
    from runner.environments.python import indexes, requirements

    wanted = conda_spec.read(spec.file, directory)
    settings = conda_channels.settings()
    pip = requirements.flatten(wanted.pip, wanted.base, wanted.shown)
    limits = requirements.flatten(
        (f"-c {path}" for path in indexes.settings().constraints if wanted.pip), wanted.base, wanted.shown
    )
    specs = list(wanted.specs)
    if asked := options.get("python"):
        specs = [each for each in specs if not _is_python(each)] + [f"python={str(asked).lstrip('=')}"]
    content: Json = {
        "channels": [redact(each) for each in conda_channels.addresses(wanted, settings)],
        "priority": settings.priority,
        "specs": list[Json](specs),
        "pip": [pip.content, limits.content, indexes.settings().identity] if wanted.pip else None,
        "explicit": wanted.explicit,
    }
    identity: Json = {
        "platform": conda_spec.platform(),
        "local": [[each.text, each.digest or each.path] for each in pip.local],
        "variables": dict(wanted.variables),
    }
    plan: dict[str, Any] = {
        "file": spec.file,
        "directory": directory,
        "specs": specs,
        "variables": dict(wanted.variables),
        "base": wanted.base,
        "build": [],
        "lines": list(pip.lines),
        "constraints": [*pip.constraints, *limits.constraints],
        "local": [list(each) for each in pip.local],
        "shown": wanted.shown,
        "offline": bool(options.get("offline")),
        "wheels": str(options.get("wheels") or ""),
        "varying": pip.varying or limits.varying,
    }
    watched = (wanted.path, *conda_channels.files(), *pip.files, *(indexes.files() if wanted.pip else ()))
    return Specified(
        content,
        identity,
        tuple(dict.fromkeys(watched)),
        plan,
        {"file": spec.file},
        (*wanted.warnings, *pip.warnings),
    )


def _is_python(spec: str) -> bool:
    import re

    return re.match(r"(?:\S+::)?python(?![\w.-])", spec) is not None


def _read(plan: Mapping[str, Any]) -> tuple[Any, Any]:
    """File and configuration once more: the plan, which is kept on disk, must not hold their credentials."""
    from runner.environments.conda import channels as conda_channels
    from runner.environments.conda import spec as conda_spec

    return conda_spec.read(plan["file"], plan["directory"]), conda_channels.settings()


def lock(specified: Specified, options: Mapping[str, Any], report: Report) -> str:
    from runner.environments.conda import channels as conda_channels
    from runner.environments.conda import lock as conda_lock
    from runner.environments.conda import pip as conda_pip
    from runner.environments.conda import program as conda_program
    from runner.environments.conda import solving
    from runner.environments.conda import spec as conda_spec

    plan = specified.plan
    wanted, settings = _read(plan)
    if wanted.explicit:
        return str(wanted.explicit)
    platform = conda_spec.platform()
    channels = conda_channels.addresses(wanted, settings)
    specs = []
    for spec in plan["specs"]:
        channel, separator, rest = spec.partition("::")
        specs.append(f"{settings.address(channel, wanted.base)[0]}::{rest}" if separator else spec)
    if program := conda_program.find():
        stated = conda_program.channels(wanted)
        packages = conda_program.solve(program, plan["specs"], stated, platform, plan, report)
    elif specs:
        packages = solving.solve(
            specs, channels, platform, settings, offline=plan["offline"], shown=plan["shown"], report=report
        )
    else:
        packages = []
    pip = conda_pip.resolve(plan, packages, options, report) if plan["lines"] else ""
    return conda_lock.write(platform, packages, pip)


def build(specified: Specified, lock: str, prefix: str, handle: int, report: Report) -> Mapping[str, Json]:
    from runner.environments.conda import channels as conda_channels
    from runner.environments.conda import files, solving
    from runner.environments.conda import lock as conda_lock
    from runner.environments.conda import pip as conda_pip
    from runner.environments.conda import prefix as conda_prefix
    from runner.environments.conda import program as conda_program
    from runner.environments.conda import spec as conda_spec
    from runner.errors import EnvironmentFailure

    plan = specified.plan
    wanted, settings = _read(plan)
    locked = conda_lock.parse(lock, plan["shown"])
    if locked.platform and locked.platform != conda_spec.platform():
        raise EnvironmentFailure(
            f"the lock of {plan['shown']} is for {locked.platform}, and this is {conda_spec.platform()}",
            "proj run --refresh  solves it for this machine",
        )
    if folder := plan["wheels"]:
        packages = files.at_hand(locked.packages, folder)
    else:
        packages = conda_lock.with_credentials(locked.packages, conda_channels.addresses(wanted, settings))
    if program := conda_program.find():
        conda_program.install(program, packages, prefix, plan, report, handle)
    else:
        solving.install(packages, prefix, settings, plan["shown"], report)
        conda_prefix.complete(prefix)
    os.makedirs(os.path.join(prefix, "conda-meta"), exist_ok=True)
    if locked.pip:
        conda_pip.fill(plan, locked.pip, prefix, handle, report)
    variables, folders, warnings = conda_prefix.activation(prefix, plan["variables"])
    for warning in warnings:
        report.warn(f"{plan['shown']}: {warning}")
    version = conda_prefix.python_version(prefix)
    details: dict[str, Json] = {"packages": len(packages) + len(locked.pip)}
    if version:
        details["python"] = version
    return {
        "python": version,
        "variables": dict(variables),
        "folders": list(folders),
        "installed": list[Json](conda_prefix.installed(prefix)),
        "details": details,
    }


def problem(prefix: str, facts: Mapping[str, Any]) -> str:
    from runner.environments.conda import prefix as conda_prefix

    if facts["python"] and not os.path.exists(os.path.join(prefix, "bin", "python")):
        return "its interpreter is not there any more"
    try:
        now = conda_prefix.installed(prefix)
    except OSError:
        return "its folder is not there any more"
    if now != facts["installed"]:
        changed = sorted(set(now) ^ set(facts["installed"]))
        more = ", ..." if len(changed) > 5 else ""
        return f"its packages were changed by hand ({', '.join(changed[:5])}{more})"
    return ""


def activate(prefix: str, facts: Mapping[str, Any], plan: Mapping[str, Any]) -> Activation:  # noqa: ARG001
    variables = {
        "CONDA_PREFIX": prefix,
        "CONDA_DEFAULT_ENV": prefix,
        "CONDA_SHLVL": "1",
        "PYTHONHOME": None,
        "PYTHONNOUSERSITE": "1",
        "VIRTUAL_ENV": None,
        **facts["variables"],
    }
    folders = (*facts["folders"], os.path.join(prefix, "bin"))
    python = os.path.join(prefix, "bin", "python") if facts["python"] else ""
    return Activation("conda", tuple(folders), variables, prefix, python)


def remove(prefix: str, facts: Mapping[str, Json]) -> None:
    """Everything lies in the folder; the packages' cache is shared."""
