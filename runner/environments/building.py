"""Builds and removes environments of the cache: looks, locks, looks again, clears rubble, builds, checks, marks."""

from __future__ import annotations

import json
import os
import time
from hashlib import sha256

from runner import __version__, paths
from runner.environments import cache
from runner.environments.base import Kind, Maker, Specified
from runner.errors import EnvironmentFailure
from runner.host import files
from runner.values import Json, Report

__all__ = ["ensure", "in_use", "key_of", "remove", "sweep"]

DAY = 86400  # s


def key_of(kind: str, lock: str, identity: Json, followed: Json = None) -> str:
    """The name of an environment in the cache: 24 hexadecimal digits of a SHA-256 of all that it is made from."""
    parts = json.dumps(
        [cache.FORMAT, kind, lock, identity, *([followed] if followed else [])], sort_keys=True
    )
    return sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def ensure(kind: Kind, maker: Maker, specified: Specified, lock: str, report: Report) -> cache.Found:
    """Looks, locks, looks again, clears rubble, builds in place, checks, and marks it ready."""
    key = key_of(kind.NAMES[0], lock, specified.identity, specified.followed)
    found = _usable(key, kind)
    if found:
        return found
    os.makedirs(cache.folder(), exist_ok=True)
    waiting = "waiting: another proj builds this environment"
    with files.Exclusive(cache.folder(f"{key}.building"), report, waiting) as handle:
        found = _usable(key, kind)
        if found:
            return found
        broken = cache.read(key)
        problem = kind.problem(broken.prefix, broken.facts) if broken else ""
        if not _clear(key):
            if broken is None:
                raise EnvironmentFailure(
                    f"the half-built environment {cache.folder(key)} is in use", "proj env ls"
                )
            report.warn(f"environment {key[:12]}: {problem}; it is in use and cannot be built anew now")
            used = cache.look(key)
            return (used or broken)._replace(problem=problem)
        if broken:
            report.note(f"building environment {key[:12]} anew: {problem}")
        return _build(key, kind, maker, specified, lock, handle, report)


def _usable(key: str, kind: Kind) -> cache.Found | None:
    found = cache.look(key)
    if found and kind.problem(found.prefix, found.facts):
        cache.release(key)
        return None
    return found


def _build(
    key: str, kind: Kind, maker: Maker, specified: Specified, lock: str, handle: int, report: Report
) -> cache.Found:
    prefix, began = cache.folder(key), time.time()
    try:
        facts, details = maker.build(specified.plan, lock, prefix, handle, report)
        os.makedirs(prefix, exist_ok=True)  # a kind that keeps its things elsewhere
        if problem := kind.problem(prefix, facts):
            raise EnvironmentFailure(f"the environment was built, and is broken: {problem}")
    except BaseException:
        files.remove_tree(prefix)
        raise
    with open(cache.folder(f"{key}.in-use"), "a", encoding="utf-8"):
        pass
    files.write(cache.folder(f"{key}.lock"), lock, durable=True)
    marker = {
        "format": cache.FORMAT,
        "kind": kind.NAMES[0],
        "facts": facts,
        "details": {**specified.details, **details},
        "created": int(began * 1000),
        "seconds": round(time.time() - began, 3),
        "proj": __version__,
    }
    files.write(cache.folder(f"{key}.ready"), json.dumps(marker), durable=True)
    found = cache.look(key)
    if found is None:
        raise EnvironmentFailure(f"the marker {cache.folder(key)}.ready cannot be read back")
    return found


def remove(key: str, maker: Maker | None = None) -> bool:
    """Removes an environment; False when it is in use or being built."""
    handle = files.try_lock(cache.folder(f"{key}.building"))
    if handle is None:
        return False
    try:
        found = cache.read(key)
        if not _clear(key):
            return False
        if found and maker:
            maker.remove(found.prefix, found.facts)
        return True
    finally:
        os.close(handle)


def in_use(key: str) -> bool:
    """Whether somebody (not necessarily we) runs in it or builds it; True where we may not lock, as its owner may."""
    try:
        handle = files.try_lock(cache.folder(f"{key}.building"))
    except PermissionError:
        return True
    if handle is None:
        return True
    try:
        alone = files.try_lock(cache.folder(f"{key}.in-use"))
        if alone is not None:
            os.close(alone)
        return alone is None
    finally:
        os.close(handle)


def _clear(key: str) -> bool:
    """Removes marker and folder, marker first; False: it is in use. The caller holds the building lock."""
    cache.release(key)
    # who looks for the environment meanwhile comes to the building lock and waits
    alone = files.try_lock(cache.folder(f"{key}.in-use"))
    if alone is None:
        return False
    try:
        for name in (f"{key}.ready", f"{key}.lock", key):
            files.remove_tree(cache.folder(name))
    finally:
        os.close(alone)
    return True


def sweep(*beginnings: str) -> None:
    """Removes what killed builds left in the folder for temporary files a day ago or earlier, by how it is called."""
    for name in os.listdir(paths.temporary()):
        path = os.path.join(paths.temporary(), name)
        if name.startswith(beginnings) and os.stat(path).st_mtime < time.time() - DAY:
            files.remove_tree(path)
