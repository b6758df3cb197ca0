"""A bundle taken into a store: its files checked, its run and its code imported, its packages and inputs at hand."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from runner.errors import InputError, ProjError, StoreError
from runner.reproduction.bundle import archive
from runner.reproduction.bundle.supplies import Supplies
from runner.snapshots.vault import EMPTY, Vault, open_vault
from runner.sources import folders
from runner.tracking.fold import fold
from runner.tracking.journal import hint
from runner.tracking.log import read
from runner.tracking.store import Store, is_run_id
from runner.values import Report

__all__ = ["take_in"]

SOME = 2000  # names that one git is started with


@contextmanager
def take_in(path: str, store: Store, report: Report) -> Iterator[tuple[str, Supplies]]:
    """The id of the run that is in it, now in `store`, and what else it brings, as long as the context lasts."""
    folder = folders.make()
    try:
        content = os.path.join(folder, "bundle")
        with report.step("checking the bundle"):
            archive.unpack(path, content)
            run_id, tree = _run(content, path)
        with report.step("taking it into the store"):
            _take_code(os.path.join(content, "code"), tree, store.root, path)
            _take_run(os.path.join(content, "run"), run_id, store)
            for name in _steps(content, path):
                _take_run(os.path.join(content, "steps", name), name, store)
        yield run_id, Supplies(_folder(content, "inputs"), _folder(content, "packages"))
    finally:
        folders.remove(folder)


def _run(content: str, path: str) -> tuple[str, str]:
    events = (event for event, _ in read(os.path.join(content, "run", "events.jsonl")))
    run = fold(events)
    tree = "" if run is None else str(run.sections.get("code", {}).get("tree", ""))
    if run is None or not tree:
        raise InputError(f"{path} is not a bundle of a run: its record is missing or not complete")
    if not is_run_id(run.run_id):
        raise InputError(f"{path}: {run.run_id!r} is not the id of a run")
    return run.run_id, tree


def _take_code(folder: str, tree: str, root: str, path: str) -> None:
    """Into the store's snapshots.git. What comes out must be the tree that the record names."""
    os.makedirs(root, exist_ok=True)
    vault = open_vault(root)
    if vault.has(tree):
        return
    os.makedirs(folder, exist_ok=True)
    index = os.path.join(os.path.dirname(folder), "index")
    try:
        found = _write_tree(vault, folder, index)
    except StoreError as error:
        raise ProjError(f"the code in {path} cannot be taken into the store: {error.message}") from None
    if found != tree:
        raise InputError(f"the code in {path} is not that of the run: it is refused")
    vault.keep(f"trees/{tree}", tree)


def _write_tree(vault: Vault, folder: str, index: str) -> str:
    names = []
    for parent, below, files in os.walk(folder):
        links = [name for name in below if os.path.islink(os.path.join(parent, name))]
        names += [os.path.relpath(os.path.join(parent, name), folder) for name in (*files, *links)]
    if not names:
        return EMPTY
    for at in range(0, len(names), SOME):
        vault.git("update-index", "--add", "--", *names[at : at + SOME], folder=folder, index=index)
    return vault.git("write-tree", folder=folder, index=index).strip()


def _take_run(folder: str, run_id: str, store: Store) -> None:
    """A run that is there already is left as it is, if it is the same run."""
    target = store.run_directory(run_id)
    if os.path.exists(os.path.join(target, "events.jsonl")):
        if _first(target) != _first(folder):
            raise InputError(f"the store has another run with the id {run_id}")
        return
    draft = os.path.join(store.root, "runs", f".import-{run_id}-{os.getpid()}")
    try:
        shutil.copytree(folder, draft, symlinks=True)
        os.rename(draft, target)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise StoreError(f"the run cannot be taken into {store.root}: {error.strerror or error}") from error
    hint(store.root, run_id)


def _first(folder: str) -> object:
    with open(os.path.join(folder, "events.jsonl"), "rb") as file:
        return json.loads(file.readline())


def _steps(content: str, path: str) -> list[str]:
    """Ids of the runs that the run had started."""
    folder = _folder(content, "steps")
    names = sorted(os.listdir(folder)) if folder else []
    for name in names:
        if not is_run_id(name) or not os.path.exists(os.path.join(folder, name, "events.jsonl")):
            raise InputError(f"{path}: steps/{name} is not the record of a run")
    return names


def _folder(content: str, name: str) -> str:
    folder = os.path.join(content, name)
    return folder if os.path.isdir(folder) else ""
