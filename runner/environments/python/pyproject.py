"""A pyproject.toml with or without uv.lock, as `uv sync` understands them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from glob import escape, glob

from runner.environments.python import faults
from runner.environments.python.wanted import Table, Wanted, parse_toml, python_version, relative, text_of
from runner.errors import InputError, ProjectError, ProjError
from runner.text.names import canonical
from runner.values import EnvironmentOptions

__all__ = ["itself", "modules", "project"]

# of uv.lock: packages that are folders, relative to it; `virtual` ones are not installed
FOLDERS = re.compile(r'^source = \{ (editable|directory) = "([^"]+)" \}', re.MULTILINE)


def project(folder: str, options: EnvironmentOptions) -> Wanted:
    """What a project's own pyproject.toml and uv.lock ask for. InputError, or ProjectError with all faults of the
    file.
    """
    path = os.path.join(folder, "pyproject.toml")
    if not os.path.isfile(path):
        raise InputError(f"there is no pyproject.toml beside {folder}{os.sep}uv.lock", "uv init")
    written = text_of(path)
    text = parse_toml(written, "pyproject.toml")
    if found := faults.of_project(text, written, "pyproject.toml"):
        raise ProjectError(found)
    pinned = python_version(folder)
    needs = str(text.get("project", {}).get("requires-python", ""))
    locked = _locked(folder, text)
    lines = itself(folder, text)
    return Wanted(
        *(pinned if pinned[0] else (needs, "pyproject.toml")),
        lines=lines,
        local=(*lines, *(_in_lock(locked, folder) if locked else _in_sources(folder, text, set()))),
        form="uv.lock" if locked else "pyproject",
        file=locked or path,
        base=folder,
        arguments=_arguments(text, options, locked, lines),
        files=(os.path.join(folder, "uv.lock"), os.path.join(folder, ".python-version")),
        content_files=(path, locked) if locked else (path,),
    )


def itself(folder: str, text: Table) -> tuple[str, ...]:
    """The line that installs a project, as `uv sync` and `poetry install` do: if it is a package."""
    tool = text.get("tool", {})
    stated = tool.get("uv", {}).get("package", tool.get("poetry", {}).get("package-mode"))
    if stated is None:
        stated = "build-system" in text or _looks_like_one(folder, text)
    return ("-e .",) if stated else ()


def modules(folder: str) -> str | None:
    """Where the modules of a project that is a package lie, relative to it; None for one that is none."""
    path = os.path.join(folder, "pyproject.toml")
    if not os.path.isfile(path):
        return None
    try:
        package = itself(folder, parse_toml(text_of(path), "pyproject.toml"))
    except ProjError:
        return None  # it is not read for this environment
    if not package:
        return None
    return "src" if os.path.isdir(os.path.join(folder, "src")) else "."


def _looks_like_one(folder: str, text: Table) -> bool:
    """Without a word on who builds it, it is setuptools (PEP 518); uv would not install it."""
    name = canonical(str(text.get("project", {}).get("name", ""))).replace("-", "_")
    beside = os.path.isfile(os.path.join(folder, name, "__init__.py"))
    return bool(name) and (beside or bool(glob(os.path.join(escape(folder), "src", "*", "__init__.py"))))


def _locked(folder: str, text: Table) -> str:
    """The uv.lock of a project: beside it, or that of the workspace that it is in. "" for none."""
    own = os.path.join(folder, "uv.lock")
    if os.path.isfile(own):
        return own
    root = _workspace(folder, text)
    path = os.path.join(root, "uv.lock")
    return path if root and os.path.isfile(path) else ""


def _workspace(folder: str, text: Table) -> str:
    """The root of the workspace that a folder is in; "" for none."""
    if "workspace" in text.get("tool", {}).get("uv", {}):
        return folder
    above = os.path.dirname(folder)
    while above != os.path.dirname(above):
        path = os.path.join(above, "pyproject.toml")
        if os.path.isfile(path):
            stated = parse_toml(text_of(path), path).get("tool", {}).get("uv", {})
            if "workspace" in stated:
                return above if folder in _members(above, stated["workspace"]) else ""
        above = os.path.dirname(above)
    return ""


def _members(root: str, workspace: Table) -> list[str]:
    def matching(key: str) -> set[str]:
        found = (glob(os.path.join(escape(root), str(each))) for each in workspace.get(key, ()))
        return {os.path.normpath(path) for paths in found for path in paths}

    return sorted({root, *matching("members")} - matching("exclude"))


def _in_lock(locked: str, folder: str) -> Iterator[str]:
    root = os.path.dirname(locked)
    for kind, inside in FOLDERS.findall(text_of(locked)):
        path = os.path.normpath(os.path.join(root, inside))
        if os.path.isdir(path):
            yield ("-e " if kind == "editable" else "") + relative(path, folder)


def _in_sources(folder: str, text: Table, seen: set[str]) -> Iterator[str]:
    """What [tool.uv.sources] names, and what that needs, seen from `folder`."""
    for line, path in _sources(folder, text, seen):
        yield line + relative(path, folder)


def _sources(folder: str, text: Table, seen: set[str]) -> Iterator[tuple[str, str]]:
    root = ""
    for name, stated in text.get("tool", {}).get("uv", {}).get("sources", {}).items():
        for each in stated if isinstance(stated, list) else [stated]:
            path, editable = "", each.get("editable", False)
            if "path" in each:
                path = os.path.normpath(os.path.join(folder, str(each["path"])))
            elif each.get("workspace"):
                root = root or _workspace(folder, text)
                path, editable = _member(root, name), each.get("editable", True)
            own = os.path.join(path, "pyproject.toml")
            if path and path not in seen and os.path.isdir(path):
                seen.add(path)
                yield "-e " if editable else "", path
                if os.path.isfile(own):
                    yield from _sources(path, parse_toml(text_of(own), own), seen)


def _member(root: str, name: str) -> str:
    """The folder of a workspace's member; "" when there is none."""
    top = os.path.join(root, "pyproject.toml")
    workspace = parse_toml(text_of(top), top)["tool"]["uv"]["workspace"] if root else {}
    for folder in _members(root, workspace):
        path = os.path.join(folder, "pyproject.toml")
        if os.path.isfile(path):
            stated = parse_toml(text_of(path), path).get("project", {}).get("name", "")
            if canonical(str(stated)) == canonical(name):
                return folder
    return ""


def _arguments(
    text: Table, options: EnvironmentOptions, locked: str, lines: tuple[str, ...]
) -> tuple[str, ...]:
    """Groups and extras that were asked for; without a word, only what the project needs to run."""
    groups = [*text.get("dependency-groups", {})]
    extras = [*text.get("project", {}).get("optional-dependencies", {})]
    arguments: list[str] = ["--no-default-groups"] if locked else []
    if locked and not lines:
        arguments.append("--no-emit-project")
    for kind, asked, known in (("group", options.groups, groups), ("extra", options.extras, extras)):
        for name in asked:
            if name not in known:
                raise InputError(
                    f"pyproject.toml has no {kind} {name!r}", f"it has: {', '.join(known) or 'none'}"
                )
            arguments += [f"--{kind}", name]
    return tuple(arguments)
