"""The commands that a pyproject.toml installs: `[project.scripts]`."""

from __future__ import annotations

import os
from typing import NamedTuple

from runner.environments import choice
from runner.environments.python.wanted import parse_toml, text_of
from runner.errors import InputError
from runner.parameters import shell
from runner.scaffold.scripts.option import Script
from runner.scaffold.scripts.reading import read
from runner.scaffold.scripts.syntax import read_module

__all__ = ["Console", "console_scripts"]


class Console(NamedTuple):
    name: str
    program: str
    script: Script


def console_scripts(directory: str, notes: list[str]) -> list[Console]:
    path = os.path.join(directory, "pyproject.toml")
    if not os.path.isfile(path):
        return []
    try:
        table = parse_toml(text_of(path), "pyproject.toml")
    except InputError as error:
        notes.append(error.message)
        return []
    stated = table.get("project", {}).get("scripts", {}) or table.get("tool", {}).get("poetry", {}).get(
        "scripts", {}
    )
    first = next(iter(choice.conventional(directory)), None)
    # an environment of these files has the package itself installed
    has_it = "build-system" in table and first is not None and first.file in ("pyproject.toml", "uv.lock")
    found = []
    for name, target in stated.items() if isinstance(stated, dict) else ():
        dotted, _, start = str(target).partition(":")
        file, root = _file(directory, dotted)
        module = read_module(file, root) if file else None
        if module is None or not start.isidentifier():
            notes.append(
                f"the script {name} of pyproject.toml ({target}) is not there to read, and was left out"
            )
            continue
        if has_it:
            program = shell.quote(name)
        else:
            line = f"import sys; from {dotted} import {start}; sys.exit({start}())"
            before = (
                "" if root == directory else f"PYTHONPATH={shell.quote(os.path.relpath(root, directory))} "
            )
            program = f"{before}python -c {shell.quote(line)}"
        found.append(Console(name, program, read(module, start)))
    return found


def _file(directory: str, dotted: str) -> tuple[str, str]:
    """Of a module, in a src layout or without; and the folder that it is imported from."""
    for root in (os.path.join(directory, "src"), directory):
        base = os.path.join(root, *dotted.split("."))
        for path in (f"{base}.py", os.path.join(base, "__init__.py")):
            if os.path.isfile(path):
                return path, root
    return "", ""
