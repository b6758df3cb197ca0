"""`proj exec`: one command in a project's environment, without a record."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from runner.cli.options import Command, Option
from runner.cli.terminal import Terminal
from runner.errors import InputError, ProjError
from runner.host import process
from runner.running.entering import Entered, enter
from runner.values import EnvironmentOptions

__all__ = ["COMMAND", "OPTIONS", "become", "entered"]


def command(
    words: tuple[str, ...], directory: str, entry: str, env_manager: str, python: str, offline: bool,
    quiet: bool, extra: tuple[str, ...],
) -> int:  # fmt: skip
    """Run one command in the environment of the project in this folder, as proj exec python -V.

    It runs where you are; nothing is recorded. `proj exec` becomes the command: it ends as that does.
    """
    words = (*words, *extra)
    if not words:
        raise InputError("which command?", "proj exec python -V")
    found = entered(directory, entry, env_manager, python, offline, quiet)
    if (container := found.environment.activation.container) is not None:
        from runner.containers.command import entering

        become(entering(container, words, sys.stdin.isatty() and sys.stdout.isatty()), found.variables)
    become(list(words), found.variables)


def entered(directory: str, entry: str, env_manager: str, python: str, offline: bool, quiet: bool) -> Entered:
    options = EnvironmentOptions(python=python, offline=offline)
    return enter(directory, entry, env_manager, options, Terminal(quiet=quiet))


def become(words: list[str], variables: dict[str, str]) -> NoReturn:
    """This process goes on as that command."""
    path = process.find(words[0], variables.get("PATH", os.defpath))
    if not path:
        raise InputError(
            f"{words[0]} is not in the environment, nor on PATH", "proj env show  lists its packages"
        )
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(path, words, variables)  # noqa: S606
    except OSError as error:
        raise ProjError(f"{path} cannot be started: {error.strerror}") from None


OPTIONS = (
    Option("directory", ("-C", "--directory"), "A folder of the project.", default=".", metavar="DIR"),
    Option("entry", ("-e", "--entry-point"), "In the environment of this entry point.", metavar="NAME", complete="entry_points"),
    Option("env_manager", ("--env-manager",), "A kind of environment: virtualenv, conda, docker, pixi.", metavar="KIND", complete="environment_kinds"),
    Option("python", ("--python",), "Python version to use instead of the project's.", metavar="VERSION"),
    Option("offline", ("--offline",), "Use only what is on this machine.", "flag"),
    Option("quiet", ("-q", "--quiet"), "Show no progress.", "flag"),
)  # fmt: skip
COMMAND = Command(command, (
    Option("words", (), "The command with its arguments.", "many", metavar="COMMAND..."),
    *OPTIONS,
), passes_on=True, ends_early=True)  # fmt: skip
