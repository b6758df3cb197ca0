"""Paths in the text of a project that lead out of its snapshot, as `sys.path.insert(0, "../lib")` does.

Only what is there counts, so a word that looks like a path does no harm. What a program puts together while it
runs (`Path(__file__).parent.parent`) is not seen.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

from runner import paths
from runner.host import files
from runner.snapshots.kept import key_of

__all__ = ["mentioned"]

TEXTS = tuple(
    ".py .pyi .ipynb .r .rmd .jl .sh .bash .sql .js .ts .yaml .yml .toml .cfg .ini .json .txt".split()
)
NAMES = frozenset(("MLproject", "Makefile", "Snakefile", "Dockerfile"))
LEAVING = (
    rb"(?<![\w./$}-])(?:\.\./)+[\w.~@+-]+(?:/[\w.~@+-]+)*"  # compiled when it is needed: that takes 0.5 ms
)
LARGEST = 1 << 18  # bytes
MOST = 1000  # files that are read
SKIPPED = frozenset("__pycache__ node_modules venv site-packages mlruns".split())


def mentioned(directory: str, root: str, tree: str) -> list[str]:
    """Existing paths outside of `root`, absolute, that texts in the project `directory` name from where they lie.

    What was found is remembered for the snapshot `tree`.
    """
    memory = paths.scratch("snapshots", f"{key_of(directory)}.outside.json")
    found = _remembered(memory, directory, tree)
    if found is None:
        found = sorted({place for path in _texts(directory) for place in _in(path, directory, root)})
        if tree:
            try:
                files.write(memory, json.dumps([directory, tree, found]))
            except OSError:
                pass  # found again next time
    return [place for place in found if os.path.exists(place)]


def _remembered(memory: str, directory: str, tree: str) -> list[str] | None:
    try:
        with open(memory, encoding="ascii") as file:
            where, what, found = json.load(file)
    except (OSError, ValueError, TypeError):
        return None
    return list(found) if tree and (where, what) == (directory, tree) else None


def _texts(directory: str) -> Iterator[str]:
    count = 0
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if name not in SKIPPED and not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(TEXTS) or name in NAMES:
                count += 1
                if count > MOST:
                    return
                yield os.path.join(folder, name)


def _in(path: str, directory: str, root: str) -> Iterator[str]:
    """Relative paths in one text: as seen from the project, where commands start, and from the text itself."""
    try:
        data = files.read(path, LARGEST)
    except OSError:
        return
    top = os.path.realpath(root)
    for text in dict.fromkeys(re.findall(LEAVING, data)):
        for start in dict.fromkeys((directory, os.path.dirname(path))):
            place = os.path.normpath(os.path.join(os.path.realpath(start), os.fsdecode(text)))
            inside = f"{place}/".startswith(f"{top}/") or f"{top}/".startswith(f"{place}/")
            if not inside and os.path.exists(place):
                yield place
