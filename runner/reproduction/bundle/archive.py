"""The file format of a bundle: a ZIP with the same bytes for the same content, and a list of hashes inside.

manifest-sha256.txt      `<sha256>  <member>` of every other member, sorted
ro-crate-metadata.json   what all of it is, for archives
ro-crate-preview.html    the same, for people
run/                     the record
code/                    the snapshot
packages/<lock>/         wheels or conda packages, and a lock that names just these
inputs/<digest>          inputs by digest, files or folders
proj/                    the wheel of proj itself

A member that ends in "/" is an empty folder.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import IO, NamedTuple

from runner.errors import InputError, ProjError
from runner.host.files import Digest, Draft, Hash, open_file, transfer

__all__ = [
    "FOLDER",
    "LINK",
    "MANIFEST",
    "PROGRAM",
    "Member",
    "digest",
    "git_id",
    "is_bundle",
    "member_name",
    "unpack",
    "write",
]

MANIFEST = "manifest-sha256.txt"
DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a ZIP can say
PACKED = (".whl", ".gz", ".zip", ".png", ".jpg", ".npz", ".parquet", ".conda", ".bz2", ".xz")
FILE, PROGRAM, LINK, FOLDER = 0o100644, 0o100755, 0o120000, 0o040755
# Control characters, backslashes, bytes that are not UTF-8 (as lone surrogates), and what looks like one of ours
HARD = r"[\x01-\x1f\x7f\\\udc80-\udcff]|%(?=[0-9A-F]{2})"
HARD_BYTE = r"%(0[1-9A-F]|1[0-9A-F]|25|5C|7F|[89A-F][0-9A-F])"
LINKED = ("code", "inputs")  # folders in which there are links: their trees have hashes that the record knows
# What zipfile raises for a file that is not, or no longer, an archive
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error)
# A file and a folder of one name, a name or a link that no file system has
IMPOSSIBLE = (
    *(errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EILSEQ),
    errno.ENOENT,
)


class Member(NamedTuple):
    """Content from memory or from a file."""

    data: bytes = b""
    path: str = ""
    mode: int = FILE


def member_name(path: str) -> str:
    """How a file is called in the archive: what a ZIP or its list cannot hold is there as %XX, byte by byte."""
    return re.sub(HARD, lambda found: "".join(f"%{byte:02X}" for byte in os.fsencode(found[0])), path)


def _path(name: str) -> str:
    """The opposite."""
    return re.sub(HARD_BYTE, lambda found: os.fsdecode(bytes([int(found[1], 16)])), name)


def write(path: str, members: Mapping[str, Member]) -> None:
    """In its place at once and as a whole, or not at all."""
    lines = []
    with Draft(path, parents=False) as draft, zipfile.ZipFile(draft, "w", allowZip64=True) as archive:
        for name in sorted(members):
            lines.append(f"{_add(archive, name, members[name])}  {name}\n")
        _add(archive, MANIFEST, Member("".join(lines).encode("utf-8", "surrogateescape")))


def _add(archive: zipfile.ZipFile, name: str, member: Member) -> str:
    info = zipfile.ZipInfo(name, DATE)
    info.create_system = 3  # Unix, on every system
    info.external_attr = member.mode << 16
    info.compress_type = zipfile.ZIP_STORED if name.endswith(PACKED) else zipfile.ZIP_DEFLATED
    with _opened(member) as source:
        info.file_size = os.path.getsize(member.path) if member.path else len(member.data)
        with archive.open(info, "w") as target:
            return transfer(source, target.write).hex


def _opened(member: Member) -> IO[bytes]:
    return open_file(member.path) if member.path else io.BytesIO(member.data)


def digest(member: Member) -> Digest:
    """SHA-256 and size of what is in it."""
    with _opened(member) as source:
        return transfer(source)


def git_id(member: Member) -> str:
    """The id that git gives to what is in it: a SHA-1, in hex."""
    total = Hash("sha1")
    with _opened(member) as source:
        size = os.path.getsize(member.path) if member.path else len(member.data)
        total.update(b"blob %d\0" % size)
        transfer(source, total.update)
    return total.result().hex


def is_bundle(path: str) -> bool:
    """Whether it is one by what it has in it; it may be damaged all the same."""
    try:
        with zipfile.ZipFile(path) as archive:
            return MANIFEST in archive.namelist()
    except (OSError, *DAMAGED):
        return False


def unpack(path: str, folder: str) -> None:
    """All members, each checked against the list. InputError names the first that is not as it was packed."""
    try:
        with zipfile.ZipFile(path) as archive:
            known = _manifest(archive, path)
            names = [info.filename for info in archive.infolist() if info.filename != MANIFEST]
            if len(set(names)) != len(names):
                double = next(name for name in names if names.count(name) > 1)
                raise _refused(path, double, "is there twice")
            for name in names:
                if name not in known:
                    raise _refused(path, name, "was added to it")
            for name in known:
                if name not in names:
                    raise _refused(path, name, "is missing")
            _check_room(archive, folder, path)
            # links last: nothing can be written through one
            for info in sorted(archive.infolist(), key=lambda info: stat.S_ISLNK(info.external_attr >> 16)):
                if info.filename != MANIFEST:
                    _extract(archive, info, known[info.filename], folder, path)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder, not a bundle") from None
    except DAMAGED as error:
        raise InputError(
            f"{path} is not a bundle, or is damaged: {error}", "proj bundle RUN -o FILE.zip"
        ) from None


def _manifest(archive: zipfile.ZipFile, path: str) -> dict[str, str]:
    try:
        text = archive.read(MANIFEST).decode("utf-8", "surrogateescape")
    except KeyError:
        raise InputError(
            f"{path} is not a bundle: it has no {MANIFEST}", "proj bundle RUN -o FILE.zip"
        ) from None
    found = {}
    for line in filter(None, text.split("\n")):
        digest, _, name = line.partition("  ")
        found[name] = digest
    return found


def _check_room(archive: zipfile.ZipFile, folder: str, path: str) -> None:
    """ProjError before anything is written: a small file may unpack to a large one, and no more than it says."""
    import shutil

    size = sum(info.file_size for info in archive.infolist())
    os.makedirs(folder, exist_ok=True)
    if size > shutil.disk_usage(folder).free:
        raise ProjError(f"{path} unpacks to {size / 1e9:.1f} GB, and there is less room in {folder}")


def _refused(path: str, name: str, why: str) -> InputError:
    return InputError(f"{path} was changed since it was packed: {name} {why}; it is refused")


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, digest: str, folder: str, path: str) -> None:
    name = info.filename
    parts = _path(name.removesuffix("/")).split("/")
    if name.startswith("/") or "\\" in name or any(part in ("", ".", "..") for part in parts):
        raise _refused(path, repr(name), "leads out of the bundle")
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode) and parts[0] not in LINKED:
        raise _refused(path, name, "is a link, which only the code and the inputs may have")
    try:
        found = _write(archive, info, os.path.join(folder, *parts), digest)
    except ValueError:  # a NUL
        raise _refused(path, repr(name), "cannot be made here") from None
    except OSError as error:
        if error.errno not in IMPOSSIBLE:
            raise
        raise _refused(path, name, f"cannot be made here: {error.strerror}") from None
    if found != digest:
        raise _refused(path, name, "is not what was packed")


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: str, digest: str) -> str:
    """The digest of what was written; a link is made only if it has the right one."""
    mode = info.external_attr >> 16
    if info.filename.endswith("/"):
        os.makedirs(target, exist_ok=True)
        return Hash().result().hex
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if stat.S_ISLNK(mode):
        link: list[bytes] = []
        with archive.open(info) as source:
            found = transfer(source, link.append).hex
        if found == digest:
            os.symlink(os.fsdecode(b"".join(link)), target)
        return found
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755 if mode & 0o100 else 0o644)
    with archive.open(info) as source, open(handle, "wb") as file:
        return transfer(source, file.write).hex
