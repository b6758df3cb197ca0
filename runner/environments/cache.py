"""One cache for the environments of all kinds: looked up by content, built once, marked ready last.

    <key>/          the environment, built in its final place: virtualenvs and conda prefixes cannot be moved
    <key>.ready     JSON, written last and atomically: without it, the folder is rubble of a killed build
    <key>.lock      text of the lock that it was built from
    <key>.building  locked by the one who builds or removes it, and by his children
    <key>.in-use    locked (shared) by whoever runs in it; its modification time is the time of the last use

Nobody removes anything without holding both locks; the system takes them back from a process that dies.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from runner import __version__, paths
from runner.environments.base import Kind, Specified
from runner.errors import EnvironmentFailure
from runner.values import Environment, Json, Report

try:
    import fcntl
except ImportError:  # Windows: no locks between processes
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "Found",
    "ensure",
    "exclusive",
    "folder",
    "hold",
    "key_of",
    "lock_text",
    "look",
    "read",
    "ready",
    "release",
    "remove",
]

FORMAT = 1


class Found(NamedTuple):
    """An environment that is ready."""

    key: str
    prefix: str
    kind: str
    facts: Mapping[str, Any]  # what build() returned
    details: Mapping[str, Any]
    created: int  # ms
    problem: str = ""  # what is wrong with it although it has to be used


_held: dict[str, int] = {}  # folder -> file that keeps the environment in use by this process


def folder(*parts: str) -> str:
    return paths.cache("environments", *parts)


def key_of(kind: str, lock: str, identity: Json) -> str:
    from hashlib import sha256

    parts = json.dumps([FORMAT, kind, lock, identity], sort_keys=True)
    return sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def ready() -> list[str]:
    """All environments that are ready."""
    try:
        return sorted(name[:-6] for name in os.listdir(folder()) if name.endswith(".ready"))
    except FileNotFoundError:
        return []


def lock_text(key: str) -> str:
    try:
        with open(folder(f"{key}.lock"), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def read(key: str) -> Found | None:
    """What the marker says, without holding the environment."""
    try:
        with open(folder(f"{key}.ready"), encoding="utf-8") as file:
            marker = json.load(file)
        if marker["format"] != FORMAT:
            return None
        return Found(key, folder(key), marker["kind"], marker["facts"], marker["details"], marker["created"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def look(key: str) -> Found | None:
    """The environment if it is ready; then it is in use, until release() or the end of this process."""
    prefix = folder(key)
    if prefix not in _held:
        try:
            handle = os.open(folder(f"{key}.in-use"), os.O_RDONLY)
        except FileNotFoundError:
            return None
        if not _take(handle, shared=True):
            os.close(handle)  # it is being removed, or tried: ensure() waits for that and looks again
            return None
        _held[prefix] = handle
    found = read(key)
    if found is None:
        release(key)
        return None
    try:
        os.utime(_held[prefix])
    except OSError:
        pass
    return found


def hold(environment: Environment) -> int:
    """An inheritable file: while the command or a child of it has it open, nobody removes the environment.

    -1 for an environment that is not in the cache.
    """
    handle = _held.get(folder(environment.key), -1)
    if handle >= 0:
        os.set_inheritable(handle, True)
    return handle


def release(key: str) -> None:
    handle = _held.pop(folder(key), -1)
    if handle >= 0:
        os.close(handle)


def ensure(name: str, kind: Kind, specified: Specified, lock: str, report: Report) -> Found:
    """Looks, locks, looks again, clears rubble, builds in place, checks, and marks it ready."""
    key = key_of(name, lock, specified.identity)
    found = _usable(key, kind)
    if found:
        return found
    os.makedirs(folder(), exist_ok=True)
    waiting = "waiting: another proj builds this environment"
    with exclusive(folder(f"{key}.building"), report, waiting) as handle:
        found = _usable(key, kind)
        if found:
            return found
        broken = read(key)
        problem = kind.problem(broken.prefix, broken.facts) if broken else ""
        if not _clear(key):
            if broken is None:
                raise EnvironmentFailure(f"the half-built environment {folder(key)} is in use", "proj env ls")
            report.warn(f"environment {key[:12]}: {problem}; it is in use and cannot be built anew now")
            used = look(key)
            return (used or broken)._replace(problem=problem)
        if broken:
            report.note(f"building environment {key[:12]} anew: {problem}")
        return _build(key, name, kind, specified, lock, handle, report)


def _usable(key: str, kind: Kind) -> Found | None:
    found = look(key)
    if found and kind.problem(found.prefix, found.facts):
        release(key)
        return None
    return found


def _build(
    key: str, name: str, kind: Kind, specified: Specified, lock: str, handle: int, report: Report
) -> Found:
    prefix, began = folder(key), time.time()
    try:
        facts = kind.build(specified, lock, prefix, handle, report)
        os.makedirs(prefix, exist_ok=True)  # a kind that keeps its things elsewhere
        if problem := kind.problem(prefix, facts):
            raise EnvironmentFailure(f"the environment was built, and is broken: {problem}")
    except BaseException:
        _rmtree(prefix)
        raise
    with open(folder(f"{key}.in-use"), "a", encoding="utf-8"):
        pass
    _write(folder(f"{key}.lock"), lock)
    marker = {
        "format": FORMAT,
        "kind": name,
        "facts": dict(facts),
        "details": {**specified.details, **_mapping(facts.get("details"))},
        "created": int(began * 1000),
        "seconds": round(time.time() - began, 3),
        "proj": __version__,
    }
    _write(folder(f"{key}.ready"), json.dumps(marker))
    found = look(key)
    if found is None:
        raise EnvironmentFailure(f"the marker {folder(key)}.ready cannot be read back")
    return found


def _mapping(value: Json) -> Mapping[str, Json]:
    """A build may know more for the record than its specification did: `details` among its facts."""
    return value if isinstance(value, dict) else {}


def remove(key: str, kind: Kind | None = None) -> bool:
    """Removes an environment; False when it is in use or being built."""
    handle = os.open(folder(f"{key}.building"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _take(handle, shared=False):
            return False
        found = read(key)
        if not _clear(key):
            return False
        if found and kind:
            kind.remove(found.prefix, found.facts)
        return True
    finally:
        os.close(handle)


def in_use(key: str) -> bool:
    """Whether somebody (not necessarily we) runs in it or builds it."""
    handle = os.open(folder(f"{key}.building"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _take(handle, shared=False):
            return True
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
    handle = os.open(folder(f"{key}.in-use"), os.O_RDWR | os.O_CREAT, 0o644)
    if _take(handle, shared=False):
        return handle
    os.close(handle)
    return None


def _clear(key: str) -> bool:
    """Removes marker and folder, marker first; False: it is in use. The caller holds the building lock."""
    release(key)
    alone = _alone(key)
    if alone is None:
        return False
    try:
        for name in (f"{key}.ready", f"{key}.lock", f"{key}.fingerprint"):
            if os.path.lexists(folder(name)):
                os.unlink(folder(name))
        _rmtree(folder(key))
    finally:
        os.close(alone)
    return True


@contextmanager
def exclusive(path: str, report: Report, waiting: str) -> Iterator[int]:
    """Holds the lock file `path`; when another process has it, says `waiting` and waits."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _take(handle, shared=False):
            with report.step(waiting):
                _take(handle, shared=False, wait=True)
        yield handle
    finally:
        os.close(handle)


def _take(handle: int, *, shared: bool, wait: bool = False) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
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


def _write(path: str, text: str) -> None:
    draft = f"{path}.{os.getpid()}"
    with open(draft, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
