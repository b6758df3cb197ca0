"""The Typer side of the program: subcommands that are imported when they are called, so that help stays quick."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from runner import __version__
from runner.cli.commands import COMMANDS

__all__ = ["application"]

HELP = """Run any MLproject, record it, and make the same run again.

\b
proj run .                    run the project in this folder
proj run GIT-URL -P lr=0.1    run one from a repository
proj runs                     what has been run
"""


def application() -> typer.Typer:
    app = typer.Typer(
        cls=LazyGroup,
        help=HELP,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(invoke_without_command=True)
    def top(
        context: typer.Context,
        version: bool = typer.Option(False, "--version", help="Show the version.", is_eager=True),
    ) -> None:
        if version:
            sys.stdout.write(f"proj {__version__}\n")
            raise typer.Exit
        if context.invoked_subcommand is None:
            from runner.cli.here import show_here

            show_here()

    return app


class LazyGroup(TyperGroup):
    """Reads COMMANDS; the help of a command that was not imported is its line there."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        app = module.app if hasattr(module, "app") else _from_table(module)
        command = typer.main.get_command(app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            ctx.fail(f"there is no command {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)


def _from_table(module: Any) -> typer.Typer:
    from runner.cli.options import typer_command

    app = typer.Typer(
        rich_markup_mode=None, add_completion=False, context_settings={"help_option_names": ["-h", "--help"]}
    )
    if hasattr(module, "OPTIONS"):
        app.command()(typer_command(module.OPTIONS, module.command))
        return app
    app.callback()(_group(module.__doc__))
    for name, (options, function) in module.GROUP.items():
        app.command(name)(typer_command(options, function))
    return app


def _group(text: str) -> Any:
    """A callback, so that a group of one command stays a group; it carries the group's help."""

    def callback() -> None:
        pass

    callback.__doc__ = text.partition(": ")[2] or text
    return callback
