"""What local packages need to be built, as wheels: for a bundle, where no index is asked any more."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from tempfile import TemporaryDirectory

from runner import paths
from runner.environments.python import uv
from runner.environments.python.copies import Copies
from runner.environments.python.requirements import Local
from runner.environments.python.wanted import Table, parse_toml, text_of
from runner.host import process

__all__ = ["asked_by", "local", "stated"]

LEGACY = {"requires": ["setuptools>=40.8.0"], "build-backend": "setuptools.build_meta:__legacy__"}  # PEP 517
HOOK = """
import importlib, json, os, sys
name, *paths = sys.argv[1:]
sys.path[:0] = [os.path.join(os.getcwd(), each) for each in paths]
module, _, attributes = name.partition(":")
backend = importlib.import_module(module)
for each in filter(None, attributes.split(".")):
    backend = getattr(backend, each)
hook = getattr(backend, "get_requires_for_build_wheel", None)
print()
print(json.dumps(hook() if hook else []))
"""


def local(lines: Iterable[str], directory: str, versions: Mapping[str, str]) -> list[Local]:
    """The folders that lines of a lock name, relative to `directory`. `versions`: as recorded, name==version."""
    found = []
    for line in lines:
        text = line.removeprefix("-e ").rpartition(" @ ")[2].partition("[")[0].partition(" ;")[0].strip()
        path = os.path.normpath(os.path.join(directory, text))
        if os.path.isdir(path):
            name, _, version = versions.get(text, "").partition("==")
            found.append(Local(text, path, line.startswith("-e "), text, "", path, name, version))
    return found


def stated(folder: str) -> list[str]:
    """Of [build-system] in pyproject.toml; setuptools where there is none (PEP 518)."""
    return [str(each) for each in _system(folder)["requires"]]


def asked_by(packages: Sequence[Local], python: str, wheels: str) -> list[str]:
    """What the backends themselves ask for besides what is stated, and has to be in the folder `wheels` already."""
    found: list[str] = []
    with Copies(packages) as copies, TemporaryDirectory(dir=paths.temporary(), prefix="wheel-") as folder:
        for number, each in enumerate(packages):
            prefix, system = os.path.join(folder, str(number)), _system(each.path)
            arguments = ["--quiet", "--no-project", "--no-config", "--python", python, prefix]
            _uv(["venv", *arguments])
            own = os.path.join(prefix, "bin", "python")
            places = ["--no-index", "--find-links", wheels, "--python", own]
            if system["requires"]:
                _uv(
                    ["pip", "install", "--quiet", *places, "-r", "-"], "\n".join(map(str, system["requires"]))
                )
            argv = [own, "-c", HOOK, str(system["build-backend"]), *map(str, system.get("backend-path", ()))]
            done = process.run(argv, cwd=copies.folders[each.text], variables=copies.variables)
            found += json.loads(done.out.splitlines()[-1]) if done.code == 0 else []
    return list(dict.fromkeys(map(str, found)))


def _uv(arguments: list[str], text: str | None = None) -> None:
    uv.call(
        arguments, "the build requirements cannot be asked for", cwd=paths.temporary(), extra={}, text=text
    )


def _system(folder: str) -> Table:
    path = os.path.join(folder, "pyproject.toml")
    told = parse_toml(text_of(path), path).get("build-system", {}) if os.path.isfile(path) else {}
    return (
        {**LEGACY, **told}
        if "build-backend" in told
        else {**LEGACY, "requires": told.get("requires", LEGACY["requires"])}
    )
