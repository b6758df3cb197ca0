"""Which runs are of one project: where it lives tells, not what it is called.

A record says where its code came from (section `source`). Two places are of one project when they have the same remote,
first commit or folder on disk; so it stays the same project after `git init`, with a new remote, in a second clone and
when it is moved. This is decided when somebody asks, from what the records say: nothing is to be kept up to date.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator

from runner.tracking.events import Facts
from runner.tracking.fold import Run
from runner.typed import NamedTuple

__all__ = [
    "NOWHERE",
    "Place",
    "Scope",
    "key",
    "moved",
    "normal",
    "of_run",
    "of_source",
    "one_project",
    "related",
]

PORTS = ("22", "80", "443", "9418")  # those that an address means when it names none


class Place(NamedTuple):
    """Each is "" when it is not known."""

    remote: str = ""  # address of the repository, in one spelling for all of them (see `normal`)
    first_commit: str = ""  # id; never of a shallow clone
    inside: str = ""  # folder of the project in the repository
    path: str = ""  # folder of the project on disk, without symbolic links
    inode: str = (
        ""  # of that folder, `NUMBER:GENERATION`: it stays the same when the folder is moved or renamed
    )
    name: str = (
        ""  # counts only for records that say nothing else, and for folders whose inode has no generation
    )

    @property
    def address(self) -> str:
        """Of the repository on disk, as the clones that are made of it there name it."""
        inside = f"/{self.inside}"
        return self.path.removesuffix(inside) if self.inside and self.path.endswith(inside) else self.path

    @property
    def is_marked(self) -> bool:
        return bool(self.remote or self.first_commit or self.path)


NOWHERE = Place()


class Scope(NamedTuple):
    """The runs of one project, by the keys of their places."""

    near: tuple[str, ...]  # in this folder
    others: tuple[str, ...]  # in other clones, or where it was before

    @property
    def keys(self) -> tuple[str, ...]:
        return self.near + self.others


def of_run(run: Run) -> Place:
    """NOWHERE for a run that only a client made: it belongs to the run that it is in."""
    source = run.sections.get("source")
    if source is None and (run.tags.get("mlflow.source.git.repoURL") or run.project):
        source = {"repository": run.tags.get("mlflow.source.git.repoURL", "")}
    return NOWHERE if source is None else of_source(source, run.project)


def of_source(source: Facts, name: str) -> Place:
    """From the section `source` of a record, of whatever version of proj."""
    kind, uri = _text(source, "kind"), _text(source, "uri")
    remote = _text(source, "repository") or (uri if kind == "archive" else "")
    path = _text(source, "path") or _text(source, "directory") or (uri if kind == "local" else "")
    return Place(
        normal(remote),
        _text(source, "first_commit"),
        _text(source, "subdirectory"),
        path,
        _text(source, "inode"),
        name,
    )


def _text(source: Facts, name: str) -> str:
    found = source.get(name)
    return found if isinstance(found, str) else ""


def normal(url: str) -> str:
    """`git@HOST:a/b.git`, `https://user@host/a/b/` and `ssh://git@host:22/a/b` are `host/a/b`; a folder is its path."""
    scheme, found, rest = url.partition("://")
    if not found:
        host, colon, path = url.partition(":")
        if not colon or "/" in host or len(host) < 2:
            return _without_git(os.path.normpath(url)) if url else ""
        rest = f"{host}/{path.lstrip('/')}"
    elif scheme == "file":
        return normal(rest)
    host, _, path = rest.partition("/")
    host = host.rpartition("@")[2].lower()
    name, _, port = host.rpartition(":")
    return f"{name if name and port in PORTS else host}/{_without_git(path)}"


def _without_git(path: str) -> str:
    return path.rstrip("/").removesuffix("/.git").removesuffix(".git").rstrip("/") or path


def key(place: Place) -> str:
    """Short, and the same for equal places; "" for NOWHERE."""
    if place == NOWHERE:
        return ""
    from hashlib import sha256

    return sha256(json.dumps(place).encode("utf-8", "surrogatepass")).hexdigest()[:20]


def related(one: Place, other: Place) -> bool:
    """Whether two places say by themselves that they are of one project."""
    if not (one.is_marked and other.is_marked):
        return one.name == other.name != ""
    inside = one.inside == other.inside
    if inside and one.remote and one.remote in (other.remote, other.address):
        return True
    if inside and other.remote and other.remote == one.address:
        return True
    forked = _differ(one.remote, other.remote)
    unlike = forked and _differ(one.first_commit, other.first_commit)
    if one.path and one.path == other.path:
        return not unlike  # /workspace of a container is the folder of many
    if inside and one.first_commit and one.first_commit == other.first_commit:
        return not forked
    return not forked and moved(one, other)


def _differ(one: str, other: str) -> bool:
    return bool(one and other) and one != other


def moved(one: Place, other: Place) -> bool:
    """Whether one folder was at both paths. Two that are there now are one folder only if it is mounted twice."""
    (number, _, one_made), (another, _, other_made) = one.inode.partition(":"), other.inode.partition(":")
    if not number or number != another or _differ(one_made, other_made):
        return False
    if not (one_made and other_made) and one.name != other.name:
        return False  # the number may have been given to another folder since
    if _differ(one.first_commit, other.first_commit):
        return False
    now = [_standing(place) for place in (one, other)]
    return now[0] == now[1] or None in now


def _standing(place: Place) -> tuple[int, int] | None:
    """Device and inode, when the folder of the record is at its path."""
    try:
        found = os.stat(place.path)
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino) if str(found.st_ino) == place.inode.partition(":")[0] else None


def one_project(here: Place, known: Iterable[Place]) -> set[Place]:
    """Those of `known` that are of the project of `here`: related to it, or by way of others.

    So what was run before `git init` is found in a clone of today. A fork is another project: what has another remote
    than `here` must be related to it directly, or be a clone of a folder that was found. A place that has nothing but
    a name leads to no further ones.
    """
    shelves: dict[tuple[str, ...], list[Place]] = defaultdict(list)
    for place in known:
        for mark in _marks(place):
            shelves[mark].append(place)
    found: set[Place] = set()
    waiting, asked = [here], set()
    while waiting:
        place = waiting.pop()
        for mark in _marks(place):
            question = (mark, *_asking(place, mark))
            if question in asked:
                continue
            asked.add(question)
            for other in shelves.get(mark, ()):
                if other in found or not related(place, other):
                    continue
                cloned = other.remote == place.address != ""
                if cloned or related(here, other) or not _differ(here.remote, other.remote):
                    found.add(other)
                    if other.is_marked:
                        waiting.append(other)
    return found


def _asking(place: Place, mark: tuple[str, ...]) -> tuple[object, ...]:
    """All of `place` on which depends what is found by way of it under one of its marks."""
    if mark[0] == "inode":
        return place
    address = place.address if mark[0] == "path" else place.address == mark[1]
    return (place.remote, place.first_commit, address, place.is_marked)


def _marks(place: Place) -> Iterator[tuple[str, ...]]:
    """Two places that are related have one of these in common."""
    if place.remote:
        yield "remote", place.remote, place.inside
    if place.first_commit:
        yield "commit", place.first_commit, place.inside
    if place.path:
        yield "path", place.path
        yield "remote", place.address, place.inside
    if place.inode:
        yield "inode", place.inode.partition(":")[0]
    if place.name:
        yield "name", place.name
