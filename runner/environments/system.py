"""Environments that are there already: the caller's own, or a prefix named by --env. Found, not made."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

from runner import paths
from runner.errors import InputError
from runner.host import files, process
from runner.host.files import stamp
from runner.parameters import shell
from runner.values import Activation, Environment, Json

__all__ = ["current", "editable", "existing", "loose", "packages", "with_python"]

NAMES = ("python", "python3")  # by which commands call it


def current(directory: str) -> Environment:
    """The one that `proj` was called in. Without any Python on PATH, a command gets the one that runs `proj`."""
    python = _python(directory) or _base()
    activation = Activation("system", _lacking(python), prefix=_prefix(python), python=python)
    return Environment(activation, details={"interpreter": python})


def with_python(environment: Environment, directory: str) -> Environment:
    """An environment that has no Python, as one of R: a command that calls one gets the caller's."""
    activation = environment.activation
    folders = (*activation.path, *_lacking(_python(directory) or _base(), activation.path))
    return environment._replace(activation=activation._replace(path=folders))


def _lacking(python: str, path: tuple[str, ...] = ()) -> tuple[str, ...]:
    """A folder with the names of Python that are not on PATH, if there are any."""
    places = os.pathsep.join((*path, os.environ.get("PATH", os.defpath)))
    names = [name for name in NAMES if not process.find(name, places)]
    return (_named(python, names),) if names else ()


def _base() -> str:
    """Outside of proj's own virtual environment, whose packages are not the project's."""
    from runner.environments.python import interpreters

    return interpreters.own().path


def _named(python: str, names: list[str]) -> str:
    """A folder with the interpreter under these names: Debian and Ubuntu have a python3 only."""
    import hashlib

    folder = paths.cache("programs", hashlib.sha256(os.fsencode(python)).hexdigest()[:16])
    for name in names:
        path = os.path.join(folder, name)
        if not os.access(path, os.X_OK):
            with files.Draft(path) as draft, open(draft, "xb") as file:
                # no link: a virtual environment is found by the path that is called
                file.write(os.fsencode(f'#!/bin/sh\nexec {shell.quote(python)} "$@"\n'))
                os.fchmod(file.fileno(), 0o755)
    return folder


def existing(path: str) -> Environment:
    """A virtual environment or a conda prefix that somebody else made."""
    prefix = os.path.abspath(os.path.expanduser(path))
    python = os.path.join(prefix, "bin", "python")
    conda = os.path.isdir(os.path.join(prefix, "conda-meta"))
    if not os.path.exists(python) and not conda:
        raise InputError(f"--env {prefix}: there is neither a virtual environment nor a conda environment")
    variables: dict[str, str | None] = {"PYTHONHOME": None}
    if conda:
        variables |= {"CONDA_PREFIX": prefix, "CONDA_DEFAULT_ENV": os.path.basename(prefix)}
    else:
        variables["VIRTUAL_ENV"] = prefix
    kind, folders = "conda" if conda else "virtualenv", (os.path.join(prefix, "bin"),)
    python = python if os.path.exists(python) else ""
    activation = Activation(kind, folders, variables, prefix, python)
    lock = "".join(f"{each}\n" for each in packages(activation))
    details: dict[str, Json] = {"existing": prefix}
    if python:
        details["interpreter"] = python
    if python and (version := _version(python)):
        details["python"] = version
    return Environment(activation, lock=lock, lock_name="packages.txt", details=details)


def packages(activation: Activation) -> list[str]:
    """`name==version` of each distribution that the activation's Python sees; no process is started."""
    found = set()
    for _, name in _metadata(activation.prefix, activation.python):
        stem, _, kind = name.rpartition(".")
        if kind in ("dist-info", "egg-info") and "-" in stem:
            found.add("==".join(stem.split("-")[:2]))
    if activation.kind == "conda":
        found |= _conda_packages(activation.prefix)
    return sorted(found, key=str.lower)


def loose(activation: Activation) -> Iterator[str]:
    """Modules and `.pth` files that lie beside the packages, with their stamps: no list of packages has them."""
    for site in _sites(activation.prefix, activation.python):
        try:
            entries = sorted(os.scandir(site), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            path = entry.path
            if "." not in entry.name:  # a package
                path = os.path.join(path, "__init__.py")
            elif not entry.name.endswith((".py", ".pth", ".so", ".egg-link")):
                continue
            if found := stamp(path):
                yield f"{path} {found}"


def editable(python: str) -> dict[str, str]:
    """Packages of the environment of an interpreter whose code lies in a folder of somebody's: name -> that folder.

    By `direct_url.json` (PEP 610), and by `.egg-link` of `setup.py develop`.
    """
    found = {}
    for site, name in _metadata(_prefix(python), python) if python else ():
        if name.endswith(".dist-info"):
            if folder := _followed(os.path.join(site, name, "direct_url.json")):
                found[name.partition("-")[0]] = folder
        elif name.endswith(".egg-link"):
            found[name.removesuffix(".egg-link")] = "?"
    return found


def _followed(path: str) -> str:
    """The folder of an editable package; "" for others."""
    try:
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
        return str(told["url"]).removeprefix("file://") if told["dir_info"]["editable"] else ""
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _metadata(prefix: str, python: str) -> Iterator[tuple[str, str]]:
    """(site-packages, name in it) of all that lies where a Python looks."""
    for site in _sites(prefix, python):
        try:
            yield from ((site, name) for name in os.listdir(site))
        except OSError:
            continue


def _conda_packages(prefix: str) -> set[str]:
    """conda-meta/numpy-1.26.4-py311_0.json"""
    names = os.listdir(os.path.join(prefix, "conda-meta"))
    parts = [name.removesuffix(".json").rsplit("-", 2) for name in names if name.endswith(".json")]
    return {f"{part[0]}=={part[1]}" for part in parts if len(part) == 3}


def _sites(prefix: str, python: str) -> list[str]:
    sites = []
    for base in dict.fromkeys((prefix, *_bases(prefix))):
        library = os.path.join(base, "lib")
        try:
            versions = [name for name in os.listdir(library) if re.fullmatch(r"python3(\.\d+)?t?", name)]
        except OSError:
            continue
        own = re.search(r"python(3\.\d+)", os.path.basename(os.path.realpath(python)))
        if own and f"python{own[1]}" in versions:  # a folder may hold several
            versions = [f"python{own[1]}", "python3"]
        sites += [
            os.path.join(library, v, kind) for v in versions for kind in ("site-packages", "dist-packages")
        ]
    return [*sites, *_users(prefix, python)]


def _users(prefix: str, python: str) -> list[str]:
    """The user's own site-packages (PEP 370), which virtual environments do not see."""
    own = re.search(r"python(3\.\d+)", os.path.basename(os.path.realpath(python)))
    if not own or os.environ.get("PYTHONNOUSERSITE") or os.path.exists(os.path.join(prefix, "pyvenv.cfg")):
        return []
    base = os.environ.get("PYTHONUSERBASE") or os.path.expanduser("~/.local")
    return [os.path.join(base, "lib", f"python{own[1]}", "site-packages")]


def _bases(prefix: str) -> list[str]:
    """Where a Python in this prefix looks besides: Debian's /usr/local, a virtual environment's base."""
    if prefix == "/usr":
        return ["/usr/local"]
    try:
        with open(os.path.join(prefix, "pyvenv.cfg"), encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return []
    shared = re.search(r"^include-system-site-packages\s*=\s*true", text, re.MULTILINE | re.IGNORECASE)
    home = re.search(r"^home\s*=\s*(.+)$", text, re.MULTILINE)
    return [os.path.dirname(home[1].strip())] if shared and home else []


def _prefix(python: str) -> str:
    if not python:
        return ""
    folder = os.path.dirname(python)
    if os.path.exists(os.path.join(os.path.dirname(folder), "pyvenv.cfg")):
        return os.path.dirname(folder)
    return os.path.dirname(os.path.dirname(os.path.realpath(python)))


def _version(python: str) -> str:
    from runner.environments.python import interpreters

    found = interpreters.asked(python, "PATH")
    return found.version if found else ""


def _python(directory: str) -> str:
    """What the command finds as `python` (or python3), behind pyenv's shims; "" when there is none."""
    path = process.find("python") or process.find("python3")
    if not path.endswith(("/shims/python", "/shims/python3")):
        return path
    root = path.rpartition("/shims/")[0]
    for version in _pyenv_versions(root, directory):
        for name in ("python", "python3"):
            real = os.path.join(root, "versions", version, "bin", name)
            if os.path.exists(real):
                return real
    return path


def _pyenv_versions(root: str, directory: str) -> list[str]:
    if chosen := os.environ.get("PYENV_VERSION"):
        return chosen.split(":")
    folder = directory
    candidates = []
    while True:
        candidates.append(os.path.join(folder, ".python-version"))
        if os.path.dirname(folder) == folder:
            break
        folder = os.path.dirname(folder)
    for path in (*candidates, os.path.join(root, "version")):
        try:
            with open(path, encoding="utf-8") as file:
                lines = file.read().split()
        except OSError:
            continue
        if lines:
            return lines
    return []
