"""What a pixi.lock says about this machine (https://pixi.sh/latest/workspace/lockfile), read by py-rattler."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

from runner.environments.conda.lock import Package
from runner.errors import EnvironmentFailure, InputError

try:
    from rattler.exceptions import ParseCondaLockError
    from rattler.lock import CondaLockedBinaryPackage, LockedPackage, LockFile, PypiLockedPackage
except ImportError:
    raise EnvironmentFailure(
        "a pixi.lock is read by py-rattler, which is not installed with proj",
        "pip install 'proj-runner[conda]'",
    ) from None

__all__ = ["Locked", "read"]


class Locked(NamedTuple):
    """The packages of the default environment."""

    channels: tuple[str, ...]  # URLs
    conda: tuple[Package, ...]
    lines: tuple[str, ...]  # requirements for pip, each with where it is from
    names: frozenset[str]  # of all


def read(path: str, shown: str, platform: str) -> Locked:
    """`platform` as conda calls it: linux-64. InputError for a lock that says nothing about it."""
    try:
        environment = dict(LockFile.from_path(Path(path)).environments()).get("default")
    except ParseCondaLockError as error:
        raise InputError(f"{shown} cannot be read: {error}", "pixi lock") from None
    if environment is None:
        raise InputError(f"{shown} has no environment `default`", "pixi lock")
    known = {str(each.subdir): each for each in environment.platforms()}
    if platform not in known:
        raise InputError(
            f"{shown} is for {', '.join(sorted(known))}, and this is {platform}",
            f"pixi workspace platform add {platform}",
        )
    conda, lines = [], []
    found = environment.packages(known[platform]) or []
    for each in found:
        if isinstance(each, PypiLockedPackage):
            lines.append(_line(each, os.path.dirname(path)))
        elif isinstance(each, CondaLockedBinaryPackage):
            conda.append(Package(each.repo_data_record().url, _digest(each)))
        else:
            raise InputError(f"{shown}: {each.name} has to be built by pixi", "publish it to a channel")
    channels = tuple(str(each) for each in environment.channels())
    return Locked(channels, tuple(conda), tuple(lines), frozenset(each.name for each in found))


def _line(package: PypiLockedPackage, folder: str) -> str:
    address, digest = package.location, _digest(package)
    if address.startswith("git+"):
        address, _, commit = address.partition("#")
        address, _, query = address.partition("?")
        inner = parse_qs(query).get("subdirectory", [""])[0]
        address = f"{address}@{commit}" + (f"#subdirectory={inner}" if inner else "")
    elif os.path.isdir(os.path.join(folder, address)):
        return f"-e {address}"
    return f"{package.name} @ {address}" + (f" --hash=sha256:{digest}" if digest else "")


def _digest(package: LockedPackage) -> str:
    """SHA-256, or else MD5, hexadecimal; "" where there is none, for which rattler has an error of its own."""
    try:
        hashes = package.hashes
        found = hashes and (hashes.sha256 or hashes.md5)
    except AttributeError:
        return ""
    return found.hex() if found else ""
