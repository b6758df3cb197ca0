"""What the values of an event are, where the program reads more than a text of them.

Logs come from other versions, other programs and other people: a value of another kind counts as absent, and so does
one in a list or an object of such values. What is not named here may be anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from runner.tracking.events import Event

__all__ = ["shaped"]

Shape: TypeAlias = "Callable[[Any], bool]"


def text(value: object) -> bool:
    return isinstance(value, str)


def number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGE < value < LARGE


def whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -LARGE < value < LARGE


def name_or_number(value: object) -> bool:
    """The artifact that lists things, or how many there are."""
    return text(value) or whole(value)


def flag(value: object) -> bool:
    return isinstance(value, bool)


def texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(map(text, value))


def mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def mapping_of_texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(map(text, value.values()))


def simple(value: object) -> bool:
    return value is None or isinstance(value, str | bool) or number(value) or texts(value)


def options(value: object) -> bool:
    """Of `proj run`."""
    return isinstance(value, Mapping) and all(
        simple(each) or (isinstance(each, Mapping) and all(map(simple, each.values())))
        for each in value.values()
    )


def files(value: object) -> bool:
    """Paths, with what is known of them."""
    return isinstance(value, list | tuple) and all(
        isinstance(each, Mapping) and text(each.get("path")) and _fits(each, FILE) for each in value
    )


def gpus(value: object) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(each, Mapping) and number(each.get("memory", 0)) for each in value
    )


SCALARS = (text, whole, flag)  # what may be null
LARGE = 1 << 63
FILE: Mapping[str, Shape] = {
    **dict.fromkeys(("path", "uri", "digest", "origin", "version", "reason", "commit", "repository"), text),
    "size": number,
    "links": mapping_of_texts,
}
SHAPES: Mapping[str, Mapping[str, Shape]] = {
    "source": dict.fromkeys(
        (
            *("uri", "kind", "repository", "version", "commit", "branch", "subdirectory", "directory"),
            *("path", "first_commit", "inode"),
        ),
        text,
    ),
    "code": {
        **dict.fromkeys(("commit", "branch", "repository", "tree", "problem"), text),
        "dirty": flag,
        "left_out": files,
        "submodules": files,
        "folders": texts,
    },
    "command": {
        **dict.fromkeys(("command", "directory", "stdin"), text),
        "variables": mapping_of_texts,
        "options": options,
    },
    "environment": {
        **dict.fromkeys(
            ("kind", "key", "lock", "lock_digest", "python", "file", "fingerprint", "interpreter"), text
        ),
        "packages": name_or_number,
        "warnings": texts,
    },
    "machine": {
        **dict.fromkeys(("host", "os", "cpu"), text),
        **dict.fromkeys(("cores", "memory"), number),
        "gpus": gpus,
        "ci": mapping,
    },
    "supervisor": {
        **dict.fromkeys(("pid_start", "boot_id", "host", "token", "cgroup", "guard_start"), text),
        **dict.fromkeys(("pid", "group", "guard"), whole),
    },
    "workdir": {**dict.fromkeys(("kind", "directory"), text), "beside": texts},
    "resources": dict.fromkeys(("peak_memory", "peak_memory_of_all", "cpu_time", "duration"), number),
    "input": FILE,
    "output": FILE,
    "artifact": FILE,
    "dataset": dict.fromkeys(("name", "digest", "source_type", "source", "schema", "profile"), text),
    "link": {**dict.fromkeys(("relation", "run_id", "model_id"), text), "step": number},
    "verification": {**dict.fromkeys(("verdict", "cause", "report"), text), "run_ids": texts},
    "end": {**dict.fromkeys(("reason", "signal", "message", "by"), text), "exit_code": whole},
}  # fmt: skip


def shaped(event: Event, problem: Callable[[Event], None] | None = None) -> Event:
    """The event without the values that are of another kind than is known; itself when there are none."""
    known = SHAPES.get(event["type"])
    if known is None or _fits(event, known):
        return event
    if problem is not None:
        problem(event)
    return {key: value for key, value in event.items() if key not in known or _is(value, known[key])}


def _fits(found: Mapping[str, Any], known: Mapping[str, Shape]) -> bool:
    return all(_is(value, known[key]) for key, value in found.items() if key in known)


def _is(value: object, shape: Shape) -> bool:
    return shape(value) if value is not None else shape in SCALARS
