"""The image of a run in a container, as a file in a bundle."""

from __future__ import annotations

import json
import os

from runner.containers import engine
from runner.errors import EnvironmentFailure
from runner.host import process
from runner.reproduction.bundle.supplies import Supplies
from runner.running.recorded import Recorded
from runner.values import Report

__all__ = ["FILE", "load", "save"]

FILE = "image.tar"


def save(lock: str, folder: str, report: Report) -> None:
    """The image that a docker.lock names. EnvironmentFailure when the engine has it no more."""
    identity = _id(lock)
    if engine.problem() or engine.inspect("image", identity) is None:
        raise EnvironmentFailure(
            f"the image {identity[:19]} is not here: it cannot be packed", "--no-packages"
        )
    os.makedirs(folder)
    with report.step("packing the image"):
        _engine("save", "-o", os.path.join(folder, FILE), identity)


def load(recorded: Recorded, supplies: Supplies, report: Report) -> None:
    """Gives the images of a bundle to the engine, if it lacks them."""
    for each in (recorded, *recorded.descendants()):
        path = supplies.file(each.lock, FILE)
        if path and not engine.problem() and engine.inspect("image", _id(each.lock)) is None:
            with report.step("loading the image"):
                _engine("load", "-i", path)


def _id(lock: str) -> str:
    try:
        return str(json.loads(lock)["id"])
    except (ValueError, KeyError, TypeError):
        raise EnvironmentFailure("the lock names no image") from None


def _engine(*arguments: str) -> None:
    done = process.run([engine.program(), *arguments])
    if done.code:
        reason = (done.err.strip().splitlines() or ["?"])[-1]
        raise EnvironmentFailure(f"{engine.program()} {arguments[0]}: {reason}")
