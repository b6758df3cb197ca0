"""Conda packages as files: of a channel that is a folder, and in the folder that a bundle brings along."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from urllib.parse import quote, unquote

from runner.environments.conda.lock import Package
from runner.errors import EnvironmentFailure

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


def matches(path: str, digest: str) -> bool:
    """`digest`: SHA-256 or MD5, told apart by their lengths; "" matches everything."""
    if not digest:
        return True
    total = hashlib.sha256() if len(digest) == 64 else hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            total.update(data)
    return total.hexdigest() == digest
