"""`proj artifacts`: lists and fetches the files of a run."""

from __future__ import annotations

import os
from typing import Any

from runner.cli import reference
from runner.cli.options import Option
from runner.errors import InputError

__all__ = ["GROUP"]


def ls(values: dict[str, Any]) -> int:
    """List the files that belong to a run; with PATH, those under it."""
    from runner.cli import output, render_values
    from runner.tracking import artifacts

    given = reference.take(values)
    with reference.open_store(given["store"]) as store:
        run = reference.find(store, given["run"])
        found = sorted(artifacts.listing(store, run.run_id, given["path"], recursive=True))
        place = artifacts.where(store, run.run_id)
    digests = {path: str(facts.get("digest", "")) for path, facts in run.artifacts.items()}
    if given["json"]:
        files = [
            {"path": each.path, "size": each.size, "digest": digests.get(each.path, "")} for each in found
        ]
        output.emit_json({"location": place, "files": files})
        return 0
    size = render_values.size if output.is_terminal() else str
    rows = [(each.path, size(each.size), digests.get(each.path, "")[:19]) for each in found]
    output.table(("path", "size", "digest"), rows, right=("size",))
    return 0


def get(values: dict[str, Any]) -> int:
    """Copy files of a run to a folder; without PATH, all of them. What was copied is checked by its hash."""
    from runner.cli import output
    from runner.cli.terminal import Terminal
    from runner.tracking import artifacts
    from runner.tracking.folder import found

    given = reference.take(values)
    target = given["output"] or "."
    with reference.open_store(given["store"]) as store:
        run = reference.find(store, given["run"])
        path = artifacts.normal(given["path"])
        if not given["force"]:
            top = path.rpartition("/")[0]
            for each in artifacts.listing(store, run.run_id, path, recursive=True):
                file = found(target, os.path.relpath(each.path, top or "."))
                if os.path.exists(file):
                    raise InputError(f"{file} is already there", "--force  replaces it")
        made = artifacts.fetch(store, run.run_id, path, target, Terminal())
    if given["json"]:
        output.emit_json(made)
    else:
        output.emit_lines(made)
    return 0


PATH = Option("path", ("path",), "A file or folder among them.", metavar="[PATH]")
GROUP = {
    "ls": ((reference.RUN, PATH, reference.STORE, reference.JSON), ls),
    "get": (
        (
            reference.RUN,
            PATH,
            Option("output", ("-o", "--output"), "Folder to write to; by default this one.", metavar="DIR"),
            Option("force", ("-f", "--force"), "Replace files that are there.", "flag", False),
            reference.STORE,
            reference.JSON,
        ),
        get,
    ),
}
