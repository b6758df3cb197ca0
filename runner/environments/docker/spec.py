"""What a project (`docker_env`) and the command line (`-A`) say about a container, checked, in one form."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from runner.errors import InputError
from runner.values import Json

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


def read(options: Mapping[str, Any], given: Sequence[str], directory: str) -> Stated:
    """`options` is the docker_env mapping; `given` the -A arguments, which win over those of the project."""
    build = _build(options["build"], directory) if options.get("build") else None
    image = str(options.get("image") or "")
    if not image and not build:
        raise InputError(
            "docker_env names neither an image nor a Dockerfile to build", "docker_env: {image: python:3.12}"
        )
    constants, copied = _environment(options.get("environment") or ())
    flags = _flags(options.get("args") or (), "docker_env.args")
    if options.get("shm_size"):
        flags["shm-size"] = [str(options["shm_size"])]
    if options.get("gpus"):
        flags["gpus"] = ["all" if options["gpus"] is True else str(options["gpus"])]
    flags |= _flags(given, "-A")
    pairs = tuple((name, value) for name, values in flags.items() for value in values)
    pairs = tuple((name, "all" if name == "gpus" and value is None else value) for name, value in pairs)
    gpus = next((value or "" for name, value in pairs if name == "gpus"), "")
    if gpus and not SHORT_GPUS.fullmatch(gpus):
        raise InputError(f"gpus: {gpus} is neither `all`, a number nor device=...", "docker_env: {gpus: all}")
    volumes = tuple(str(volume) for volume in options.get("volumes") or ())
    packages = str(options.get("python_env") or "")
    return Stated(image, build, volumes, constants, copied, pairs, gpus, packages)


def _build(stated: Any, directory: str) -> Build:
    if stated is True:
        stated = "."
    if isinstance(stated, str):
        stated = {"context": stated}
    if not isinstance(stated, Mapping):
        raise InputError("docker_env.build is a folder, a Dockerfile, or a mapping", "docker_env: {build: .}")
    unknown = set(stated) - {"context", "dockerfile", "target", "network", "args"}
    if unknown:
        raise InputError(
            f"docker_env.build has no key {', '.join(sorted(unknown))}",
            "context, dockerfile, target, args, network",
        )
    context = str(stated.get("context") or ".")
    # as in compose files: a Dockerfile is looked for in the context
    dockerfile = os.path.normpath(os.path.join(context, str(stated.get("dockerfile") or "Dockerfile")))
    if os.path.isfile(os.path.join(directory, context)):
        context, dockerfile = ".", context
    arguments = stated.get("args") or {}
    if not isinstance(arguments, Mapping):
        arguments = dict(str(each).partition("=")[::2] for each in arguments)
    texts = {str(name): _text(value) for name, value in arguments.items()}
    target, network = str(stated.get("target") or ""), str(stated.get("network") or "")
    return _existing(Build(context, dockerfile, target, network, texts), directory)


def _existing(build: Build, directory: str) -> Build:
    top = os.path.realpath(directory)
    for path in (build.context, build.dockerfile):
        if os.path.commonpath([top, os.path.realpath(os.path.join(directory, path))]) != top:
            raise InputError(f"docker_env.build: {path} is outside the project")
    if not os.path.isfile(os.path.join(directory, build.dockerfile)):
        raise InputError(
            f"docker_env.build: there is no {build.dockerfile} in {directory}", "docker_env: {build: FOLDER}"
        )
    return build


def _environment(stated: Sequence[Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """`NAME` is copied from the caller, `[NAME, VALUE]` is set."""
    constants: dict[str, str] = {}
    copied = []
    for each in stated:
        if isinstance(each, str):
            copied.append(each)
        elif isinstance(each, Sequence) and len(each) == 2:
            constants[str(each[0])] = _text(each[1])
        else:
            raise InputError(f"docker_env.environment: {each!r} is neither NAME nor [NAME, VALUE]")
    for name in (*copied, *constants):
        if not name or "=" in name or "\0" in name:
            raise InputError(
                f"docker_env.environment: {name!r} is no name of a variable", '[["NAME", "value"], "COPIED"]'
            )
    return constants, tuple(copied)


def _flags(stated: Any, where: str) -> dict[str, list[str | None]]:
    """Flags of `docker run` from a mapping, or from texts `name=value`."""
    if isinstance(stated, Mapping):
        pairs = [(str(name), value) for name, value in stated.items()]
    else:
        pairs = []
        for each in stated:
            name, equals, value = str(each).partition("=")
            pairs.append((name, value if equals else True))
    flags: dict[str, list[str | None]] = {}
    for name, value in pairs:
        name = name.strip().lstrip("-")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name):
            raise InputError(
                f"{where}: {name!r} is no flag of `docker run`", "-A memory=2g  or  -A privileged"
            )
        if name in OURS:
            raise InputError(f"{where}: --{name} cannot be given: {OURS[name]}")
        if value is False or value is None:
            continue
        values = value if isinstance(value, (list, tuple)) else [value]
        flags.setdefault(name, []).extend(None if each is True else _text(each) for each in values)
    return flags


def _text(value: Json) -> str:
    """As YAML writes it: true, not True."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def slug(text: str) -> str:
    """A text as it can stand in the name of an image."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return plain[:60].strip("-") or "project"
