"""`proj restore`: brings a deleted run back, or writes the code of a run to a folder."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from runner.cli import reference
from runner.cli.options import Option
from runner.errors import InputError, StoreError

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.store import Store

__all__ = ["OPTIONS", "command"]

OPTIONS = (
    reference.RUN,
    Option("directory", ("directory",), "A new or empty folder for the code of the run.", metavar="[DIR]"),
    reference.STORE,
    reference.JSON,
)


def command(values: dict[str, Any]) -> int:
    """Bring a deleted run back; with DIR, write the exact code that the run had into that folder."""
    from runner.cli.output import emit_json

    given = reference.take(values)
    with reference.open_store(given["store"]) as store:
        run = reference.find(store, given["run"]) if given["directory"] else find_deleted(store, given["run"])
        if given["directory"]:
            folder = write_code(store.root, run, given["directory"])
            result = {"run_id": run.run_id, "folder": folder}
            text = f"the code of {run.name} is in {folder}"
        else:
            if run.lifecycle != "deleted":
                raise InputError(
                    f"the run {run.name} is not deleted", f"proj restore {run.name} DIR  writes its code"
                )
            store.restore_run(run.run_id)
            result, text = {"run_id": run.run_id}, f"{run.name} is back"
    if given["json"]:
        emit_json(result)
    else:
        sys.stdout.write(f"{text}\n")
    return 0


def find_deleted(store: Store, ref: str) -> Run:
    """As other commands find runs, but `last` is the last deleted one."""
    if ref == "last":
        page = store.search(limit=1, view="deleted")
        if page.runs:
            return page.runs[0]
    return reference.find(store, ref)


def write_code(root: str, run: Run, directory: str) -> str:
    import os

    from runner.snapshots import snapshot

    code = run.sections.get("code", {})
    tree = code.get("tree", "")
    if not tree:
        raise StoreError(f"the run {run.name} has no snapshot of its code")
    subdirectory = run.sections.get("source", {}).get("subdirectory", "")
    return snapshot.restore(root, tree, os.path.abspath(directory), subdirectory, code.get("folders") or ())
