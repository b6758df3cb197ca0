"""Files that belong to a run: copied into its folder, each noted with size and hash."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

from runner.errors import InputError, StoreError

if TYPE_CHECKING:
    from runner.tracking.writer import RunWriter

__all__ = ["FOLDER", "put"]

FOLDER = "artifacts"  # in the folder of the run
PART = ".part"  # of a file that is being written
BLOCK = 1 << 20
CLONE = 0x40049409  # FICLONE of linux/fs.h: the copy shares its blocks until one of both is changed


def put(writer: RunWriter, path: str, artifact_path: str = "") -> None:
    """Copies a file or a folder to the run's artifacts, under the folder `artifact_path` of them."""
    parts = [part for part in artifact_path.replace(os.sep, "/").split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InputError(f"the artifact path {artifact_path!r} leads out of the run")
    for name, file in sorted(_files(os.path.abspath(path))):
        place = "/".join([*parts, name])
        digest, size = _copy(file, os.path.join(writer.directory, FOLDER, *place.split("/")))
        writer.append({"type": "artifact", "path": place, "digest": digest, "size": size})


def _files(path: str) -> Iterator[tuple[str, str]]:
    """(name for the record, path) of a file, or of each file in a folder; links to folders are not followed."""
    base = os.path.basename(path)
    if not os.path.isdir(path):
        yield base, path
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        inside = os.path.relpath(folder, path).replace(os.sep, "/")
        prefix = base if inside == "." else f"{base}/{inside}"
        for name in names:
            if os.path.isfile(os.path.join(folder, name)):
                yield f"{prefix}/{name}", os.path.join(folder, name)


def _copy(path: str, target: str) -> tuple[str, int]:
    """Digest and size of what was copied. It is in its place at once and as a whole, or not at all."""
    draft = os.path.join(os.path.dirname(target), f".{os.urandom(8).hex()}{PART}")
    total, size = sha256(), 0
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(path, "rb", buffering=0) as source, open(draft, "xb", buffering=0) as file:
            cloned = _clone(file.fileno(), source.fileno())
            while block := source.read(BLOCK):
                total.update(block)
                size += len(block)
                view = memoryview(b"" if cloned else block)
                while view:
                    view = view[file.write(view) or 0 :]
            if cloned:
                file.truncate(size)
        os.replace(draft, target)
    except OSError as error:
        if os.path.exists(draft):
            os.unlink(draft)
        raise StoreError(f"{path} cannot be kept with the run: {error.strerror or error}") from error
    return f"sha256:{total.hexdigest()}", size


def _clone(target: int, source: int) -> bool:
    try:
        import fcntl

        fcntl.ioctl(target, CLONE, source)
    except (ImportError, OSError):
        return False
    return True
