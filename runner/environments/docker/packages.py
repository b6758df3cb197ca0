"""Python packages inside an image: resolved for the Python that it has, and installed by that Python."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from runner import paths
from runner.containers import engine
from runner.errors import EnvironmentFailure, InputError
from runner.host import files, memo, process
from runner.values import Json, Report

__all__ = ["Packages", "check", "python_of", "read", "resolve"]

# what decides which wheels fit; also printed by a Python 2, to be refused with its version
PROBE = """
import json, platform, sys
libc = platform.libc_ver()
print(json.dumps({"version": platform.python_version(), "machine": platform.machine(), "libc": libc[0],
"libc_version": libc[1], "path": sys.executable}))
"""
ASK = 'for name in python3 python; do found=$(command -v $name) && exec "$found" -c "$0"; done; exit 127'
GLIBC = (17, 28, *range(31, 41))  # minor versions that uv knows as manylinux_2_*
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


class Packages(NamedTuple):
    """A specification of packages for an image."""

    content: Json  # all that decides what is installed, without credentials
    files: tuple[str, ...]  # absolute: read, or looked for in vain
    plan: Mapping[str, Any]  # for resolve() and for docker_install
    warnings: tuple[str, ...]
    varying: bool  # see requirements.Flat


def read(file: str, directory: str, options: Mapping[str, Any]) -> Packages:
    """`file` is what python_env of an MLproject may name, relative to the project."""
    from runner.environments.python import indexes, requirements, specification
    from runner.environments.python.wanted import text_of

    wanted = specification.read(file, directory, options)
    settings = indexes.settings()
    # the project itself is mounted: an image with it inside would be built at each change of the code
    lines = tuple(line for line in wanted.lines if line != "-e .")
    stated = (wanted.build, lines, [f"-c {path}" for path in settings.constraints])
    parts = [requirements.flatten(each, wanted.base, file, editable=False) for each in stated]
    local = [each for part in parts for each in part.local]
    plan = {
        "python": wanted.python,
        "where": wanted.where,
        "interpreter": sys.executable,
        "form": wanted.form,
        "file": wanted.file,
        "base": wanted.base,
        "arguments": list(wanted.arguments),
        "build": list(parts[0].lines),
        "lines": list(parts[1].lines),
        "constraints": [path for part in parts for path in part.constraints],
        "local": [list(each) for each in local],
        "shown": file,
        "strict": bool(options.get("strict_python")),
        "offline": bool(options.get("offline")),
        "wheels": str(options.get("wheels") or ""),
    }
    texts = [text_of(path) for path in wanted.content_files]
    content: list[Json] = [wanted.form, wanted.python, list[Json](wanted.arguments)]
    content += [[part.content for part in parts], list[Json](texts), settings.identity]
    content.append([[each.text, each.digest] for each in local])
    varying = any(part.varying for part in parts)
    files = [*wanted.files, *wanted.content_files, *indexes.files()]
    files += [path for part in parts for path in part.files]
    warnings = [*wanted.warnings, *(note for part in parts for note in part.warnings)]
    return Packages(content, tuple(dict.fromkeys(files)), plan, tuple(warnings), varying)


def python_of(image: str, shown: str) -> dict[str, str]:
    """The Python of an image (an id): version, machine, libc, libc_version, path."""
    known = memo.recall("image-python", image)
    if known is None:
        words = [engine.program(), "run", "--rm", "--network", "none", "--entrypoint", "/bin/sh"]
        done = process.run([*words, image, "-c", ASK, PROBE], timeout=120)
        if done.code:
            said = "" if done.code == 127 else f": {done.err.strip()[-300:]}"
            raise EnvironmentFailure(
                f"the image {shown} has no Python to install packages for{said}",
                "docker_env: {image: python:3.12-slim, python_env: ...}",
            )
        known = json.loads(done.out.strip().splitlines()[-1])
        memo.keep("image-python", image, [], known, files.now())
    return {str(name): str(value) for name, value in known.items()}


def check(plan: Mapping[str, Any], python: Mapping[str, str], shown: str) -> str:
    """A warning when the image has another patch version than asked for; an error for another Python."""
    from runner.environments.python.interpreters import matches, normalized

    wanted, have = normalized(str(plan["python"]), plan["where"]), python["version"]
    if not wanted or matches(have, wanted):
        return ""
    exact = re.fullmatch(r"(?:==)?(\d+\.\d+)\.\d+", wanted)
    if exact and matches(have, exact[1]) and not plan["strict"]:
        return f"{plan['where']} asks for Python {wanted}; the image {shown} has {have}"
    raise InputError(
        f"{plan['where']} asks for Python {wanted}, and the image {shown} has {have}",
        "use an image with that Python, or change `python`",
    )


def resolve(
    plan: Mapping[str, Any], python: Mapping[str, str], options: Mapping[str, Any], report: Report
) -> str:
    """The lock: pinned, with hashes, for the Python and the platform of the image."""
    from runner.environments.python import locking

    arguments = list(plan["arguments"])
    if plan["form"] in ("requirements", "pyproject"):
        arguments += ["--python-version", python["version"], *_platform(python)]
    return locking.resolve({**plan, "arguments": arguments}, options, report)


def _platform(python: Mapping[str, str]) -> list[str]:
    machine = MACHINES.get(python["machine"].lower())
    if not machine:
        return []
    if python["libc"] != "glibc":
        return ["--python-platform", f"{machine}-unknown-linux-musl"]
    minor = int(python["libc_version"].split(".")[1])
    fitting = [each for each in GLIBC if each <= minor]
    return ["--python-platform", f"{machine}-manylinux_2_{max(fitting)}"] if fitting else []


def lock(
    packages: Mapping[str, Any], base: str, shown: str, options: Mapping[str, Any], report: Report
) -> dict[str, str]:
    """For the image `base` (an id): `requirements` (kept, or resolved), `python` (version), perhaps a `warning`."""
    python = python_of(base, shown)
    found = {"python": python["version"]}
    if warning := check(packages["plan"], python, shown):
        report.warn(warning)
        found["warning"] = warning
    path = _kept(packages["content"], python)
    if not options.get("refresh"):
        try:
            with open(path, encoding="utf-8") as file:
                return {**found, "requirements": file.read()}
        except FileNotFoundError:
            pass
    text = resolve(packages["plan"], python, options, report)
    files.write(path, text)
    return {**found, "requirements": text}


def _kept(content: Json, python: Mapping[str, str]) -> str:
    """Where the lock of these packages is kept: another image with the same Python gets the same versions."""
    from hashlib import sha256

    parts = json.dumps(["image", content, python], sort_keys=True)
    name = sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return paths.cache("locks", f"{name}.image")
