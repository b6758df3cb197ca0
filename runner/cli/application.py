"""The Typer side of the program: help, completion and mistakes, from the tables that the commands declare."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.main import get_install_completion_arguments

from runner import __version__
from runner.cli.commands import COMMANDS, load
from runner.cli.options import Command, Group, Option

__all__ = ["application", "typer_command"]

HELP = """Run any MLproject, record it, and make the same run again.

\b
proj run .                    run the project in this folder
proj run GIT-URL -P lr=0.1    run one from a repository
proj runs                     what has been run
"""
TYPES = {"flag": None, "int": int, "float": float}  # a flag's type is found by its being one


def application(extra: Sequence[str] = ()) -> TyperGroup:
    """The whole program; `extra` is what follows `--` on its line."""
    version = TyperOption(
        param_decls=["--version"], is_flag=True, is_eager=True, callback=_version, help="Show the version."
    )
    program = _Program(
        name="proj",
        help=HELP,
        params=[version, *get_install_completion_arguments()],
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    program.extra = extra
    return program


def _version(ctx: object, parameter: object, value: bool) -> None:  # noqa: ARG001
    if value:
        sys.stdout.write(f"proj {__version__}\n")
        raise typer.Exit


class _Program(TyperGroup):
    """Imports a command when it is called: the help of the others is their line in COMMANDS."""

    extra: Sequence[str] = ()

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: object, cmd_name: str) -> TyperCommand | TyperGroup | None:  # noqa: ARG002
        return typer_command(cmd_name, load(cmd_name), self.extra) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: object, formatter: Any) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


class _Alone(TyperGroup):
    """A group whose name alone is a command, too."""

    def invoke(self, ctx: Any) -> Any:
        function = self.callback
        if function is not None:
            self.callback = lambda **values: None if ctx.invoked_subcommand else function(**values)
        return super().invoke(ctx)


def typer_command(name: str, entry: Command | Group, extra: Sequence[str]) -> TyperCommand | TyperGroup:
    """For a command line whose words behind `--` are `extra`."""
    if isinstance(entry, Command):
        return TyperCommand(
            name,
            callback=_callback(entry, extra),
            params=[_parameter(option) for option in entry.options],
            help=entry.function.__doc__,
            rich_markup_mode=None,
        )
    return (_Alone if entry.alone else TyperGroup)(
        name=name,
        commands={each: typer_command(each, inner, extra) for each, inner in entry.commands.items()},
        callback=_callback(entry.alone, extra) if entry.alone else None,
        params=[_parameter(option) for option in entry.alone.options] if entry.alone else [],
        invoke_without_command=bool(entry.alone),
        no_args_is_help=not entry.alone,
        help=entry.help,
        rich_markup_mode=None,
    )


def _callback(command: Command, extra: Sequence[str]) -> Callable[..., int]:
    # an option that may be given again is None when it is not given
    many = {option.field for option in command.options if option.kind == "many"}
    return lambda **values: command.call(
        {field: tuple(value or ()) if field in many else value for field, value in values.items()}, extra
    )


def _parameter(option: Option) -> TyperOption | TyperArgument:
    many = option.kind == "many"
    settings: dict[str, Any] = {"type": TYPES.get(option.kind, str), "help": option.help}
    if option.metavar:
        settings["metavar"] = option.metavar
    if option.complete:
        settings["autocompletion"] = _completer(option.complete)
    if not many and option.absent is not None:  # to some versions of click, None is a value like others
        settings["default"] = option.absent
    if option.names:
        flag = option.kind == "flag" or None
        names = [option.field, *option.names]
        shown = bool(option.default)
        return TyperOption(param_decls=names, multiple=many, is_flag=flag, show_default=shown, **settings)
    required = not many and option.default is None
    return TyperArgument(param_decls=[option.field], nargs=-1 if many else 1, required=required, **settings)


def _completer(name: str) -> Callable[..., list[tuple[str, str]]]:
    """Imports the completing function only when the shell asks."""

    def complete(ctx: typer.Context, args: list[str], incomplete: str) -> list[tuple[str, str]]:  # noqa: ARG001
        from runner.cli import complete as completing

        return list(getattr(completing, name)(ctx, incomplete))

    return complete
