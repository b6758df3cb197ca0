"""The kinds of environment, each imported when it is needed. mypy holds their modules against the Protocols.

`system` is none of them: it is found, not made.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from runner.typed import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from runner.environments.base import Kind, Maker
    from runner.environments.conda import kind as conda
    from runner.environments.conda import making as conda_making
    from runner.environments.docker import kind as docker
    from runner.environments.docker import making as docker_making
    from runner.environments.pixi import kind as pixi
    from runner.environments.pixi import making as pixi_making
    from runner.environments.python import kind as python
    from runner.environments.python import making as python_making

    _kinds: tuple[Kind, ...] = (python, conda, docker, pixi)
    _makers: tuple[Maker, ...] = (python_making, conda_making, docker_making, pixi_making)

__all__ = ["NAMES", "every", "load", "maker", "named"]

# In the order in which a project's files are looked for. A file or a lock that is none of the others' is the first's.
ROOMS = {"virtualenv": "python", "conda": "conda", "docker": "docker", "pixi": "pixi"}
NAMES = tuple(ROOMS)


def load(name: str) -> Kind:
    return cast("Kind", import_module(f"runner.environments.{ROOMS[name]}.kind"))


def maker(name: str) -> Maker:
    return cast("Maker", import_module(f"runner.environments.{ROOMS[name]}.making"))


def every() -> Iterator[Kind]:
    return map(load, NAMES)


def named(name: str) -> Kind | None:
    """By any of its names."""
    return next((kind for kind in every() if name in kind.NAMES), None)
