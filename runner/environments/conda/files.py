"""The packages of a conda lock as files: fetched into a folder, and found there again when there is no network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from urllib.parse import quote, unquote

from runner.environments.conda.lock import Package
from runner.errors import EnvironmentFailure
from runner.host.files import digest
from runner.text.credentials import redact
from runner.values import Report

__all__ = ["LOCK", "at_hand", "fetch"]

LOCK = "conda.lock"  # beside the packages: <subdir>/<file>


def fetch(file: str, directory: str, lock: str, folder: str, report: Report) -> None:
    """Fills `folder`, each file checked against the lock. `file`: the specification, which may name the channels'
    logins; EnvironmentFailure for what is not to be had."""
    from runner.environments.conda import channels, solving, spec
    from runner.environments.conda import lock as conda_lock

    settings = channels.settings()
    wanted = spec.read(file, directory)
    packages = conda_lock.parse(lock, file).packages
    complete = conda_lock.with_credentials(packages, channels.addresses(wanted, settings))
    with report.step(f"collecting {len(packages)} conda packages") as step:
        for number, package in enumerate(complete, 1):
            target = _place(package, folder)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            try:
                if package.url.startswith("file://"):
                    _copy(package.url, target)
                else:
                    solving.download(package.url, target, settings)
            except Exception as error:  # noqa: BLE001 - rattler's own classes are not documented
                reason = getattr(error, "strerror", "") or redact(str(error))
                raise EnvironmentFailure(
                    f"the package {redact(package.url)} cannot be fetched: {reason}",
                    "a bundle needs the channels once; without them: --no-packages",
                ) from None
            if package.digest and _digest(target, package.digest) != package.digest:
                raise EnvironmentFailure(
                    f"hash mismatch: {redact(package.url)} is not the package that the lock means",
                    "without the packages: --no-packages",
                )
            step.update("collecting", number, len(packages))


def at_hand(packages: Sequence[Package], folder: str) -> list[Package]:
    """The same packages, at the addresses of their files. They are checked when they are installed."""
    found = []
    for package in packages:
        path = _place(package, folder)
        if not os.path.exists(path):
            raise EnvironmentFailure(
                f"the conda package {package.subdir}/{package.file} is not in the bundle"
            )
        found.append(package._replace(url="file://" + quote(path)))
    return found


def _place(package: Package, folder: str) -> str:
    return os.path.join(folder, package.subdir, package.file)


def _copy(url: str, target: str) -> None:
    import shutil

    path = url.removeprefix("file://")
    shutil.copyfile(path if os.path.exists(path) else unquote(path), target)


def _digest(path: str, known: str) -> str:
    """SHA-256 or MD5, as long as the known one."""
    return digest(path, algorithm="sha256" if len(known) == 64 else "md5").hex
