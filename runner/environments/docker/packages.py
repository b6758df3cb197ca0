"""Python packages inside an image: resolved for the Python that it has, and installed by that Python."""

from __future__ import annotations

import json
import os
import re
from hashlib import sha256
from typing import NamedTuple

from runner import paths
from runner.containers import engine
from runner.environments.python import locking, specification
from runner.environments.python.interpreters import matches, normalized
from runner.environments.python.plan import Plan, read_plan
from runner.errors import EnvironmentFailure, InputError
from runner.host import files, memo, process
from runner.values import EnvironmentOptions, Json, Report

__all__ = ["Locked", "Packages", "Python", "lock", "python_of", "read"]

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

    plan: Plan
    python: str  # as asked for: 3.11, >=3.10, "" for any
    where: str  # what asks for that Python
    strict: bool  # no other patch version
    content: Json  # all that decides what is installed, without credentials
    files: tuple[str, ...]  # absolute: read, or looked for in vain
    warnings: tuple[str, ...]
    varying: bool  # see Specified


class Python(NamedTuple):
    """The one of an image."""

    version: str
    machine: str
    libc: str  # glibc; "" for others
    libc_version: str
    path: str


class Locked(NamedTuple):
    requirements: str  # the text of a lock
    python: str  # version
    warning: str = ""


def read(file: str, directory: str, options: EnvironmentOptions) -> Packages:
    """`file` is what python_env of an MLproject may name, relative to the project."""
    wanted = specification.read(file, directory, options)
    # the project itself is mounted: an image with it inside would be built at each change of the code
    itself = ["--no-emit-project"] if wanted.form == "uv.lock" and "-e ." in wanted.lines else []
    lines = tuple(line for line in wanted.lines if line != "-e .")
    wanted = wanted._replace(lines=lines, local=(), arguments=(*wanted.arguments, *itself))
    found = read_plan(wanted, file, options, editable=False)
    local: list[Json] = [[each.text, each.digest] for each in found.plan.local]
    content: Json = [
        *(wanted.form, wanted.python, list[Json](wanted.arguments)),
        *(found.parts, found.texts, found.indexes, local),
    ]
    strict = options.strict_python
    asked = (wanted.python, wanted.where, strict)
    return Packages(found.plan, *asked, content, found.files, found.warnings, found.varying)


def python_of(image: str, shown: str) -> Python:
    """The Python of an image (an id)."""
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
    return Python(**{name: str(value) for name, value in known.items()})


def _check(packages: Packages, have: str, shown: str) -> str:
    """A warning when the image has another patch version than asked for; an error for another Python."""
    wanted = normalized(packages.python, packages.where)
    if not wanted or matches(have, wanted):
        return ""
    exact = re.fullmatch(r"(?:==)?(\d+\.\d+)\.\d+", wanted)
    if exact and matches(have, exact[1]) and not packages.strict:
        return f"{packages.where} asks for Python {wanted}; the image {shown} has {have}"
    raise InputError(
        f"{packages.where} asks for Python {wanted}, and the image {shown} has {have}",
        "use an image with that Python, or change `python`",
    )


def _resolve(plan: Plan, python: Python, report: Report) -> str:
    """The lock: pinned, with hashes, for the Python and the platform of the image."""
    if plan.form in ("requirements", "pyproject"):
        target = ("--python-version", python.version, *_platform(python))
        plan = plan._replace(arguments=(*plan.arguments, *target))
    return locking.resolve(plan, report)


def _platform(python: Python) -> list[str]:
    machine = MACHINES.get(python.machine.lower())
    if not machine:
        return []
    if python.libc != "glibc":
        return ["--python-platform", f"{machine}-unknown-linux-musl"]
    minor = int(python.libc_version.split(".")[1])
    fitting = [each for each in GLIBC if each <= minor]
    return ["--python-platform", f"{machine}-manylinux_2_{max(fitting)}"] if fitting else []


def lock(packages: Packages, base: str, shown: str, report: Report) -> Locked:
    """For the image `base` (an id): kept, or resolved now."""
    python = python_of(base, shown)
    if warning := _check(packages, python.version, shown):
        report.warn(warning)
    path = _kept(packages.content, python)
    if not packages.plan.refresh and os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            return Locked(file.read(), python.version, warning)
    text = _resolve(packages.plan, python, report)
    files.write(path, text)
    return Locked(text, python.version, warning)


def _kept(content: Json, python: Python) -> str:
    """Where the lock of these packages is kept: another image with the same Python gets the same versions."""
    parts = json.dumps(["image", content, python._asdict()], sort_keys=True)
    name = sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return paths.cache("locks", f"{name}.image")
