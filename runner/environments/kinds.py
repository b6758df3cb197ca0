"""The kinds of environment, each imported when it is needed. mypy holds their modules against the Protocols.

`system` is none of them: it is found, not made.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.environments.base import Kind, Maker

__all__ = ["NAMES", "every", "load", "maker", "named"]

# In the order in which a project's files are looked for. A file or a lock that is none of the others' is the first's.
NAMES = ("virtualenv", "conda", "docker", "pixi")


def load(name: str) -> Kind:
    if name == "virtualenv":
        from runner.environments.python import kind as virtualenv

        return virtualenv
    if name == "conda":
        from runner.environments.conda import kind as conda

        return conda
    if name == "docker":
        from runner.environments.docker import kind as docker

        return docker
    if name == "pixi":
        from runner.environments.pixi import kind as pixi

        return pixi
    raise KeyError(name)


def maker(name: str) -> Maker:
    if name == "virtualenv":
        from runner.environments.python import making as virtualenv

        return virtualenv
    if name == "conda":
        from runner.environments.conda import making as conda

        return conda
    if name == "docker":
        from runner.environments.docker import making as docker

        return docker
    if name == "pixi":
        from runner.environments.pixi import making as pixi

        return pixi
    raise KeyError(name)


def every() -> Iterator[Kind]:
    return map(load, NAMES)


def named(name: str) -> Kind | None:
    """By any of its names."""
    return next((kind for kind in every() if name in kind.NAMES), None)
