"""The packages of a conda environment in a bundle: those of its channels, and wheels for its pip section.

The folder has the lock too, in which the pip section names just these wheels.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from glob import glob

from runner.environments.conda import package_files
from runner.environments.conda.channels import Settings
from runner.environments.conda.lock import Package, parse, with_credentials, write
from runner.environments.conda.plan import Plan
from runner.environments.conda.prefix import python_version
from runner.environments.python import seed, wheels
from runner.environments.python.lockfile import versions
from runner.environments.python.wheels import Code
from runner.errors import EnvironmentFailure
from runner.text.credentials import redact
from runner.text.units import counted
from runner.values import Activation, Environment, Report

__all__ = ["collect"]

LOCK = "conda.lock"  # beside the packages: <subdir>/<file>


def collect(
    text: str, plan: Plan, folder: str, prepared: Callable[[], Environment], report: Report
) -> tuple[str, ...]:
    """Fills `folder` with what a lock names; returns what it lacks."""
    locked = parse(text, plan.shown)
    _fetch(with_credentials(locked.packages, plan.addresses), folder, plan.settings, report)
    lines, notes = "", tuple[str, ...]()
    if locked.pip:
        pinned = "".join(f"{line}\n" for line in locked.pip)
        own = os.path.join(folder, "pip")  # beside the channels' folders
        made = prepared()
        code = Code(plan.file.base, versions(made.details))
        collected = wheels.collect(pinned, _pip(made.activation), code, own, report)
        lines, notes = collected.lock, collected.notes
    with open(os.path.join(folder, LOCK), "w", encoding="utf-8") as target:
        target.write(write(locked.platform, locked.packages, lines))
    return notes


def _fetch(packages: Sequence[Package], folder: str, settings: Settings, report: Report) -> None:
    """Each file checked against the lock. EnvironmentFailure for what is not to be had."""
    from runner.environments.conda import solving

    os.makedirs(folder, exist_ok=True)
    with report.step(f"collecting {counted(len(packages), 'conda package')}") as step:
        for number, package in enumerate(packages, 1):
            target = package_files.place(package, folder)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            try:
                if source := package_files.local(package.url):
                    shutil.copyfile(source, target)
                else:
                    solving.download(package.url, target, settings)
            except Exception as error:  # noqa: BLE001 - rattler's own classes are not documented
                reason = getattr(error, "strerror", "") or redact(str(error))
                raise EnvironmentFailure(
                    f"the package {redact(package.url)} cannot be fetched: {reason}",
                    "a bundle needs the channels once; without them: --no-packages",
                ) from None
            if not package_files.matches(target, package.digest):
                raise EnvironmentFailure(
                    f"hash mismatch: {redact(package.url)} is not the package that the lock means",
                    "without the packages: --no-packages",
                )
            step.update(f"{number} of {len(packages)}")


def _pip(activation: Activation) -> Sequence[str]:
    """The environment's own, or a bundled one that runs on its Python: a wheel can be run as it is."""
    if not glob(os.path.join(activation.prefix, "lib", "python3*", "site-packages", "pip")):
        wheel = seed.pip_wheel(python_version(activation.prefix))
        if wheel:
            return [activation.python, os.path.join(wheel, "pip")]
    return [activation.python, "-m", "pip"]
