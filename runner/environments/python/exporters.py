"""Lock files of other tools, written as requirement lines: what they pin stays pinned, with its hashes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

from runner.environments.python.pyproject import itself
from runner.environments.python.wanted import Table, Wanted, parse_toml, python_version, text_of
from runner.errors import InputError
from runner.text.names import canonical
from runner.values import EnvironmentOptions

__all__ = ["export"]


def export(path: str, directory: str, options: EnvironmentOptions) -> Wanted:
    """`path` is a poetry.lock or a Pipfile.lock (a Pipfile stands for the lock beside it)."""
    folder, name = os.path.split(path)
    if name == "Pipfile":
        path = os.path.join(folder, "Pipfile.lock")
        if not os.path.isfile(path):
            raise InputError(f"{folder}: a Pipfile without its lock cannot be installed", "pipenv lock")
    python, lines = _poetry(path, options.groups) if name == "poetry.lock" else _pipenv(path, options.groups)
    pinned = python_version(folder)
    asked = pinned if pinned[0] else (python, os.path.relpath(path, directory))
    # the lock is complete: nothing is resolved beyond it
    own = _itself(folder) if name == "poetry.lock" and folder == directory else ()
    lines += own
    return Wanted(*asked, lines=tuple(lines), base=directory, arguments=("--no-deps",), files=(path,))


def _itself(folder: str) -> tuple[str, ...]:
    """The project, which `poetry install` installs, too, if there is a package in it."""
    path = os.path.join(folder, "pyproject.toml")
    text = parse_toml(text_of(path), "pyproject.toml") if os.path.isfile(path) else {}
    poetry = text.get("tool", {}).get("poetry", {})
    name = canonical(str(text.get("project", poetry).get("name", "")) or "-").replace("-", "_")
    there = any(os.path.isdir(os.path.join(folder, place, name)) for place in ("", "src"))
    return itself(folder, text) if "build-system" in text and (there or "packages" in poetry) else ()


def _pipenv(path: str, groups: tuple[str, ...]) -> tuple[str, list[str]]:
    try:
        lock = json.loads(text_of(path))
        sections = ["default", *groups]
        lines = [_pipenv_line(name, item) for section in sections for name, item in lock[section].items()]
        return str(lock.get("_meta", {}).get("requires", {}).get("python_version", "")), lines
    except (ValueError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is not a lock of pipenv: {error!r}", "pipenv lock") from None


def _pipenv_line(name: str, item: Table) -> str:
    extras = f"[{','.join(item['extras'])}]" if item.get("extras") else ""
    if "git" in item:
        line = f"{name}{extras} @ git+{item['git'].removeprefix('git+')}@{item['ref']}"
    elif "path" in item:
        return f"-e {item['path']}" if item.get("editable") else str(item["path"])
    elif "file" in item:
        line = f"{name}{extras} @ {item['file']}"
    else:
        line = f"{name}{extras}{item['version']}"
    marker = f" ; {item['markers']}" if item.get("markers") else ""
    return line + marker + "".join(f" --hash={each}" for each in item.get("hashes", ()))


def _poetry(path: str, groups: tuple[str, ...]) -> tuple[str, list[str]]:
    lock = parse_toml(text_of(path), "poetry.lock")
    packages = {canonical(str(each["name"])): each for each in lock.get("package", ())}
    wanted = _poetry_names(path, packages, {"main", *groups})
    lines = [_poetry_line(each, lock) for name, each in packages.items() if name in wanted]
    return str(lock.get("metadata", {}).get("python-versions", "")), lines


def _poetry_names(path: str, packages: Table, groups: set[str]) -> set[str]:
    """Packages of the wanted groups: newer locks say it, in older ones it follows from the roots."""
    if all("groups" in each for each in packages.values()):
        return {name for name, each in packages.items() if groups & set(each["groups"])}
    roots = list(_poetry_roots(os.path.join(os.path.dirname(path), "pyproject.toml"), groups))
    seen: set[str] = set()
    while roots:
        name = canonical(roots.pop())
        if name in packages and name not in seen:
            seen.add(name)
            roots += packages[name].get("dependencies", {})
    return seen


def _poetry_roots(path: str, groups: set[str]) -> Iterator[str]:
    if not os.path.isfile(path):
        raise InputError(f"there is no pyproject.toml beside {path}", "poetry init")
    text = parse_toml(text_of(path), "pyproject.toml")
    for line in text.get("project", {}).get("dependencies", ()):
        yield re.split(r"[^\w.-]", line, maxsplit=1)[0]
    poetry = text.get("tool", {}).get("poetry", {})
    yield from poetry.get("dependencies", {})
    for name, group in poetry.get("group", {}).items():
        if name in groups:
            yield from group.get("dependencies", {})


def _poetry_line(package: Table, lock: Table) -> str:
    name, source = package["name"], package.get("source", {})
    markers = package.get("markers", "")
    if isinstance(markers, dict):
        markers = markers.get("main", "")
    kind = source.get("type", "")
    if kind == "directory":
        return f"-e {source['url']}" if package.get("develop") else f"./{source['url']}".replace("./..", "..")
    if kind == "git":
        line = f"{name} @ git+{source['url']}@{source['resolved_reference']}"
    elif kind in ("url", "file"):
        line = f"{name} @ {source['url']}"
    else:
        line = f"{name}=={package['version']}"
    files = package.get("files") or lock.get("metadata", {}).get("files", {}).get(name, ())
    hashes = "".join(f" --hash={each['hash']}" for each in files) if "==" in line else ""
    return line + (f" ; {markers}" if markers else "") + hashes
