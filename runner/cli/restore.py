"""`proj restore`: brings a deleted run back, or writes the code of a run to a folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runner.cli import output, reference
from runner.cli.options import Command, Option
from runner.errors import InputError, StoreError
from runner.parameters.shell import quote

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.store import Store

__all__ = ["COMMAND"]


def command(ref: str, directory: str, location: str, as_json: bool) -> int:
    """Bring a deleted run back; with DIR, write the exact code that the run had into that folder."""
    with reference.open_store(location) as store:
        if directory:
            run = reference.find(store, ref)
            folder = write_code(store.root, run, directory)
            value = {"run_id": run.run_id, "folder": folder}
            return output.result(as_json, value, [f"the code of {run.name} is in {folder}"])
        run = find_deleted(store, ref)
        if run.lifecycle != "deleted":
            raise InputError(
                f"the run {run.name} is not deleted", f"proj restore {quote(run.name)} DIR  writes its code"
            )
        store.restore_run(run.run_id)
    return output.result(as_json, {"run_id": run.run_id}, [f"{run.name} is back"])


def find_deleted(store: Store, ref: str) -> Run:
    """As other commands find runs, but `last` is the last deleted one."""
    if ref == "last":
        page = store.search(limit=1, view="deleted")
        if page.runs:
            return page.runs[0]
    return reference.find(store, ref)


def write_code(root: str, run: Run, directory: str) -> str:
    """Returns the folder of the project in it. StoreError when the run has no snapshot."""
    from runner.snapshots import snapshot

    code = run.sections.get("code", {})
    tree = code.get("tree", "")
    if not tree:
        raise StoreError(f"the run {run.name} has no snapshot of its code")
    subdirectory = run.sections.get("source", {}).get("subdirectory", "")
    return snapshot.restore(root, tree, os.path.abspath(directory), subdirectory, code.get("folders") or ())


COMMAND = Command(command, (
    reference.RUN,
    Option("directory", (), "A new or empty folder for the code of the run.", metavar="[DIR]"),
    reference.STORE,
    reference.JSON,
))  # fmt: skip
