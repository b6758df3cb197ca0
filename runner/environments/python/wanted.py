"""What a specification of a Python environment comes to, whichever file states it, and how such files are read."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Mapping
from typing import Any, TypeAlias

from runner.errors import CHECK, InputError
from runner.typed import NamedTuple

__all__ = [
    "Table",
    "Wanted",
    "parse_toml",
    "parse_yaml",
    "path_of",
    "python_version",
    "relative",
    "strings",
    "text_of",
]

Table: TypeAlias = Mapping[str, Any]  # of another tool's file: nobody has checked what is in it


class Wanted(NamedTuple):
    """A Python environment as a specification states it."""

    python: str = ""  # 3.11, 3.11.7, >=3.10; "" for any
    where: str = ""  # what asks for that Python: python_env.yaml:1
    build: tuple[str, ...] = ()  # requirement lines that MLflow installs first
    lines: tuple[str, ...] = ()  # requirement lines, with options such as -r
    local: tuple[str, ...] = ()  # lines of the local packages that these, or a lock of uv, need
    form: str = "requirements"  # or pylock, uv.lock, pyproject: which file of uv's own it is
    file: str = ""  # absolute; the file of that form
    base: str = ""  # folder that relative paths start from
    arguments: tuple[str, ...] = ()  # for uv
    files: tuple[str, ...] = ()  # absolute: read, or looked for in vain
    content_files: tuple[str, ...] = ()  # absolute: their text decides the lock
    warnings: tuple[str, ...] = ()


def text_of(path: str) -> str:
    """As pip reads it: PowerShell's `pip freeze > requirements.txt` writes UTF-16."""
    with open(path, "rb") as opened:
        marked = opened.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    try:
        with open(path, encoding="utf-16" if marked else "utf-8-sig") as file:
            return file.read()
    except UnicodeDecodeError:
        with open(path, encoding="latin-1") as file:
            return file.read()


def path_of(text: str) -> str:
    """The path that `file:///a/my%20lib#egg=lib` means, as `pip freeze` writes it; other texts as they are."""
    if not text.startswith("file:"):
        return text
    from urllib.parse import unquote

    path = text[5:].partition("#")[0]
    return unquote(path.removeprefix("//").removeprefix("localhost"))


def relative(path: str, base: str) -> str:
    """How lines call a folder: `.`, `./pkg`, `../pkg`."""
    shown = os.path.relpath(path, base)
    return shown if shown == "." or shown.startswith("..") else os.path.join(".", shown)


def python_version(directory: str) -> tuple[str, str]:
    """What `.python-version` says, as pyenv and uv read it, and where it says so; ("", "") when it does not."""
    path = os.path.join(directory, ".python-version")
    for line in text_of(path).splitlines() if os.path.isfile(path) else ():
        line = line.strip()
        if line and not line.startswith("#"):
            return line, ".python-version"
    return "", ""


def parse_toml(text: str, file: str) -> Table:
    """InputError, with line and column, for what is not TOML."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        table: Table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: not TOML: {error}", CHECK) from None
    return table


def parse_yaml(text: str, file: str, example: str) -> Table:
    """A mapping; every scalar stays text, or `python: 3.10` would be 3.1. `example`: a mapping as it is meant."""
    import yaml

    try:
        content = yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 1}" if mark else file
        raise InputError(f"{place}: not YAML: {getattr(error, 'problem', error)}", CHECK) from None
    if content in (None, ""):
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{file}: expected a mapping such as `{example}`", CHECK)
    return content


def strings(value: object, key: str, file: str) -> list[str]:
    """A list of texts; a single text stands for its lines."""
    if value in (None, ""):
        return []
    if isinstance(value, str):
        value = value.splitlines()
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InputError(f"{file}: `{key}` is a list of texts, each a line", CHECK)
    return [each.strip() for each in value if each.strip()]
