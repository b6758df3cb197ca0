"""`proj artifacts`: lists and fetches the files of a run."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from runner.cli import reference
from runner.cli.options import Option
from runner.errors import InputError, StoreError

if TYPE_CHECKING:
    from runner.tracking.fold import Run

__all__ = ["GROUP"]


def ls(values: dict[str, Any]) -> int:
    """List the files that belong to a run; with PATH, those under it."""
    from runner.cli import output, render_values

    given = reference.take(values)
    with reference.open_store(given["store"]) as store:
        run = reference.find(store, given["run"])
        found = under(files(run, folder_of(store.run_directory(run.run_id))), given["path"])
    if given["json"]:
        output.emit_json([{"path": path, **facts} for path, facts in found.items()])
        return 0
    size = render_values.size if output.is_terminal() else str
    rows = [(path, size(facts["size"]), str(facts.get("digest", ""))[:19]) for path, facts in found.items()]
    output.table(("path", "size", "digest"), rows, right=("size",))
    return 0


def get(values: dict[str, Any]) -> int:
    """Copy files of a run to a folder; without PATH, all of them. What was copied is checked by its hash."""
    given = reference.take(values)
    with reference.open_store(given["store"]) as store:
        run = reference.find(store, given["run"])
        place = folder_of(store.run_directory(run.run_id))
        found = under(files(run, place), given["path"])
    if not found:
        what = f" under {given['path']!r}" if given["path"] else ""
        raise InputError(f"the run {run.name} has no file{what}", f"proj artifacts ls {run.name}")
    prefix = os.path.dirname(given["path"].strip("/"))
    written = []
    for path, facts in found.items():
        name = path[len(prefix) + 1 :] if prefix else path
        target = os.path.join(given["output"] or ".", *name.split("/"))
        if os.path.exists(target) and not given["force"]:
            raise InputError(f"{target} is already there", "--force  replaces it")
        fetch(os.path.join(place, *path.split("/")), target, facts)
        written.append(target)
    if given["json"]:
        from runner.cli.output import emit_json

        emit_json(written)
    else:
        sys.stdout.write("".join(f"{target}\n" for target in written))
    return 0


def folder_of(directory: str) -> str:
    return os.path.join(directory, "artifacts")


def files(run: Run, place: str) -> dict[str, dict[str, Any]]:
    """Path -> size and digest: those that the log names, and those that were put there without it."""
    found = {path: {"size": 0, **facts} for path, facts in run.artifacts.items()}
    for folder, folders, names in os.walk(place):
        folders.sort()
        for name in sorted(names):
            file = os.path.join(folder, name)
            path = os.path.relpath(file, place).replace(os.sep, "/")
            if path not in found and not (name.startswith(".") and name.endswith(".part")):
                found[path] = {"size": os.stat(file).st_size}
    return dict(sorted(found.items()))


def under(found: dict[str, dict[str, Any]], path: str) -> dict[str, dict[str, Any]]:
    path = path.strip("/")
    return {
        name: facts
        for name, facts in found.items()
        if not path or name == path or name.startswith(path + "/")
    }


def fetch(source: str, target: str, facts: dict[str, Any]) -> None:
    """In its place as a whole or not at all. StoreError when it is not what was kept."""
    import shutil

    from runner import hashing

    draft = f"{target}.{os.getpid()}.part"
    try:
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        shutil.copyfile(source, draft)
        wanted = facts.get("digest")
        if wanted and hashing.digest(draft).digest != wanted:
            raise StoreError(f"{source} is not what was kept: its hash is not {wanted}")
        os.replace(draft, target)
    except OSError as error:
        raise StoreError(f"{source} cannot be copied to {target}: {error.strerror or error}") from None
    finally:
        if os.path.exists(draft):
            os.unlink(draft)


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
