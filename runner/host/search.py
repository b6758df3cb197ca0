"""Looks for the values of secrets in files: as they are, and in what is compressed (gzip, bzip2, xz, zlib, zip)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from runner.host.files import BLOCK, open_file
from runner.text.secrets import Search, Secrets

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["held", "held_inside"]

MOST = 1 << 30  # bytes that are unpacked of one file
MEMBERS = 100_000  # of one archive
ZLIB = (b"x\x01", b"x\x9c", b"x\xda")  # as joblib compresses
MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "lzma",
    b"PK\x03\x04": "zip",
    **dict.fromkeys(ZLIB, "zlib"),
}


def held(secrets: Secrets, path: str, name: str = "", follow: bool = True) -> str:
    """Whose value is in a file, or in its name: `the secret TOKEN`; "" for none. OSError when it cannot be read."""
    search = Search(secrets)
    search.feed(name.encode("utf-8", "surrogateescape") + b"\n" * bool(name))
    with open_file(path, follow=follow) as file:
        while not search.found and (block := file.read(BLOCK)):
            search.feed(block)
        return search.found or _inside(secrets, file)


def held_inside(secrets: Secrets, path: str) -> str:
    """The same of what is compressed in a file, whose own bytes were looked through."""
    with open_file(path) as file:
        return _inside(secrets, file)


def _inside(secrets: Secrets, file: BinaryIO) -> str:
    file.seek(0)
    head = file.read(6)
    kind = next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), "")
    if not kind:
        return ""
    import lzma
    import zlib
    from zipfile import BadZipFile

    file.seek(0)
    search, left = Search(secrets), MOST
    try:
        for block in _zip(file) if kind == "zip" else _unpacked(file, kind):
            search.feed(block)
            left -= len(block)
            if search.found or left < 0:
                break
    except (
        OSError,
        EOFError,
        ValueError,
        RuntimeError,
        NotImplementedError,
        zlib.error,
        lzma.LZMAError,
        BadZipFile,
    ):
        pass  # it only begins like one, is cut off, or encrypted
    return search.found


def _unpacked(file: BinaryIO, kind: str) -> Iterator[bytes]:
    if kind == "zlib":
        yield from _zlib(file)
        return
    from importlib import import_module

    unpacked: IO[bytes] = import_module(kind).open(file)
    while block := unpacked.read(BLOCK):
        yield block


def _zlib(file: BinaryIO) -> Iterator[bytes]:
    import zlib

    stream = zlib.decompressobj()
    while block := stream.unconsumed_tail or file.read(BLOCK):
        yield stream.decompress(block, BLOCK)


def _zip(file: BinaryIO) -> Iterator[bytes]:
    from zipfile import ZipFile

    with ZipFile(file) as archive:
        for member in archive.infolist()[:MEMBERS]:
            yield f"\n{member.filename}\n".encode("utf-8", "surrogateescape")
            try:
                with archive.open(member) as opened:
                    while block := opened.read(BLOCK):
                        yield block
            except (RuntimeError, NotImplementedError):
                continue  # encrypted, or compressed in another way
