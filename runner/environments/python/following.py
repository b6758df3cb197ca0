"""What decides how a local package is built that follows its folder: its metadata, its layout, and what is compiled.

Its Python code is no part of that: it is read where it lies, so an edit needs no build.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

from runner.environments.python.wanted import text_of
from runner.host.files import digest
from runner.sources.git import repository

__all__ = ["METADATA", "State", "by_git", "look", "walk"]

METADATA = ("pyproject.toml", "setup.py", "setup.cfg")
SKIPPED = {*".git __pycache__ .venv venv build dist .tox .mypy_cache .pytest_cache node_modules".split()}
LAYOUTS = ("", "src", "lib", "python")  # where packages lie in their folder
COMPILED = (
    *(".c .cc .cpp .cxx .h .hh .hpp .hxx .pyx .pxd .pxi .f .f90 .for .f77 .rs .cu .cuh .go .zig .m".split()),
    *(".mm .s .asm .proto .l .y .cmake .in".split()),
)
BUILD_FILES = {
    *"CMakeLists.txt meson.build meson.options Cargo.toml Cargo.lock Makefile MANIFEST.in".split(),
    *"build.py hatch_build.py pdm_build.py versioneer.py".split(),
}
# Backends and plug-ins that read the version from git
BY_GIT = re.compile(
    r"setuptools[-_]scm|flit[-_]scm|hatch-vcs|versioneer|versioningit|dunamai|\bpbr\b|dynamic-versioning"
    r"|source\s*=\s*['\"](?:vcs|scm)['\"]",
    re.IGNORECASE,
)


class State(NamedTuple):
    metadata: str  # digest of what states its dependencies
    build: str  # digest of all that decides the wheel, apart from Python code
    watched: tuple[str, ...]  # absolute: one changed, and it is to be looked at again


def look(folder: str, version: str) -> State:
    """`version`: the one that it had when the run was recorded, if git is to be asked for it; "" for today's."""
    stated = {name: text_of(path) for name in METADATA if os.path.isfile(path := os.path.join(folder, name))}
    whole = "\n".join(stated.values())
    watched = [os.path.join(folder, name) for name in METADATA]
    metadata = [*stated.values()]
    layout = list(_layout(folder))
    watched += [os.path.join(folder, each) for each in layout]
    files = [*_compiled(folder, everything=bool(re.search(r"cython|mypyc", whole, re.IGNORECASE)))]
    if _is_dynamic(stated):
        lists = [
            name for name in sorted(os.listdir(folder)) if re.fullmatch(r"requirements.*\.(txt|in)", name)
        ]
        metadata += [text_of(os.path.join(folder, name)) for name in lists]
        files += [os.path.join(folder, name) for name in lists]
        files += _stating_versions(folder, layout)
    build = [*metadata, *layout]
    build += [f"{os.path.relpath(path, folder)} {digest(path).hex}" for path in sorted(set(files))]
    if by_git(whole):
        if version:
            build.append(version)
        elif found := repository.find(folder):
            build.append(_described(found))
            watched += [os.path.join(found.folder, "HEAD"), os.path.join(found.common, "packed-refs")]
            head = repository.head(found)
            watched += [os.path.join(found.common, "refs", "tags")]
            watched += [os.path.join(found.common, "refs", "heads", head.branch)] if head.branch else []
    watched += [*files, *(os.path.dirname(path) for path in files)]
    return State(_digest(metadata), _digest(build), tuple(dict.fromkeys(watched)))


def walk(folder: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """As os.walk, sorted, of what may belong to a package: no environments, and nothing that tools leave behind."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if name not in SKIPPED
            and not name.endswith(".egg-info")
            and not os.path.exists(os.path.join(parent, name, "pyvenv.cfg"))
        )
        yield parent, folders, sorted(names)


def by_git(text: str) -> bool:
    """Whether metadata have the version from git."""
    return bool(BY_GIT.search(text))


def _is_dynamic(stated: dict[str, str]) -> bool:
    """Whether the metadata come from other files, too."""
    text = stated.get("pyproject.toml", "")
    return "[project]" not in text or bool(re.search(r"^\s*dynamic\s*=\s*\[\s*['\"]", text, re.MULTILINE))


def _layout(folder: str) -> Iterator[str]:
    """The packages, as far as their place tells; relative."""
    for place in LAYOUTS:
        top = os.path.join(folder, place)
        if place and os.path.isdir(top):
            yield place
        for name in sorted(os.listdir(top)) if os.path.isdir(top) else ():
            if os.path.isfile(os.path.join(top, name, "__init__.py")):
                yield os.path.join(place, name)


def _stating_versions(folder: str, layout: list[str]) -> Iterator[str]:
    names = ("__init__.py", "__about__.py", "_version.py", "version.py", "__version__.py", "VERSION")
    for place in ("", *layout):
        for name in (*names, "VERSION.txt", "version.txt"):
            path = os.path.join(folder, place, name)
            if os.path.isfile(path):
                yield path


def _compiled(folder: str, *, everything: bool) -> Iterator[str]:
    """Sources that a compiler reads, and what tells it; with `everything` also Python, which it may compile."""
    endings = (*COMPILED, ".py") if everything else COMPILED
    for parent, folders, names in walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.endswith(endings) or name in BUILD_FILES:
                path = os.path.join(parent, name)
                if os.path.isfile(path):
                    yield path


def _described(found: repository.Repository) -> str:
    return repository.start(found, "describe", "--tags", "--always", "--long").finish().out.strip()


def _digest(parts: list[str]) -> str:
    return sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
