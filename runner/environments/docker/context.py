"""Which files of a project go into an image, and their digest."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, NamedTuple

from runner.host import git
from runner.host.files import Hash, digest

if TYPE_CHECKING:
    import tarfile

__all__ = ["Context", "pack", "scan"]


class Context(NamedTuple):
    directory: str
    files: tuple[str, ...]  # relative, sorted; symbolic links among them
    watched: tuple[str, ...]  # absolute: files, and folders where a new one would appear
    digest: str


def scan(directory: str, dockerfile: str = "", *, listed: bool = False) -> Context:
    """All files but what `.dockerignore` names; with `listed`, also without what git ignores.

    `dockerfile` is relative to the directory; it is never left out.
    """
    from docker.utils.build import exclude_paths

    ignore = next(
        (
            path
            for path in (f"{dockerfile}.dockerignore", ".dockerignore")
            if os.path.isfile(os.path.join(directory, path))
        ),
        "",
    )
    patterns = _patterns(os.path.join(directory, ignore)) if ignore else []
    found = exclude_paths(directory, [*patterns, ".git"], dockerfile=dockerfile or None)
    known = _listed(directory) if listed else None
    files, folders = [], [directory]
    for path in sorted(found):
        full = os.path.join(directory, path)
        if os.path.isdir(full) and not os.path.islink(full):
            folders.append(full)
        elif (known is None or path in known) and (os.path.islink(full) or os.path.isfile(full)):
            files.append(path)
    watched = [
        *folders,
        *(os.path.join(directory, path) for path in files),
        os.path.join(directory, ".dockerignore"),
    ]
    return Context(directory, tuple(files), tuple(watched), _digest(directory, files))


def _patterns(path: str) -> list[str]:
    with open(path, encoding="utf-8-sig") as file:
        lines = [line.strip() for line in file]
    return [line for line in lines if line and not line.startswith("#")]


def _listed(directory: str) -> set[str] | None:
    """What git knows or would add; None outside of a repository."""
    done = git.run("ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=directory)
    if done.code:
        return None
    return {name for name in done.out.split("\0") if name}


def _digest(directory: str, chosen: Sequence[str]) -> str:
    whole = Hash()
    for path in chosen:
        full = os.path.join(directory, path)
        if os.path.islink(full):
            entry = [path, "link", os.readlink(full)]
        else:
            kind = "program" if os.access(full, os.X_OK) else "file"
            entry = [path, kind, digest(full).hex]
        whole.update(json.dumps(entry).encode("utf-8", "surrogatepass"))
    return whole.result().digest


def pack(context: Context, place: str, base: str, file: IO[bytes]) -> None:
    """Writes a build context: an image with the files in the folder `place`, where everybody may write."""
    import tarfile

    with tarfile.open(fileobj=file, mode="w") as archive:
        text = f"FROM {base}\nCOPY root/ /\nWORKDIR {place}\n".encode()
        head = tarfile.TarInfo("Dockerfile")
        head.size = len(text)
        archive.addfile(head, io.BytesIO(text))
        for folder in _folders(context.files, place):
            entry = tarfile.TarInfo(folder)
            entry.type = tarfile.DIRTYPE
            # the user of the container is not known to the image
            entry.mode = 0o777 if folder.startswith(f"root{place}") else 0o755
            archive.addfile(entry)
        for path in context.files:
            archive.add(
                os.path.join(context.directory, path), f"root{place}/{path}", recursive=False, filter=_plain
            )


def _folders(files: Sequence[str], place: str) -> list[str]:
    found = set()
    for path in (f"root{place}/.", *(f"root{place}/{path}" for path in files)):
        while path := os.path.dirname(path):
            found.add(path)
    return sorted(found)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without owner; open to every user, with its own x bit."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    if entry.isfile():
        entry.mode = 0o777 if entry.mode & 0o100 else 0o666
    return entry
