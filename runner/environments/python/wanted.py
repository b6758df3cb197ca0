"""What a specification of a Python environment comes to, whichever file states it, and how such files are read."""

from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple

from runner.errors import InputError

__all__ = ["Wanted", "parse_toml", "python_version", "text_of"]


class Wanted(NamedTuple):
    """A Python environment as a specification states it."""

    python: str = ""  # 3.11, 3.11.7, >=3.10; "" for any
    where: str = ""  # what asks for that Python: python_env.yaml:1
    build: tuple[str, ...] = ()  # requirement lines that MLflow installs first
    lines: tuple[str, ...] = ()  # requirement lines, with options such as -r
    form: str = "requirements"  # or pylock, uv.lock, pyproject: which file of uv's own it is
    file: str = ""  # absolute; the file of that form
    base: str = ""  # folder that relative paths start from
    arguments: tuple[str, ...] = ()  # for uv
    files: tuple[str, ...] = ()  # absolute: read, or looked for in vain
    content_files: tuple[str, ...] = ()  # absolute: their text decides the lock
    warnings: tuple[str, ...] = ()


def text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except UnicodeDecodeError:
        with open(path, encoding="latin-1") as file:
            return file.read()


def python_version(directory: str) -> dict[str, Any]:
    """What `.python-version` says, as pyenv and uv read it."""
    path = os.path.join(directory, ".python-version")
    for line in text_of(path).splitlines() if os.path.isfile(path) else ():
        line = line.strip()
        if line and not line.startswith("#"):
            return {"python": line, "where": ".python-version"}
    return {}


def parse_toml(text: str, file: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        return dict(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: not TOML: {error}", "proj check") from None
