"""The environment of a pixi.lock: conda packages and wheels, exactly as pixi resolved them; pixi is not needed."""

from __future__ import annotations

from runner.environments.conda import kind as conda
from runner.environments.conda.kind import Facts
from runner.values import Activation

NAMES: tuple[str, ...] = ("pixi",)
ABOUT = "the environment of a pixi.lock"
FILES: tuple[str, ...] = ("pixi.lock",)
READS: tuple[str, ...] = ()
HINT = "pixi lock  makes a pixi.lock from a pixi.toml; pixi init  makes that"
LOCK_NAME = conda.LOCK_NAME  # it is in conda's format
LOCKS_PYTHON = True


def key() -> None:
    """MLflow knows no such key, and the file speaks for itself."""


def has(directory: str, file: str) -> bool:  # noqa: ARG001
    return True


problem = conda.problem


def activate(prefix: str, facts: Facts, use: None) -> Activation:
    return conda.activate(prefix, facts, use)._replace(kind="pixi")
