"""`proj shell`: a shell in a project's environment."""

from __future__ import annotations

import os
import shlex
import sys

from runner import paths
from runner.cli.exec import OPTIONS, become, entered
from runner.cli.options import Command
from runner.errors import InputError
from runner.running.entering import Entered

__all__ = ["COMMAND", "words_of"]

# A user's own settings may put other folders before PATH: the environment's are put first after they were read.
BASH = """[ -f ~/.bashrc ] && . ~/.bashrc
rm -f {file}
{variables}
hash -r
PS1={prompt}"$PS1"
"""
ZSH = """ZDOTDIR={home}
[ -f {home}/.zshrc ] && . {home}/.zshrc
rm -rf {folder}
{variables}
rehash
PROMPT={prompt}"$PROMPT"
"""


def command(directory: str, entry: str, env_manager: str, python: str, offline: bool, quiet: bool) -> int:
    """Open a shell in the environment of the project in this folder. `exit` leaves it; nothing is recorded."""
    around = os.environ.get("PROJ_SHELL", "")
    if around:
        raise InputError(f"this is a shell of {around} already", "exit  leaves it")
    found = entered(directory, entry, env_manager, python, offline, quiet)
    if (container := found.environment.activation.container) is not None:
        from runner.containers.command import entering

        shell = ["sh", "-c", "command -v bash >/dev/null && exec bash; exec sh"]
        become(entering(container, shell, sys.stdin.isatty()), found.variables)
    variables = {**found.variables, "PROJ_SHELL": found.name}
    shell_path = os.environ.get("SHELL", "") or "/bin/sh"
    become(words_of(shell_path, found, variables), variables)


def words_of(shell: str, found: Entered, variables: dict[str, str]) -> list[str]:
    """How the shell is started; `variables` is given what that needs."""
    name = os.path.basename(shell)
    changed = {key: value for key, value in variables.items() if os.environ.get(key) != value}
    exports = "\n".join(f"export {key}={shlex.quote(value)}" for key, value in changed.items())
    prompt = shlex.quote(f"({found.name}) ")
    if not sys.stdin.isatty():  # its own settings are not read, then
        return [shell]
    if name == "bash":
        file = os.path.join(paths.temporary(), f"shell-{os.getpid()}.bashrc")
        write(file, BASH.format(file=shlex.quote(file), variables=exports, prompt=prompt))
        return [shell, "--rcfile", file, "-i"]
    if name == "zsh":
        folder = os.path.join(paths.temporary(), f"shell-{os.getpid()}")
        home = shlex.quote(os.environ.get("ZDOTDIR") or os.path.expanduser("~"))
        os.makedirs(folder, mode=0o700, exist_ok=True)
        text = ZSH.format(home=home, folder=shlex.quote(folder), variables=exports, prompt=prompt)
        write(os.path.join(folder, ".zshrc"), text)
        variables["ZDOTDIR"] = folder
        return [shell, "-i"]
    if name == "fish":
        sets = "; ".join(f"set -gx {key} {_fish(key, value)}" for key, value in changed.items())
        return [shell, "-i", "-C", sets]
    return [shell, "-i"]


def _fish(key: str, value: str) -> str:
    def quoted(text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    return " ".join(map(quoted, value.split(":"))) if key == "PATH" else quoted(value)


def write(path: str, text: str) -> None:
    """Only for this user: variables may be secret."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)


COMMAND = Command(command, OPTIONS)
