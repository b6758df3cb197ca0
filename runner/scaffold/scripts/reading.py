"""A Python script -> the ways to call it. What cannot be read is told, and left for the user to pass after `--`."""

from __future__ import annotations

import ast
from typing import NamedTuple

from runner.scaffold.scripts import other_options
from runner.scaffold.scripts.argparse_options import commands as argparse_commands
from runner.scaffold.scripts.argparse_options import parser_of
from runner.scaffold.scripts.click_options import Click
from runner.scaffold.scripts.option import Command, Part, Script
from runner.scaffold.scripts.syntax import FUNCTIONS, Module, is_guard
from runner.scaffold.scripts.typer_options import Typer

__all__ = ["read"]

# libraries that read a command line, and are not read here
OTHERS = (
    *("absl.flags", "docopt", "docopt.docopt", "tyro", "jsonargparse", "simple_parsing", "configargparse"),
    *("tap", "cyclopts", "plac", "argh", "pydantic_settings", "transformers.HfArgumentParser", "getopt"),
    *("lightning.pytorch.cli", "pytorch_lightning.cli"),
)
# calls at the top of a module that only prepare something
PREPARING = (
    "sys.path",
    "warnings.",
    "logging.",
    "matplotlib.",
    "os.environ",
    "os.makedirs",
    "load_dotenv",
    "dotenv.",
)


class Found(NamedTuple):
    library: str
    commands: tuple[Command, ...]


def read(module: Module, start: str = "") -> Script:
    """`start`: the function, or the object of click or typer, where the program begins; "": the module's first line."""
    notes: list[str] = []
    found = _libraries(module, start, notes)
    runnable = bool(found or start) or _does_something(module)
    if len(found) > 1:
        names = " and ".join(each.library for each in found)
        notes = [f"it reads its command line with {names}: pass its options after --"]
    if len(found) == 1:
        commands = found[0].commands
    else:
        commands = (Command((Part("", ()),)),)
        if not found:
            options = other_options.arguments(module, notes)
            commands = (Command((Part("", options),)),)
            runnable = runnable or bool(options)
            if other := next((each for each in OTHERS if _imports(module, each)), ""):
                notes.append(
                    f"it reads its command line with {other.split('.')[0]}: pass its options after --"
                )
    return Script(commands, runnable, module.description, tuple(dict.fromkeys(notes)))


def _libraries(module: Module, start: str, notes: list[str]) -> list[Found]:
    """Those that read the command line of the module, when it is run."""
    found = []
    click = Click(module)
    if node := click.root(start):
        found.append(Found("click", click.commands(node)))
        notes += click.notes
    typer = Typer(module)
    if app := typer.root(start):
        found.append(Found("typer", typer.commands(app)))
        notes += typer.notes
    if commands := other_options.fire(module, notes):
        found.append(Found("fire", commands))
    if commands := other_options.hydra(module, notes):
        found.append(Found("hydra", commands))
    if not start or (start in module.functions and start not in click.nodes):
        parser, unclear = parser_of(module, start, _does_something(module))
        notes += unclear
        if parser is not None:
            found.append(Found("argparse", argparse_commands(parser, notes)))
        elif unclear:
            found.append(Found("argparse", (Command((Part("", ()),)),)))
    return [each for each in found if each.commands]


def _imports(module: Module, name: str) -> bool:
    return any(each == name or each.startswith(f"{name}.") for each in module.aliases.values())


def _does_something(module: Module) -> bool:
    """A main guard, or calls at the top that are more than preparations."""
    for node in module.tree.body:
        if is_guard(node) or isinstance(node, (ast.For, ast.While, ast.With)):
            return True
        if isinstance(node, ast.Expr) and isinstance(node.value, (ast.Call, ast.Await)):
            name = module.called(node.value)
            if not name.startswith(PREPARING):
                return True
    return False


def acts(module: Module) -> bool:
    """Whether there is anything but definitions in it."""
    quiet = (*FUNCTIONS, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)
    return any(not isinstance(node, quiet) for node in module.tree.body)
