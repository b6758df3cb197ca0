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
        prefix = directory if text.startswith(directory) else ""  # which may have a colon
        source, _, rest = text.removeprefix(prefix).partition(":")
        place, _, options = rest.partition(":")
        found.append((_source(prefix + source, directory) if place else source, place, options))
    return found


def _variable(match: re.Match[str], volume: str) -> str:
    name = match[1] or match[2]
    if name not in os.environ:
        raise InputError(
            f"docker_env.volumes: {volume}: the variable {name} is not set", f"export {name}=..."
        )
    return os.environ[name]


def _source(source: str, directory: str) -> str:
    if "/" in source or source.startswith("~") or source in (".", ".."):
        return os.path.normpath(os.path.join(directory, os.path.expanduser(source)))
    return source  # a volume that the engine keeps under this name
