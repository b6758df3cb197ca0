"""A pyproject.toml with or without uv.lock, as `uv sync` understands them."""

from __future__ import annotations

import os

from runner.environments.python import faults
from runner.environments.python.wanted import Table, Wanted, parse_toml, python_version, text_of
from runner.errors import InputError, ProjectError
from runner.values import EnvironmentOptions

__all__ = ["project"]


def project(folder: str, options: EnvironmentOptions) -> Wanted:
    path = os.path.join(folder, "pyproject.toml")
    if not os.path.isfile(path):
        raise InputError(f"there is no pyproject.toml beside {folder}{os.sep}uv.lock", "uv init")
    written = text_of(path)
    text = parse_toml(written, "pyproject.toml")
    if found := faults.of_project(text, written, "pyproject.toml"):
        raise ProjectError(found)
    pinned = python_version(folder)
    needs = str(text.get("project", {}).get("requires-python", ""))
    locked = os.path.join(folder, "uv.lock")
    has_lock = os.path.isfile(locked)
    lines: tuple[str, ...] = ()
    # as `uv sync` has it: a project that can be built is installed, editable
    if ("build-system" in text and _managed(text, "package", True)) or _managed(text, "package", False):
        lines = ("-e .",)
    return Wanted(
        *(pinned if pinned[0] else (needs, "pyproject.toml")),
        lines=lines,
        form="uv.lock" if has_lock else "pyproject",
        file=locked if has_lock else path,
        base=folder,
        arguments=_arguments(text, options, has_lock),
        files=(locked, os.path.join(folder, ".python-version")),
        content_files=(path, locked) if has_lock else (path,),
    )


def _managed(text: Table, key: str, otherwise: bool) -> bool:
    return bool(text.get("tool", {}).get("uv", {}).get(key, otherwise))


def _arguments(text: Table, options: EnvironmentOptions, has_lock: bool) -> tuple[str, ...]:
    """Groups and extras that were asked for; without a word, only what the project needs to run."""
    groups = [*text.get("dependency-groups", {})]
    extras = [*text.get("project", {}).get("optional-dependencies", {})]
    arguments: list[str] = ["--no-default-groups", "--no-emit-project"] if has_lock else []
    for kind, asked, known in (("group", options.groups, groups), ("extra", options.extras, extras)):
        for name in asked:
            if name not in known:
                raise InputError(
                    f"pyproject.toml has no {kind} {name!r}", f"it has: {', '.join(known) or 'none'}"
                )
            arguments += [f"--{kind}", name]
    return tuple(arguments)
