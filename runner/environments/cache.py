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
from collections.abc import Mapping, Sequence

from runner import paths
from runner.host import files
from runner.typed import TYPE_CHECKING, NamedTuple
from runner.values import Environment, Json

if TYPE_CHECKING:
    from typing import Any

__all__ = ["FORMAT", "Found", "changed", "folder", "hold", "lock_text", "look", "read", "ready", "release"]

FORMAT = 1


class Found(NamedTuple):
    """An environment that is ready."""

    key: str
    prefix: str
    kind: str
    facts: Any  # the kind's own: what build() returned
    details: Mapping[str, Json]
    created: int  # ms
    problem: str = ""  # what is wrong with it although it has to be used


_held: dict[str, int] = {}  # folder -> file that keeps the environment in use by this process


def folder(*parts: str) -> str:
    return paths.cache("environments", *parts)


def ready() -> list[str]:
    """All environments that are ready."""
    try:
        return sorted(name[:-6] for name in os.listdir(folder()) if name.endswith(".ready"))
    except FileNotFoundError:
        return []


def lock_text(key: str) -> str:
    """ "" for an environment that was made without one."""
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
            handle = files.try_lock(folder(f"{key}.in-use"), shared=True)
        except FileNotFoundError:
            return None
        if handle is None:
            return None  # it is being removed, or tried: ensure() waits for that and looks again
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
    """It is no longer in use by this process; `gc` may remove it."""
    handle = _held.pop(folder(key), -1)
    if handle >= 0:
        os.close(handle)


def changed(now: Sequence[str], then: Sequence[str]) -> str:
    """What somebody did to the packages of an environment by hand, as its problem; or ""."""
    if now == then:
        return ""
    differing = sorted(set(now) ^ set(then))
    more = ", ..." if len(differing) > 5 else ""
    return f"its packages were changed by hand ({', '.join(differing[:5])}{more})"
