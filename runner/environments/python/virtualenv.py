"""Python environments: locked with hashes, made and filled by uv, used by setting variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from runner.environments.base import Specified
from runner.values import Activation, EnvironmentOptions, EnvironmentSpec, Json, Report

__all__ = ["LOCK_NAME", "activate", "build", "lock", "problem", "remove", "specify"]

LOCK_NAME = "environment.lock"
BINARY = ("--no-binary", "--only-binary")  # whether a wheel or a build of our own is installed


def specify(spec: EnvironmentSpec, directory: str, options: EnvironmentOptions, report: Report) -> Specified:
    from runner.environments.python import indexes, requirements, seed, specification
    from runner.environments.python.wanted import text_of

    wanted = specification.read(spec.file, directory, options)
    interpreter, warning = _interpreter(wanted, options, report)
    where, settings = spec.file or "environment", indexes.settings()
    stated = (wanted.build, wanted.lines, [f"-c {path}" for path in settings.constraints])
    lasting = not options.checkout
    parts = [requirements.flatten(lines, wanted.base, where, editable=lasting) for lines in stated]
    local = [each for part in parts for each in part.local]
    plan = {
        "interpreter": interpreter.path,
        "version": interpreter.version,
        "form": wanted.form,
        "file": wanted.file,
        "base": wanted.base,
        "arguments": list(wanted.arguments),
        "build": list(parts[0].lines),
        "lines": list(parts[1].lines),
        "constraints": [path for part in parts for path in part.constraints],
        "local": [list(each) for each in local],
        "shown": where,
        "varying": any(part.varying for part in parts),
        "offline": options.offline,
        "wheels": options.wheels,
    }
    texts = [text_of(path) for path in wanted.content_files]
    content: list[Json] = [wanted.form, list[Json](wanted.arguments), [part.content for part in parts]]
    content += [list[Json](texts), settings.identity]
    identity: Json = {
        "python": [interpreter.path, interpreter.version, interpreter.implementation],
        "platform": _platform(),
        "local": [[each.text, each.digest or each.path] for each in local],
        "built": [line for part in parts for line in part.lines if line.startswith(BINARY)],
        "seed": seed.pip_version(interpreter.version),
    }
    details: dict[str, Json] = {"python": interpreter.version, "interpreter": interpreter.path}
    if spec.file:
        details["file"] = spec.file
    watched = [*wanted.files, *wanted.content_files, *indexes.files(), interpreter.path]
    watched += [file for part in parts for file in part.files]
    warnings = [warning, *wanted.warnings, *(note for part in parts for note in part.warnings)]
    return Specified(
        content, identity, tuple(dict.fromkeys(watched)), plan, details, tuple(filter(None, warnings))
    )


def _platform() -> list[Json]:
    """The cache may lie on a file system that different machines share."""
    if not hasattr(os, "uname"):
        return ["Windows"]
    libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else ""
    return [os.uname().sysname, os.uname().machine, libc]


def _interpreter(wanted: Any, options: EnvironmentOptions, report: Report) -> Any:
    from runner.environments.python import interpreters
    from runner.errors import EnvironmentFailure

    asked, where = options.python, "--python"
    if not asked:
        asked, where = wanted.python, wanted.where
    strict = options.strict_python
    try:
        return interpreters.choose(asked, where, strict=strict)
    except EnvironmentFailure:
        if not options.allow_python_download or options.offline:
            raise
    from runner.environments.python.filling import download_python

    download_python(asked, report)
    return interpreters.choose(asked, where, strict=strict)


def lock(specified: Specified, options: EnvironmentOptions, report: Report) -> str:
    from runner.environments.python.locking import resolve

    return resolve(specified.plan, options, report)


def build(specified: Specified, lock: str, prefix: str, handle: int, report: Report) -> Mapping[str, Json]:
    from runner.environments.python.filling import fill
    from runner.environments.python.fingerprint import fingerprint

    seeded = fill(specified.plan, lock, prefix, handle, report)
    site = _site(prefix)
    installed = _installed(os.path.join(prefix, site))
    details: dict[str, Json] = {
        "packages": sum(name.endswith(".dist-info") for name in installed),
        "fingerprint": fingerprint(os.path.join(prefix, site)),
    }
    return {
        "details": {**details, "seeded": seeded} if seeded else details,
        "python": specified.plan["version"],
        "interpreter": specified.plan["interpreter"],
        "site": site,
        "installed": list[Json](installed),
    }


def _site(prefix: str) -> str:
    library = os.path.join(prefix, "lib")
    for name in os.listdir(library) if os.path.isdir(library) else ():
        if name.startswith("python") and os.path.isdir(os.path.join(library, name, "site-packages")):
            return os.path.join("lib", name, "site-packages")
    return os.path.join("Lib", "site-packages")


def problem(prefix: str, facts: Mapping[str, Any]) -> str:
    if not os.path.exists(os.path.join(prefix, "bin", "python")):
        gone = "its folder" if not os.path.isdir(prefix) else f"its interpreter {facts['interpreter']}"
        return f"{gone} is not there any more"
    try:
        now = _installed(os.path.join(prefix, facts["site"]))
    except OSError:
        return "its packages are not there any more"
    if now != facts["installed"]:
        changed = sorted(set(now) ^ set(facts["installed"]))
        more = ", ..." if len(changed) > 5 else ""
        return f"its packages were changed by hand ({', '.join(changed[:5])}{more})"
    return ""


def _installed(site: str) -> list[str]:
    """Name and version of each distribution, and what runs at start: 15 us for ten packages."""
    return sorted(name for name in os.listdir(site) if name.endswith((".dist-info", ".pth", ".egg-link")))


def activate(prefix: str, facts: Mapping[str, Any], plan: Mapping[str, Any]) -> Activation:  # noqa: ARG001
    folder = os.path.join(prefix, "bin")
    variables = {
        "VIRTUAL_ENV": prefix,
        "PYTHONHOME": None,
        "PYTHONNOUSERSITE": "1",
        # uv compiles nothing: with it, importing a large package costs seconds in every run, for ever
        "PYTHONDONTWRITEBYTECODE": None,
    }
    return Activation("virtualenv", (folder,), variables, prefix, os.path.join(folder, "python"))


def remove(prefix: str, facts: Mapping[str, Json]) -> None:
    """Everything lies in the folder."""
