"""`proj artifacts`: lists and fetches the files of a run."""

from __future__ import annotations

import os

from runner.cli import output, reference
from runner.cli.options import Command, Group, Option
from runner.errors import InputError
from runner.text import units
from runner.tracking import artifacts
from runner.tracking.artifact_paths import found_file

__all__ = ["COMMAND"]


def ls(ref: str, path: str, location: str, as_json: bool) -> int:
    """List the files that belong to a run; with PATH, those under it."""
    with reference.open_store(location) as store:
        run = reference.find(store, ref)
        found = sorted(artifacts.listing(store, run.run_id, path, recursive=True))
        place = artifacts.location(store, run.run_id)
    digests = {path: str(facts.get("digest", "")) for path, facts in run.artifacts.items()}
    files = [{"path": each.path, "size": each.size, "digest": digests.get(each.path, "")} for each in found]
    size = units.size if output.is_terminal() else str
    rows = [(each.path, size(each.size), digests.get(each.path, "")[:19]) for each in found]
    table = output.table(("path", "size", "digest"), rows, right=("size",))
    return output.result(as_json, {"location": place, "files": files}, table)


def get(ref: str, path: str, target: str, force: bool, location: str, as_json: bool) -> int:
    """Copy files of a run to a folder; without PATH, all of them. What was copied is checked by its hash."""
    from runner.cli.terminal import Terminal

    with reference.open_store(location) as store:
        run = reference.find(store, ref)
        path = artifacts.normal(path)
        if not force:
            top = path.rpartition("/")[0]
            for each in artifacts.listing(store, run.run_id, path, recursive=True):
                file = found_file(target, os.path.relpath(each.path, top or "."))
                if os.path.exists(file):
                    raise InputError(f"{file} is already there", "--force  replaces it")
        made = artifacts.fetch(store, run.run_id, path, target, Terminal())
    return output.result(as_json, made, made)


PATH = Option("path", (), "A file or folder among them.", metavar="[PATH]", complete="artifacts")
COMMAND = Group("List and fetch the files of a run.", {
    "ls": Command(ls, (reference.RUN, PATH, reference.STORE, reference.JSON)),
    "get": Command(get, (
        reference.RUN,
        PATH,
        Option("target", ("-o", "--output"), "Folder to write to.", default=".", metavar="DIR"),
        Option("force", ("-f", "--force"), "Replace files that are there.", "flag"),
        reference.STORE,
        reference.JSON,
    )),
})  # fmt: skip
