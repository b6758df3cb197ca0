"""Reads conda.yaml / environment.yml as `conda env create` reads it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from runner.environments.python import faults
from runner.environments.python.wanted import parse_yaml, strings, text_of
from runner.errors import CHECK, InputError
from runner.values import Json

__all__ = ["CondaFile", "platform", "read_file"]

SELECTOR = re.compile(
    r"^\s*-.*\s#\s*\[(?:not )?(?:win|linux|osx|unix|x86|x86_64|aarch64|arm64|py)[^]]*\]\s*$"
)
SYSTEMS = {"Linux": "linux", "Darwin": "osx"}
MACHINES = {"x86_64": "64", "i686": "32"}


class CondaFile(NamedTuple):
    """A conda environment as its file states it."""

    path: str
    shown: str  # the file, relative to the project
    channels: tuple[str, ...] = ()  # as written, without nodefaults
    nodefaults: bool = False
    specs: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()  # requirement lines
    variables: Mapping[str, str] = {}
    explicit: str = ""  # the text of an explicit lock
    warnings: tuple[str, ...] = ()

    @property
    def base(self) -> str:
        return os.path.dirname(self.path)


def platform() -> str:
    """The name that conda has for this machine: linux-64, osx-arm64."""
    system, _, _, _, machine = os.uname()
    return f"{SYSTEMS.get(system, system.lower())}-{MACHINES.get(machine, machine)}"


def read_file(file: str, directory: str) -> CondaFile:
    """An environment.yml, or an explicit list. InputError for a file that is not there or cannot be understood."""
    path = os.path.normpath(os.path.join(directory, file))
    if not os.path.isfile(path):
        raise InputError(f"the environment file {file} is not in {directory}", CHECK)
    text = text_of(path)
    if re.search(r"^@EXPLICIT\s*$", text, re.MULTILINE):
        return CondaFile(path, file, explicit=text)
    content = parse_yaml(text, file, "dependencies: [python=3.11]")
    warnings = [*faults.refuse(faults.of_yaml(text, file, directory, conda=True))]
    channels = strings(content.get("channels"), "channels", file)
    specs, pip = _dependencies(content.get("dependencies"), file)
    variables = content.get("variables") or {}
    if not isinstance(variables, dict):
        raise InputError(f"{file}: `variables` is a mapping of names to values", CHECK)
    lines = [number for number, line in enumerate(text.splitlines(), 1) if SELECTOR.match(line)]
    if lines:
        where = ", ".join(str(number) for number in lines[:5])
        warnings.append(
            f"{file}:{where}: selectors such as `# [linux]` have no effect in an environment file"
        )
    if content.get("prefix"):
        warnings.append(f"{file}: `prefix` has no effect: proj keeps its environments itself")
    return CondaFile(
        path,
        file,
        tuple(channel for channel in channels if channel != "nodefaults"),
        "nodefaults" in channels,
        specs,
        pip,
        {str(name): str(value) for name, value in variables.items()},
        warnings=tuple(warnings),
    )


def _dependencies(stated: Json, file: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    specs: list[str] = []
    pip: list[str] = []
    if stated not in (None, "") and not isinstance(stated, list):
        raise InputError(
            f"{file}: `dependencies` is a list of packages", "dependencies: [python=3.11, numpy]"
        )
    for each in stated or ():
        if isinstance(each, str):
            if each.strip():
                specs.append(each.strip())
            continue
        if not isinstance(each, dict) or list(each) != ["pip"]:
            raise InputError(
                f"{file}: {each!r} is no package and no `pip:` section", "dependencies: [numpy, {pip: [six]}]"
            )
        pip += strings(each["pip"], "pip", file)
    names = {re.split(r"[\s=<>!~\[]", spec.split("::")[-1])[0] for spec in specs}
    if pip and not names & {"python", "pip"}:
        specs.append("python")  # as conda does, which adds pip
    return tuple(specs), tuple(pip)
