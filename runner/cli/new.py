"""`proj new`: a project from a template. Calls scaffold.new, says what to type next."""

from __future__ import annotations

import os
import sys

from runner.cli import output
from runner.cli.options import Command, Option, pairs
from runner.cli.terminal import Terminal
from runner.errors import InputError
from runner.parameters.shell import quote
from runner.scaffold import new as scaffold
from runner.text.units import counted

__all__ = ["COMMAND"]


def command(
    words: tuple[str, ...], answers: tuple[str, ...], defaults: bool, trust: bool, catalogue: bool,
    as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Make a new project from a template."""
    if catalogue:
        found = scaffold.templates()
        return output.result(as_json, found, output.table(["template", "description"], found))
    if not 1 <= len(words) <= 2:
        raise InputError(
            "proj new takes a folder, or a template and a folder",
            "proj new sklearn my-project; proj new --list  shows all templates",
        )
    if len(words) == 1 and words[0] in (each.name for each in scaffold.templates()):
        raise InputError(
            f"{words[0]} is a template, and the folder is missing",
            f"proj new {words[0]} my-project; proj new basic {words[0]}  makes a folder of that name",
        )
    template, directory = words if len(words) == 2 else ("basic", words[0])
    ask = not defaults and sys.stdin.isatty() and not as_json
    report = Terminal(quiet=quiet or as_json)
    made = scaffold.new(template, directory, dict(pairs(answers)), ask=ask, trust=trust, report=report)
    shown = os.path.relpath(made.directory)
    lines = [
        f"made {shown} from {template}: {counted(len(made.files), 'file')}",
        f"  cd {quote(shown)} && proj run .",
    ]
    return output.result(as_json, made, () if quiet else lines)


WHAT = "Built-in template, folder, archive, git URL or gh:OWNER/REPO; basic when left out."
COMMAND = Command(command, (
    Option("words", (), WHAT, "many", metavar="[TEMPLATE] DIR", complete="templates"),
    Option("answers", ("-d", "--data"), "Answer to a question of the template.", "many", metavar="KEY=VALUE"),
    Option("defaults", ("--defaults",), "Ask nothing, take the defaults.", "flag"),
    Option("trust", ("--trust",), "Allow the template to run code of its own.", "flag"),
    Option("catalogue", ("--list",), "Show the built-in templates.", "flag"),
    Option("as_json", ("--json",), "Print what was made as JSON.", "flag"),
    Option("quiet", ("-q", "--quiet"), "Print nothing.", "flag"),
))  # fmt: skip
