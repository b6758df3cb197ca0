"""The volumes of a project, which may name variables and folders of the caller: what they mean is found at each run."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from runner.errors import InputError

__all__ = ["mounts"]

PROJECT = re.compile(r"\$\(pwd\)|`pwd`|\$\{PWD\}|\$PWD\b|%cd%", re.IGNORECASE)
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def mounts(volumes: Sequence[str], directory: str) -> list[tuple[str, str, str]]:
    """(host path or volume's name, place, options) of each; without a place it is an anonymous volume.

    `$(pwd)` and `%cd%` are the project, as are relative paths; `~` and variables are the caller's.
    """
    found = []
    for volume in volumes:
        text = PROJECT.sub(directory.replace("\\", r"\\"), volume)
        if "$(" in text or "`" in text:
            raise InputError(
                f"docker_env.volumes: {volume}: commands are not run here", "only $(pwd) has a meaning"
            )
        text = VARIABLE.sub(lambda match: _variable(match, volume), text)  # noqa: B023
        source, place, options = _parts(text, directory)
        if place:
            source = _source(source, directory)
        found.append((source, place, options))
    return found


def _variable(match: re.Match[str], volume: str) -> str:
    name = match[1] or match[2]
    if name not in os.environ:
        raise InputError(
            f"docker_env.volumes: {volume}: the variable {name} is not set", f"export {name}=..."
        )
    return os.environ[name]


def _parts(text: str, directory: str) -> tuple[str, str, str]:
    prefix = ""
    if text.startswith(directory):  # a project in a folder with a colon
        prefix, text = directory, text[len(directory) :]
    elif re.match(r"[A-Za-z]:[\\/]", text):
        prefix, text = text[:2], text[2:]
    source, _, rest = text.partition(":")
    place, _, options = rest.partition(":")
    return prefix + source, place, options


def _source(source: str, directory: str) -> str:
    if source.startswith("~"):
        return os.path.normpath(os.path.expanduser(source))
    if os.path.isabs(source) or re.match(r"[A-Za-z]:", source):
        return os.path.normpath(source) if source.startswith("/") else source
    if "/" in source or source in (".", ".."):
        return os.path.normpath(os.path.join(directory, source))
    return source  # a volume that the engine keeps under this name
