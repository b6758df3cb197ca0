"""Containers: the image is found, pulled or built, known by its id; the command runs as the caller."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TypedDict

from runner.containers import command, engine
from runner.environments.docker.volumes import mounts
from runner.errors import EnvironmentFailure, InputError
from runner.values import Activation, Container

if TYPE_CHECKING:
    from runner.environments.keys import EnvironmentKey

NAMES: tuple[str, ...] = ("docker",)
ABOUT = "a container"
FILES: tuple[str, ...] = ()
READS: tuple[str, ...] = ()
HINT = "add `docker_env: {image: ...}` to its MLproject"
LOCK_NAME = "docker.lock"
LOCKS_PYTHON = True


class Facts(TypedDict):
    id: str  # of the image
    name: str  # under which it is followed; "" for one that is kept as it was
    made: bool  # here
    base: str  # id of the image that it was made on
    base_name: str  # under which that is followed; "" when it is not
    below: list[str]  # images that were made for it alone
    engine: str  # its address
    rootless: bool
    remapped: bool
    init: bool
    system: str
    nvidia: bool
    modules: str  # where the image looks for modules: its own PYTHONPATH


class Use(TypedDict):
    """What the project states for its container."""

    directory: str  # the project
    inside: bool  # the image has the project's files
    volumes: list[str]
    constants: dict[str, str]
    copied: list[str]
    flags: list[list[str | None]]  # pairs
    gpus: str
    package: str | None  # folder of the project's modules, when it is a package, relative to it


def key() -> EnvironmentKey:
    from runner.environments.docker import keys

    return keys.KEY


def has(directory: str, file: str) -> bool:  # noqa: ARG001
    return False


def problem(prefix: str, facts: Facts) -> str:  # noqa: ARG001
    if facts["engine"] != engine.address():
        return f"it was prepared for another container engine ({facts['engine']})"
    try:
        return _image_problem(facts)
    except EnvironmentFailure as error:  # no engine
        return error.message


def _image_problem(facts: Facts) -> str:
    if facts.get("base_name"):  # the image was made on top of it
        base = engine.image(facts["base_name"])
        if base is not None and base.id != facts["base"]:
            return f"the image {facts['base_name']} is another one now"
    named = engine.image(facts["name"]) if facts["name"] else None
    if named is not None:
        return "" if named.id == facts["id"] else f"the image {facts['name']} is another one now"
    if engine.image(facts["id"]) is None:  # it may be there without its name
        return f"the image {facts['name'] or facts['id']} is not there any more"
    return ""


def activate(prefix: str, facts: Facts, use: Use) -> Activation:  # noqa: ARG001
    if use["gpus"]:
        _check_gpus(use["gpus"], facts)
    missing = [name for name in use["copied"] if name not in os.environ]
    if missing:
        raise InputError(
            f"the project's docker_env copies {', '.join(missing)} from your environment: not set",
            f"export {missing[0]}=...",
        )
    directory, place = use["directory"], command.CODE
    mounted = mounts(use["volumes"], directory)
    for source, target, _ in mounted:
        if source == directory:  # the project says itself where it wants to be
            place = target
        if target and source.startswith("/") and not os.path.lexists(source):
            os.makedirs(source, exist_ok=True)  # the engine would make it, for root
    own = any(source == directory for source, _, _ in mounted)
    container = Container(
        facts["id"],
        "" if use["inside"] or own else directory,
        place,
        init=facts.get("init", True),
        volumes=tuple(":".join(filter(None, each)) for each in mounted),
        constants={**_account(), **_modules(use, facts, place), **use["constants"]},
        copied=tuple(use["copied"]),
        flags=tuple((str(name), value) for name, value in use["flags"]),
    )
    if not facts[
        "rootless"
    ]:  # outputs belong to the caller; without root, the container's root is that already
        groups = tuple(str(each) for each in os.getgroups() if each != os.getgid())
        user = f"{os.getuid()}:{os.getgid()}"
        container = container._replace(user=user, groups=groups, remapped=facts["remapped"])
    return Activation("docker", python="python", container=container)


def _modules(use: Use, facts: Facts, place: str) -> dict[str, str]:
    """A project that is a package is mounted and not installed: its modules are found where they lie."""
    if (package := use.get("package")) is None:
        return {}
    folder = os.path.normpath(os.path.join(place, package))
    return {"PYTHONPATH": ":".join(filter(None, (folder, facts.get("modules", ""))))}


def _account() -> dict[str, str]:
    """A home where every user may write, and a name: the image does not know the user."""
    name = os.environ.get("USER") or os.environ.get("LOGNAME") or "user"
    return {"HOME": "/tmp", "USER": name, "LOGNAME": name}  # noqa: S108 inside the container


def _check_gpus(gpus: str, facts: Facts) -> None:
    """The engine itself notices only when the container starts."""
    local = (
        facts["engine"].startswith("unix:") and "Desktop" not in facts["system"] and sys.platform == "linux"
    )
    if not local or facts["nvidia"]:
        return
    if not any(os.path.exists(f"/dev/{name}") for name in ("nvidiactl", "nvidia0", "dxg")):
        raise EnvironmentFailure(
            f"the project asks for GPUs (gpus: {gpus}), and this machine has none that Docker can use",
            "remove `gpus` from docker_env, or run it where there is one",
        )
