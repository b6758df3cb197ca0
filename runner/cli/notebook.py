"""`proj notebook`: the command of an entry point that is a notebook."""

from __future__ import annotations

import os
import shutil
import tempfile

from runner.cli.options import Command, Option, pairs
from runner.cli.terminal import Terminal
from runner.errors import InputError

__all__ = ["COMMAND"]


def command(file: str, parameters: tuple[str, ...], extra: tuple[str, ...]) -> int:
    """Run a notebook with the Python that is on PATH, as proj run -e train.ipynb does: proj notebook train.ipynb lr=0.1.

    The executed notebook and a page of it (HTML) are kept with the run around it; outside of a run they are written
    into the folder where you are, as train.executed.ipynb.
    """
    from runner.project import notebook
    from runner.running.notebook import execute, typed

    found = notebook.read(file)
    if found is None:
        raise InputError(f"{file} is not there, or is no notebook")
    kinds = {each.name: each.type for each in notebook.parameters(found)}
    given = [*pairs(parameters), *_options(extra)]
    values = {}
    for name, text in given:
        try:
            values[name] = typed(text, kinds.get(name, ""))
        except InputError as error:
            raise InputError(f"parameter {name}: {error.message}") from None
    with tempfile.TemporaryDirectory(prefix="proj-notebook-") as folder:
        done = execute(file, values, folder, Terminal())
        made = [path for path in (done.notebook, done.page) if path]
        if os.environ.get("PROJ_RUN_ID"):
            _keep(made)
        else:
            for path in made:
                stem, ending = os.path.splitext(os.path.basename(path))
                shutil.move(path, f"{stem}.executed{ending}")  # from another file system, perhaps
    return done.code


def _options(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """`--name value`: what `proj run` passes on of parameters that are not declared."""
    names, values = words[::2], words[1::2]
    if len(words) % 2 or not all(name.startswith("--") for name in names):
        raise InputError(f"expected --name value ..., not {' '.join(words)}")
    return [(name[2:], value) for name, value in zip(names, values)]  # noqa: B905


def _keep(made: list[str]) -> None:
    from runner import paths
    from runner.text.secrets import around
    from runner.tracking import artifacts
    from runner.tracking.writer import RunWriter

    with RunWriter(paths.store(""), os.environ["PROJ_RUN_ID"], around(os.environ)) as record:
        for path in made:
            artifacts.put(record, path, "")


COMMAND = Command(command, (
    Option("file", (), "The notebook.", default=None, metavar="NOTEBOOK"),
    Option("parameters", (), "Values for its cell with the tag `parameters`.", "many", metavar="NAME=VALUE..."),
), passes_on=True)  # fmt: skip
