"""What a command reads: declared files, globs and URIs, and parameters of type path and uri, with their hashes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runner.data import delta, pointers
from runner.host import hashing
from runner.parameters.types import scheme
from runner.tracking.events import Event, input_file
from runner.typed import NamedTuple
from runner.values import Step

__all__ = ["Input", "Named", "describe", "expand", "is_uri", "named"]


class Named(NamedTuple):
    """An input as it was asked for."""

    text: str  # path, glob or URI
    origin: str  # declared, or parameter:<name>
    local: str = ""  # of a URI that is downloaded: the file that the command gets


class Input(NamedTuple):
    """An input as it was found. Its fields that are not empty are the keys of an `input` event."""

    path: str = ""  # relative to the project folder with "/" when it is in it, else absolute
    uri: str = ""
    digest: str = ""  # "" of a file that is not there
    size: int = 0
    version: str = ""  # dvc:..., lfs:..., delta:...: what the data is called where it is kept
    origin: str = ""

    def event(self) -> Event:
        return input_file(self._asdict())


def named(
    declared: Iterable[str],
    values: Mapping[str, Any],
    given: Iterable[str],
    downloads: Iterable[tuple[str, str]] = (),
) -> list[Named]:
    """`values`: of the parameters; `given`: those of them that are paths or URIs (Resolved.inputs)."""
    local = dict(downloads)
    shown = {str(value): name for name, value in values.items()}
    found = [Named(text, "declared") for text in declared]
    for text in given:
        place = local.get(text, "")
        found.append(Named(text, f"parameter:{shown.get(place or text, '')}".rstrip(":"), place))
    return found


def describe(
    wanted: Iterable[Named],
    directory: str,
    where: Callable[[str], str] = os.path.normpath,
    step: Step | None = None,
) -> list[Input]:
    """Each input with its hash; a glob becomes the files that it matches. One that is not there has no digest.

    `where`: the path at which we see what the command sees at another one.
    """
    found: dict[str, Input] = {}
    for each in wanted:
        if is_uri(each.text) and not os.path.lexists(os.path.join(directory, each.text)):
            one = Input(uri=each.text, origin=each.origin)
            if each.local and os.path.exists(each.local):
                digest, size = hashing.digest(each.local)
                one = one._replace(path=each.local, digest=digest, size=size)
            found.setdefault(each.text, one)
            continue
        for path in expand(each.text, directory) or [os.path.join(directory, each.text)]:
            name = relative(path, directory)
            if name not in found:
                found[name] = Input(
                    name, "", *digest_of(where(path), _progress(name, step)), origin=each.origin
                )
    return list(found.values())


def _progress(name: str, step: Step | None) -> Callable[[int], None]:
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        if step is not None:
            step.update(f"{name}, {done / 1e6:.0f} MB")

    return tell


def digest_of(path: str, progress: Callable[[int], None] | None = None) -> tuple[str, int, str]:
    """Digest, size and version; ("", 0, "") when it cannot be read. Of a Delta table only its live files count."""
    try:
        if table := delta.read(path):
            return *delta.digest(path, table), table.name
        digest, size = hashing.digest(path, progress)
        return digest, size, pointers.pointer(path)
    except OSError:
        return "", 0, ""


def expand(text: str, directory: str) -> list[str]:
    """The absolute paths that a path or a glob stands for, sorted."""
    path = os.path.join(directory, os.path.expanduser(text))
    if os.path.lexists(path):
        return [os.path.normpath(path)]
    if not any(character in text for character in "*?["):
        return []
    from glob import glob

    escaped = path if os.path.isabs(text) else os.path.join(_literal(directory), text)
    return sorted(map(os.path.normpath, glob(escaped, recursive=True)))


def _literal(path: str) -> str:
    from glob import escape

    return escape(path)


def relative(path: str, directory: str) -> str:
    """As the record names it."""
    path = os.path.normpath(path)
    top = os.path.normpath(directory) + os.sep
    return path[len(top) :].replace(os.sep, "/") if path.startswith(top) else path


def is_uri(text: str) -> bool:
    """Something that has to be fetched: also runs:/ID/PATH, which has no host."""
    kind = scheme(text)
    return len(kind) > 1 and kind != "file"
