"""The Typer side of the program: help, completion and mistakes, from the tables that the commands declare."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from runner import __version__
from runner.cli.commands import COMMANDS, grouped, load
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
    import_module("typer.completion").completion_init()  # of fish, whose way of asking all our scripts use
    version = TyperOption(
        param_decls=["--version"], is_flag=True, is_eager=True, callback=_version, help="Show the version."
    )
    program = _Program(
        name="proj",
        help=HELP,
        params=[version, *_completion()],
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    program.extra = extra
    return program


def _completion() -> list[TyperOption]:
    def install(ctx: object, parameter: object, value: bool) -> None:  # noqa: ARG001
        from runner.cli import completion

        if value:
            name = completion.shell()
            path = completion.install(name)
            sys.stdout.write(
                f"completion for {name} is in {path}; it works in the next shell that you open\n"
            )
            raise typer.Exit

    def show(ctx: object, parameter: object, value: bool) -> None:  # noqa: ARG001
        from runner.cli import completion

        if value:
            sys.stdout.write(completion.script(completion.shell()))
            raise typer.Exit

    texts = {
        "--install-completion": (install, "Install completion for the current shell."),
        "--show-completion": (show, "Show that script, to copy or change it."),
    }
    return [
        TyperOption(
            param_decls=[name], is_flag=True, is_eager=True, callback=callback, help=text, expose_value=False
        )
        for name, (callback, text) in texts.items()
    ]


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
            for title, commands in grouped().items():
                with formatter.section(title):
                    formatter.write_dl(list(commands.items()))


class _Grouped(TyperCommand):
    """A command with many options, which its help shows under headings."""

    groups: Mapping[str, Sequence[str]] = {}

    def format_options(self, ctx: Any, formatter: Any) -> None:
        left = {parameter.name: parameter.get_help_record(ctx) for parameter in self.get_params(ctx)}
        arguments = [left.pop(each.name) for each in self.params if each.param_type_name == "argument"]
        with formatter.section("Arguments"):
            formatter.write_dl(list(filter(None, arguments)))
        for title, fields in self.groups.items():
            with formatter.section(title):
                formatter.write_dl([record for field in fields if (record := left.pop(field))])
        with formatter.section("Options"):
            formatter.write_dl(list(filter(None, left.values())))


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
        command = (_Grouped if entry.groups else TyperCommand)(
            name,
            callback=_callback(entry, extra),
            params=[_parameter(option) for option in entry.options],
            help=entry.function.__doc__,
            short_help=_first(entry.function.__doc__ or ""),
            rich_markup_mode=None,
        )
        if isinstance(command, _Grouped):
            command.groups = entry.groups
        return command
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


def _first(text: str) -> str:
    """The first sentence, whole: click's own ends after 45 characters."""
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    sentence = re.split(r"(?<=[^.])\.(?:\s|$)|:\s|;\s", paragraph, maxsplit=1)[0]
    return sentence.rstrip(".") + "."


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
