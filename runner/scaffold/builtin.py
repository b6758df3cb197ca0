"""The templates that come with proj, as git repositories of their own: that is what a later three-way merge needs.

A built-in template is `templates/<name>/` over `templates/common/`, which all of them share. The two are put together
in the cache, committed, and tagged with the version of proj.
"""

from __future__ import annotations

import os
import shutil
from typing import NamedTuple

from runner import __version__, paths
from runner.errors import ProjError
from runner.host import git
from runner.host.files import Exclusive

__all__ = ["BUILTIN", "Template", "assembled", "templates"]

BUILTIN = "proj:"  # how a project's answers name a built-in template
COMMON = "common"
IDENTITY = ("user.name=proj", "user.email=proj@localhost", "commit.gpgsign=false")


class Template(NamedTuple):
    name: str
    description: str


def templates() -> list[Template]:
    """Those that come with proj; the description is the first comment of copier.yml."""
    root = paths.shipped("templates")
    found = []
    for name in sorted(os.listdir(root)):
        path = os.path.join(root, name, "copier.yml")
        if name != COMMON and os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                found.append(Template(name, file.readline().lstrip("# ").strip()))
    return found


def assembled(name: str) -> tuple[str, str]:
    """(repository in the cache, tag of the version that was just put there)."""
    folder = paths.scratch("templates", name)
    with Exclusive(f"{folder}.lock"):
        if not os.path.isdir(os.path.join(folder, ".git")):
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
            _git(folder, "init", "-q", "-b", "main")
        for entry in os.listdir(folder):
            if entry != ".git":
                path = os.path.join(folder, entry)
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        for part in (COMMON, name):
            shutil.copytree(
                paths.shipped("templates", part),
                folder,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns("__pycache__", "*.pyc"),
            )
        schema = os.path.join(folder, "template", ".vscode", "MLproject.schema.json")
        shutil.copyfile(paths.shipped("MLproject.schema.json"), schema)
        _git(folder, "add", "-A", "-f")
        if _git(folder, "status", "--porcelain"):
            _git(folder, "commit", "-q", "-m", f"proj {__version__}")
            _git(folder, "tag", _free_tag(folder))
        return folder, _git(folder, "describe", "--tags", "--abbrev=0")


def _free_tag(folder: str) -> str:
    """The version of proj; a development version has several templates in turn: v1.0, v1.0.post1, ..."""
    taken = set(_git(folder, "tag", "--list").split())
    tag, number = f"v{__version__}", 0
    while tag in taken:
        number += 1
        tag = f"v{__version__}.post{number}"
    return tag


def _git(folder: str, *words: str) -> str:
    done = git.run(*words, folder=folder, settings=IDENTITY)
    if done.code:
        raise ProjError(f"git {words[0]} failed in {folder}: {done.err.strip()}")
    return done.out.strip()
