"""An archive that nobody vouches for -> files under one folder: nothing outside of it is written or linked to."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

from runner.errors import SourceError
from runner.host.files import read
from runner.values import Step

__all__ = ["MOST_BYTES", "MOST_MEMBERS", "unpack"]

MOST_BYTES = 10_000_000_000
MOST_MEMBERS = 500_000


class Member(NamedTuple):
    name: str
    kind: str  # file, folder, link (target is relative to the link), copy (of the member `target`)
    executable: bool = False
    target: str = ""
    content: IO[bytes] | None = None


def unpack(archive: str, name: str, target: str, step: Step) -> None:
    """Unpacks the file `archive`, called `name`, to the new folder `target`.

    SourceError for a damaged archive, and for a member that would escape or is none of file, folder, link.
    """
    import lzma
    import tarfile
    import zipfile

    os.makedirs(target)
    try:
        is_zip = read(archive, 2) == b"PK"
        _write_all(_zip_members(archive) if is_zip else _tar_members(archive), target, step)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise SourceError(f"{name} is not a readable archive: {error}") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise SourceError(f"{name} has a file and a folder of one name") from None
    except (
        OSError,
        RuntimeError,
    ) as error:  # full disk; zipfile's words for a password, an unknown compression
        raise SourceError(f"{name} cannot be unpacked: {error}") from None
    except SourceError as error:
        raise SourceError(f"{name} {error.message}", error.hint) from None


def _zip_members(archive: str) -> Iterator[Member]:
    import zipfile

    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            mode = info.external_attr >> 16
            if info.is_dir():
                yield Member(info.filename, "folder")
            elif stat.S_ISLNK(mode):
                if info.file_size > 4096:
                    raise SourceError(f"has a link that is too long: {info.filename}")
                yield Member(info.filename, "link", target=os.fsdecode(file.read(info)))
            else:
                with file.open(info) as content:
                    yield Member(info.filename, "file", bool(mode & 0o111), content=content)


def _tar_members(archive: str) -> Iterator[Member]:
    import tarfile

    with tarfile.open(archive) as file:
        for info in file:
            executable = bool(info.mode & 0o111)
            if info.isdir():
                yield Member(info.name, "folder")
            elif info.issym():
                yield Member(info.name, "link", target=info.linkname)
            elif info.islnk():
                yield Member(info.name, "copy", executable, info.linkname)
            elif info.isfile():
                yield Member(info.name, "file", executable, content=file.extractfile(info))
            else:
                raise SourceError(f"has a member that is no file, folder or link: {info.name}")


def _write_all(members: Iterator[Member], target: str, step: Step) -> None:
    """Links are made last, so that nothing is written through one."""
    links: dict[str, str] = {}
    left = MOST_BYTES
    for count, member in enumerate(members, 1):
        if count > MOST_MEMBERS:
            raise SourceError(f"has more than {MOST_MEMBERS} members")
        path = _place(member.name)
        if not path or path == ".git" or path.startswith(".git/") or "/.git/" in f"/{path}/":
            continue  # the top itself; and git's folders, which may hold commands
        full = os.path.join(target, path)
        if any(path.startswith(f"{link}/") for link in links):
            raise SourceError(f"has a member behind a link: {member.name}")
        if member.kind == "folder":
            os.makedirs(full, exist_ok=True)
            continue
        os.makedirs(os.path.dirname(full), exist_ok=True)
        links.pop(path, None)
        if member.kind == "link":
            _remove(full)
            links[path] = member.target
            continue
        source = _earlier(target, member) if member.kind == "copy" else member.content
        if source is not None:
            left = _write(source, full, left, member.executable)
        step.update(path, count)
    for path, link in links.items():
        os.symlink(link, os.path.join(target, path))
    top = os.path.realpath(target)
    for path, link in links.items():
        place = os.path.join(target, path)
        if os.path.isabs(link) or not (os.path.realpath(place) + os.sep).startswith(top + os.sep):
            raise SourceError(f"has a link that leads out of it: {path} -> {link}")


def _place(name: str) -> str:
    """A member's path in the target, with "/"."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or name[1:2] == ":" or ".." in parts or "\0" in name:
        raise SourceError(f"has a member that leads out of it: {name}")
    return "/".join(part for part in parts if part not in ("", "."))


def _earlier(target: str, member: Member) -> IO[bytes]:
    full = os.path.join(target, _place(member.target))
    if not os.path.isfile(full) or os.path.islink(full):
        raise SourceError(f"has a link to what is not in it: {member.name} -> {member.target}")
    return open(full, "rb")


def _write(source: IO[bytes], path: str, left: int, executable: bool) -> int:
    _remove(path)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755 if executable else 0o644)
    with source, open(handle, "wb") as file:
        while piece := source.read(1 << 18):
            left -= len(piece)
            if left < 0:
                raise SourceError(f"unpacks to more than {MOST_BYTES / 1e9:g} GB")
            file.write(piece)
    return left


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
