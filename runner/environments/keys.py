"""The keys of an MLproject by which it states an environment, and how their values are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from runner.host.findings import Findings, kind
from runner.host.keytable import TEXT_OR_NOTHING, Key
from runner.host.yamltext import Entry
from runner.values import EnvironmentSpec

__all__ = ["EnvironmentKey", "of_file", "read_file"]


class EnvironmentKey(NamedTuple):
    key: Key
    read: Callable[[Entry, str, Findings], EnvironmentSpec | None]  # (value, folder of the project, faults)
    definitions: Mapping[str, Any] = {}  # of the JSON schema, that the key's own refers to


def of_file(name: str, kind: str, description: str, *examples: str) -> EnvironmentKey:
    """A key with the name of a file."""

    def read(entry: Entry, directory: str, findings: Findings) -> EnvironmentSpec | None:
        file = read_file(entry, directory, findings)
        return EnvironmentSpec(kind, file) if file else None

    return EnvironmentKey(Key(name, description, {**TEXT_OR_NOTHING, "examples": [*examples]}), read)


def read_file(entry: Entry, directory: str, findings: Findings) -> str:
    """The name of a file of the project; "" for what is none."""
    if not isinstance(entry.value, str):
        hint = "write it into a file python_env.yaml" if entry.children else f"{entry.key}: python_env.yaml"
        findings.error(entry, f"{entry.key} is the name of a file, not {kind(entry)}", hint)
        return ""
    if not os.path.isfile(os.path.join(directory, entry.value)):
        from difflib import get_close_matches

        try:
            close = get_close_matches(entry.value, os.listdir(directory), 1, 0.6)
        except OSError:
            close = []
        hint = f"did you mean {close[0]}?" if close else ""
        findings.doubt(entry, f"the environment file {entry.value} is not in the project", hint)
    return entry.value
