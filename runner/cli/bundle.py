"""`proj bundle`: packs a run with all that is needed to make it again."""

from __future__ import annotations

from typing import Any

from runner.cli import reference
from runner.cli.options import Option
from runner.errors import InputError

__all__ = ["OPTIONS", "command"]

OPTIONS = (
    reference.RUN,
    Option(
        "output", ("-o", "--output"), "The file to write; by default NAME.zip of the run.", metavar="FILE"
    ),
    Option("max_input", ("--max-input",), "Leave out inputs larger than this.", default="1G", metavar="SIZE"),
    Option("no_packages", ("--no-packages",), "Leave the packages out.", "flag", False),
    Option("quiet", ("-q", "--quiet"), "Show no progress.", "flag", False),
    reference.STORE,
    reference.JSON,
)


def command(values: dict[str, Any]) -> int:
    """Pack a run into one file: code, packages, inputs, record, and a page to read.

    `proj reproduce FILE.zip --offline` makes it again on a machine without a network. The file is also a Workflow
    Run RO-Crate, which archives understand.
    """
    from runner.cli import output
    from runner.cli.terminal import Terminal
    from runner.reproduction.bundle.pack import make
    from runner.text.units import byte_count, size

    given = reference.take(values)
    limit = byte_count(given["max_input"], "--max-input")
    with reference.open_store(given["store"], quiet=True) as store:
        run = reference.find(store, given["run"])
        path = given["output"] or f"{run.name}.zip"
        if not path.endswith(".zip"):
            raise InputError(f"-o {path}: the name of a bundle ends in .zip")
        found = make(
            store,
            reference.original(store, run, given["run"]),
            path,
            limit,
            not given["no_packages"],
            Terminal(quiet=given["quiet"]),
        )
    if given["json"]:
        output.emit_json(found._asdict())
        return 0
    for each in found.lacking:
        output.emit_lines([f"not in it: {each}"])
    output.emit_lines([f"{found.path}: {found.members} files, {size(found.size)}"])
    return 0
