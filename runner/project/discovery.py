"""Finds the project file of a folder, and what else decides how the folder is run."""

from __future__ import annotations

import os

__all__ = ["NAMES", "all_found", "files", "find"]

NAMES = ("mlproject", "mlproject.yaml", "mlproject.yml")
# spelled as people do; the folder is only listed when none of these is there
USUAL = tuple("MLproject MLProject mlproject Mlproject MLproject.yaml MLproject.yml mlproject.yaml".split())


def find(directory: str) -> str:
    """The name of the project file in any case, or ""."""
    found = all_found(directory)
    return found[0] if found else ""


def all_found(directory: str) -> list[str]:
    """Every file that could be the project file, the one that is used first."""
    try:
        seen = [name for name in os.listdir(directory) if name.lower() in NAMES]
    except OSError:
        seen = []
    seen = [name for name in seen if os.path.isfile(os.path.join(directory, name))]
    return sorted(seen, key=lambda name: (NAMES.index(name.lower()), name != "MLproject", name))


def files(directory: str) -> list[str]:
    """Absolute paths: a loaded Project holds as long as none of these changes, comes or goes."""
    from runner.environments import choice

    found = find(directory)
    names = dict.fromkeys((*((found,) if found else ()), *USUAL, *choice.files()))
    if not found:
        names.update(dict.fromkeys(("main.py", "main.sh", "main.R", "main.ipynb")))
    return [os.path.join(directory, name) for name in names]
