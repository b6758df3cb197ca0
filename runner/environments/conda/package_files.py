"""Conda packages as files: of a channel that is a folder, and in the folder that a bundle brings along."""

from __future__ import annotations

import os
from collections.abc import Sequence
from urllib.parse import quote, unquote

from runner.environments.conda.lock import Package
from runner.errors import EnvironmentFailure
from runner.host.files import digest

__all__ = ["at_hand", "local", "matches", "place"]


def place(package: Package, folder: str) -> str:
    """Where it is in a folder of packages."""
    return os.path.join(folder, package.subdir, package.file)


def at_hand(packages: Sequence[Package], folder: str) -> list[Package]:
    """The same packages, at the addresses of their files. They are checked when they are installed."""
    found = []
    for package in packages:
        path = place(package, folder)
        if not os.path.exists(path):
            raise EnvironmentFailure(
                f"the conda package {package.subdir}/{package.file} is not in the bundle"
            )
        found.append(package._replace(url="file://" + quote(path)))
    return found


def local(url: str) -> str:
    """The path that a file:// URL means; "" for others."""
    if not url.startswith("file://"):
        return ""
    path = url.removeprefix("file://")
    return path if os.path.exists(path) else unquote(path)


def matches(path: str, expected: str) -> bool:
    """`expected`: SHA-256 or MD5, told apart by their lengths; "" matches everything."""
    if not expected:
        return True
    return digest(path, algorithm="sha256" if len(expected) == 64 else "md5").hex == expected
