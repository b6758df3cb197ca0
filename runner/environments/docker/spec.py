"""What a project (`docker_env`) and the command line (`-A`) say about a container, checked, in one form."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from runner.errors import InputError
from runner.values import JsonMapping

__all__ = ["Build", "Stated", "read", "slug"]

# what must stay as it is, or nobody would know how the command ended
OURS = {
    "name": "the container's name is how it is found again",
    "rm": "it is removed in any case, when it has been asked how it ended",
    "d": "the run waits for its container; use proj run --detach",
    "detach": "the run waits for its container; use proj run --detach",
    "restart": "a run is made once",
    "sig-proxy": "signals are passed on in any case",
}
SHORT_GPUS = re.compile(r"all|\d+|device=.+|\"?device=.+")


class Build(NamedTuple):
    """The project's own Dockerfile. Paths are relative to the project."""

    context: str = "."
    dockerfile: str = "Dockerfile"  # relative to the project too
    target: str = ""
    network: str = ""
    arguments: Mapping[str, str] = {}


class Stated(NamedTuple):
    image: str = ""
    build: Build | None = None
    volumes: tuple[str, ...] = ()
    constants: Mapping[str, str] = {}
    copied: tuple[str, ...] = ()  # names of variables of the caller
    flags: tuple[tuple[str, str | None], ...] = ()  # name without dashes -> value; None: a switch
    gpus: str = ""
    python_env: str = ""  # file of packages to install into the image, relative to the project

    @property
    def platform(self) -> str:
        return next((value or "" for name, value in self.flags if name == "platform"), "")


def read(options: JsonMapping, given: Sequence[str], directory: str) -> Stated:
    """`options`: as keys.py reads docker_env; `given`: the -A arguments, which win over those of the project."""
    flags = _flags(options.get("args", ()), "docker_env.args")
    flags |= {
        flag: [options[name]]
        for name, flag in (("shm_size", "shm-size"), ("gpus", "gpus"))
        if name in options
    }
    flags |= _flags(given, "-A")
    pairs = tuple((name, value) for name, values in flags.items() for value in values)
    pairs = tuple((name, "all" if name == "gpus" and value is None else value) for name, value in pairs)
    gpus = next((value or "" for name, value in pairs if name == "gpus"), "")
    if gpus and not SHORT_GPUS.fullmatch(gpus):
        raise InputError(f"gpus: {gpus} is neither `all`, a number nor device=...", "docker_env: {gpus: all}")
    variables = options.get("environment", ())
    constants = dict(each for each in variables if not isinstance(each, str))
    copied = tuple(each for each in variables if isinstance(each, str))
    for name in (*copied, *constants):
        if not name or "=" in name or "\0" in name:
            raise InputError(
                f"docker_env.environment: {name!r} is no name of a variable", '[["NAME", "value"], "COPIED"]'
            )
    return Stated(
        options.get("image", ""),
        _build(options["build"], directory) if "build" in options else None,
        tuple(options.get("volumes", ())),
        constants,
        copied,
        pairs,
        gpus,
        options.get("python_env", ""),
    )


def _build(stated: JsonMapping, directory: str) -> Build:
    context = stated["context"]
    # as in compose files: a Dockerfile is looked for in the context
    dockerfile = os.path.normpath(os.path.join(context, stated.get("dockerfile", "Dockerfile")))
    if os.path.isfile(os.path.join(directory, context)):
        context, dockerfile = ".", context
    top = os.path.realpath(directory)
    for path in (context, dockerfile):
        if os.path.commonpath([top, os.path.realpath(os.path.join(directory, path))]) != top:
            raise InputError(f"docker_env.build: {path} is outside the project")
    if not os.path.isfile(os.path.join(directory, dockerfile)):
        raise InputError(
            f"docker_env.build: there is no {dockerfile} in {directory}", "docker_env: {build: FOLDER}"
        )
    return Build(
        context, dockerfile, stated.get("target", ""), stated.get("network", ""), stated.get("args", {})
    )


def _flags(stated: Sequence[str], where: str) -> dict[str, list[str | None]]:
    """Flags of `docker run` from texts: name=value, or name for a switch."""
    flags: dict[str, list[str | None]] = {}
    for text in stated:
        name, equals, value = text.partition("=")
        name = name.strip().lstrip("-")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name):
            raise InputError(
                f"{where}: {name!r} is no flag of `docker run`", "-A memory=2g  or  -A privileged"
            )
        if name in OURS:
            raise InputError(f"{where}: --{name} cannot be given: {OURS[name]}")
        flags.setdefault(name, []).append(value if equals else None)
    return flags


def slug(text: str) -> str:
    """A text as it can stand in the name of an image."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return plain[:60].strip("-") or "project"
