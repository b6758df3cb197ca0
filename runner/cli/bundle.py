"""`proj bundle`: packs a run with all that is needed to make it again."""

from __future__ import annotations

from runner.cli import output, reference
from runner.cli.export import refuse_special
from runner.cli.options import Command, Option
from runner.errors import InputError
from runner.text.units import byte_count, counted, size

__all__ = ["COMMAND"]


def command(
    ref: str, file: str, max_input: str, no_packages: bool, quiet: bool, location: str, as_json: bool
) -> int:
    """Pack a run into one file: code, packages, inputs, record, and a page to read.

    `proj reproduce FILE.zip --offline` makes it again on a machine without a network. The file is also a Workflow
    Run RO-Crate, which archives understand.
    """
    from runner.cli.terminal import Terminal
    from runner.reproduction.bundle.pack import make
    from runner.web.report import of_bundle

    if file:
        refuse_special(file)
    limit = byte_count(max_input, "--max-input")
    with reference.open_store(location, quiet=True) as store:
        run = reference.find(store, ref)
        path = file or f"{run.name}.zip"
        if not path.endswith(".zip"):
            raise InputError(f"-o {path}: the name of a bundle ends in .zip")
        run_id = reference.original(store, run, ref)
        found = make(store, run_id, path, limit, not no_packages, Terminal(quiet=quiet), of_bundle)
    lines = [f"not in it: {each}" for each in found.lacking]
    return output.result(
        as_json, found, [*lines, f"{path}: {counted(found.members, 'file')}, {size(found.size)}"]
    )


COMMAND = Command(command, (
    reference.RUN,
    Option("file", ("-o", "--output"), "The file to write; by default NAME.zip of the run.", metavar="FILE"),
    Option("max_input", ("--max-input",), "Leave out inputs larger than this.", default="1G", metavar="SIZE"),
    Option("no_packages", ("--no-packages",), "Leave the packages out.", "flag"),
    reference.QUIET,
    reference.STORE,
    reference.JSON,
))  # fmt: skip
