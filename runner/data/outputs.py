"""What a command wrote: the declared outputs, noted with their hashes and kept as artifacts of the run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from runner.data.contents import Contents, look
from runner.data.inputs import expand, relative
from runner.errors import ProjError
from runner.host import hashing
from runner.host.files import Stamp, stamp
from runner.tracking import artifacts, events
from runner.typed import NamedTuple
from runner.values import Report, Silent

if TYPE_CHECKING:
    from runner.tracking.writer import RunWriter

__all__ = ["Collected", "collect", "filled", "inside", "standing"]

SHOWN = 1 << 23  # bytes; less takes no time that anybody would notice


def filled(patterns: Iterable[str], texts: Mapping[str, str]) -> list[str]:
    """`{name}` in a pattern stands for the value of that parameter."""
    found = []
    for pattern in patterns:
        for name, text in texts.items():
            pattern = pattern.replace("{" + name + "}", text)
        found.append(pattern)
    return found


def standing(patterns: Iterable[str], directory: str) -> dict[str, list[Stamp | None]]:
    """What is there before the command starts: of globs what they find, of a declared folder the files in it.

    Theirs by name, but not what this run wrote unless it changes it: such files of a folder are kept and marked.
    """
    found: dict[str, list[Stamp | None]] = {}
    for pattern in patterns:
        is_glob = any(character in pattern for character in "*?[")
        for path in expand(pattern, directory):
            if is_glob:
                found[path] = _stamps(path)
            if os.path.isdir(path) and not os.path.islink(path):
                found |= {each: [stamp(each, follow=False)] for each in inside(path)}
    return found


def _stamps(path: str) -> list[Stamp | None]:
    """Of a file, or of all that is in a folder."""
    return [stamp(each, follow=False) for each in (path, *inside(path))]


def inside(folder: str) -> Iterator[str]:
    """The files below a folder, with the links, which are not followed."""
    for place, folders, names in os.walk(folder):
        links = [each for each in folders if os.path.islink(os.path.join(place, each))]
        yield from (os.path.join(place, name) for name in sorted([*names, *links]))


class Collected(NamedTuple):
    missing: list[str]  # patterns that stand for nothing
    problems: list[str]  # outputs, and what is in them, that could not be kept, with the reason


def collect(
    writer: RunWriter,
    patterns: Iterable[str],
    directory: str,
    before: Mapping[str, list[Stamp | None]],
    report: Report | None = None,
) -> Collected:
    """Notes and keeps what the patterns stand for. What cannot be kept does not keep the others from it.

    `before`: what was `standing` there; if it still is as it was, an earlier run wrote it. Real files are kept once; a
    link to one of them, or to a folder that is kept, is kept as a link.
    """
    found: dict[str, str] = {}
    collected = Collected([], [])
    for pattern in patterns:
        paths = [
            path for path in expand(pattern, directory) if path not in before or _stamps(path) != before[path]
        ]
        if not paths:
            collected.missing.append(pattern)
        found |= {relative(path, directory): path for path in paths}
    within = [path for name, path in found.items() if not os.path.isabs(name) and not os.path.islink(path)]
    kept = [os.path.realpath(path) for path in within]
    every = [
        (name, path, look(path, os.path.basename(name) if os.path.isabs(name) else name, kept))
        for name, path in found.items()
    ]
    total = sum(_size(file) for _, _, contents in every for file in contents.files.values())
    shown = report if report is not None and total > SHOWN else Silent()
    with shown.step("keeping outputs") as step:
        meter = artifacts.Meter(step, 2 * total)  # each is read twice
        for name, path, contents in every:
            try:
                collected.problems.extend(_keep(writer, name, path, contents, before, meter))
            except (ProjError, OSError) as error:
                collected.problems.append(f"{name} ({getattr(error, 'strerror', None) or error})")
    return collected


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _keep(
    writer: RunWriter,
    name: str,
    path: str,
    contents: Contents,
    before: Mapping[str, list[Stamp | None]],
    meter: artifacts.Meter,
) -> list[str]:
    """The problems that there were. One outside the project is kept by its own name."""
    found = [each for each, place in contents.files.items() if before.get(place) == _stamps(place)]
    if len(found) == len(contents.files):
        found = []  # it is as it was, as a whole
    kept = os.path.basename(name) if os.path.isabs(name) else name
    for link in contents.links:
        place = path + link[len(kept) :]
        if place != path and place in before and before[place] == _stamps(place):
            found.append(link)
    if contents.files or contents.links or not contents.problems:
        try:
            digest, size = hashing.digest(path, meter.of(f"hashing {name}"))
            writer.append(
                events.output(
                    name, digest, size, contents.links, found, contents.executable, contents.folders
                )
            )
        except OSError:
            pass  # which of its files cannot be read is said below
    return [*contents.problems, *artifacts.keep(writer, contents.files, contents.links, meter)]
