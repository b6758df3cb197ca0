"""The packages of a conda environment in a bundle: those of its channels, and wheels for its pip section.

The folder has the lock too, in which the pip section names just these wheels.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from runner.environments.conda import files, lock
from runner.reproduction.bundle import wheels
from runner.running.recorded import Recorded
from runner.values import Activation, Report

__all__ = ["collect"]


def collect(
    recorded: Recorded, prepared: Callable[[], Activation], project: str, folder: str, report: Report
) -> tuple[str, ...]:
    """Fills `folder`; returns what it lacks. `prepared`: the environment, made only if pip has to run in it."""
    file = str(recorded.section("environment").get("file", ""))
    locked = lock.parse(recorded.lock, file)
    files.fetch(file, project, recorded.lock, folder, report)
    pip, notes = "", tuple[str, ...]()
    if locked.pip:
        lines = "".join(f"{line}\n" for line in locked.pip)
        own = os.path.join(folder, "pip")  # beside the channels' folders
        collected = wheels.collect(lines, _pip(prepared()), project, own, report)
        pip, notes = collected.lock, collected.notes
    with open(os.path.join(folder, files.LOCK), "w", encoding="utf-8") as target:
        target.write(lock.write(locked.platform, locked.packages, pip))
    return notes


def _pip(activation: Activation) -> Sequence[str]:
    """The environment's own, or a bundled one that runs on its Python: a wheel can be run as it is."""
    from glob import glob

    from runner.environments.conda import prefix as conda_prefix
    from runner.environments.python import seed

    prefix = activation.prefix
    if glob(os.path.join(prefix, "lib", "python3*", "site-packages", "pip")):
        return [activation.python, "-m", "pip"]
    wheel = seed.pip_wheel(conda_prefix.python_version(prefix))
    return [activation.python, os.path.join(wheel, "pip")] if wheel else [activation.python, "-m", "pip"]
