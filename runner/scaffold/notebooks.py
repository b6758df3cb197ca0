"""A notebook for a draft: its parameters as the options of the command that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.project.notebook import parameters
from runner.scaffold.scripts.option import Option, is_secret, sound

__all__ = ["options"]


def options(notebook: Mapping[str, Any], papermill: bool) -> tuple[Option, ...]:
    """`papermill`: they are given to it, and not to `proj notebook`."""
    found = []
    for each in parameters(dict(notebook)):
        flag = f"-{'r' if each.type == 'string' else 'p'} {each.name}" if papermill else each.name
        secret = each.type == "string" and is_secret(each.name)
        option = Option(each.name, flag, each.type or "string", each.default, each.has_default, secret=secret)
        found.append(sound(option._replace(joint=" " if papermill else "=")))
    return tuple(found)
