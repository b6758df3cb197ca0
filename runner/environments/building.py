"""Builds and removes environments of the cache: looks, locks, looks again, clears rubble, builds, checks, marks."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping

from runner import __version__
from runner.environments import cache
from runner.environments.base import Kind, Specified
from runner.errors import EnvironmentFailure
from runner.host import files
from runner.values import Json, Report

__all__ = ["ensure", "in_use", "key_of", "remove"]


def key_of(kind: str, lock: str, identity: Json) -> str:
    from hashlib import sha256

    parts = json.dumps([cache.FORMAT, kind, lock, identity], sort_keys=True)
    return sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def ensure(name: str, kind: Kind, specified: Specified, lock: str, report: Report) -> cache.Found:
    """Looks, locks, looks again, clears rubble, builds in place, checks, and marks it ready."""
    key = key_of(name, lock, specified.identity)
    found = _usable(key, kind)
    if found:
        return found
    os.makedirs(cache.folder(), exist_ok=True)
    waiting = "waiting: another proj builds this environment"
    with files.exclusive(cache.folder(f"{key}.building"), report, waiting) as handle:
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
        return _build(key, name, kind, specified, lock, handle, report)


def _usable(key: str, kind: Kind) -> cache.Found | None:
    found = cache.look(key)
    if found and kind.problem(found.prefix, found.facts):
        cache.release(key)
        return None
    return found


def _build(
    key: str, name: str, kind: Kind, specified: Specified, lock: str, handle: int, report: Report
) -> cache.Found:
    prefix, began = cache.folder(key), time.time()
    try:
        facts = kind.build(specified, lock, prefix, handle, report)
        os.makedirs(prefix, exist_ok=True)  # a kind that keeps its things elsewhere
        if problem := kind.problem(prefix, facts):
            raise EnvironmentFailure(f"the environment was built, and is broken: {problem}")
    except BaseException:
        _rmtree(prefix)
        raise
    with open(cache.folder(f"{key}.in-use"), "a", encoding="utf-8"):
        pass
    files.write(cache.folder(f"{key}.lock"), lock, durable=True)
    marker = {
        "format": cache.FORMAT,
        "kind": name,
        "facts": dict(facts),
        "details": {**specified.details, **_mapping(facts.get("details"))},
        "created": int(began * 1000),
        "seconds": round(time.time() - began, 3),
        "proj": __version__,
    }
    files.write(cache.folder(f"{key}.ready"), json.dumps(marker), durable=True)
    found = cache.look(key)
    if found is None:
        raise EnvironmentFailure(f"the marker {cache.folder(key)}.ready cannot be read back")
    return found


def _mapping(value: Json) -> Mapping[str, Json]:
    """A build may know more for the record than its specification did: `details` among its facts."""
    return value if isinstance(value, dict) else {}


def remove(key: str, kind: Kind | None = None) -> bool:
    """Removes an environment; False when it is in use or being built."""
    handle = files.try_lock(cache.folder(f"{key}.building"))
    if handle is None:
        return False
    try:
        found = cache.read(key)
        if not _clear(key):
            return False
        if found and kind:
            kind.remove(found.prefix, found.facts)
        return True
    finally:
        os.close(handle)


def in_use(key: str) -> bool:
    """Whether somebody (not necessarily we) runs in it or builds it."""
    handle = files.try_lock(cache.folder(f"{key}.building"))
    if handle is None:
        return True
    try:
        alone = _alone(key)
        if alone is not None:
            os.close(alone)
        return alone is None
    finally:
        os.close(handle)


def _alone(key: str) -> int | None:
    """The in-use lock for us alone, or None when somebody runs in it.

    The caller holds the building lock: who looks for the environment meanwhile comes to that lock and waits.
    """
    return files.try_lock(cache.folder(f"{key}.in-use"))


def _clear(key: str) -> bool:
    """Removes marker and folder, marker first; False: it is in use. The caller holds the building lock."""
    cache.release(key)
    alone = _alone(key)
    if alone is None:
        return False
    try:
        for name in (f"{key}.ready", f"{key}.lock"):
            if os.path.lexists(cache.folder(name)):
                os.unlink(cache.folder(name))
        _rmtree(cache.folder(key))
    finally:
        os.close(alone)
    return True


def _rmtree(path: str) -> None:
    import shutil

    if not os.path.lexists(path):
        return
    try:
        shutil.rmtree(path)
    except PermissionError:  # read-only folders inside
        for parent, _, _ in os.walk(path):
            os.chmod(parent, 0o700)
        shutil.rmtree(path)
