"""proj itself as a wheel: whoever opens a bundle in ten years has the one that made it."""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import runner
from runner import __version__

__all__ = ["DISTRIBUTION", "Own", "wheel"]

DISTRIBUTION = "proj-runner"
DATE = (1980, 1, 1, 0, 0, 0)
LOCAL = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")  # the installer's
WHEEL = "Wheel-Version: 1.0\nGenerator: proj\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


class Own(NamedTuple):
    name: str  # of the file
    data: bytes


def wheel() -> Own | None:
    """The same bytes for the same files. None where it was not installed, but only put on sys.path."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        found = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return None
    stem = f"{re.sub(r'[-_.]+', '_', DISTRIBUTION)}-{__version__}"
    info = f"{stem}.dist-info"
    files = dict(_code())
    for each in found.files or ():
        parts = each.parts
        if parts[0].endswith(".dist-info") and parts[-1] not in LOCAL and not parts[-1].startswith("uv_"):
            with open(str(each.locate()), "rb") as file:
                files["/".join((info, *parts[1:]))] = file.read()
    files[f"{info}/WHEEL"] = WHEEL.encode()
    files[f"{info}/RECORD"] = _record(files, info)
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = ZipInfo(name, DATE)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return Own(f"{stem}-py3-none-any.whl", buffer.getvalue())


def _code() -> Iterator[tuple[str, bytes]]:
    top = os.path.dirname(os.path.abspath(runner.__file__))
    for parent, folders, names in os.walk(top):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                yield os.path.relpath(path, os.path.dirname(top)).replace(os.sep, "/"), file.read()


def _record(files: dict[str, bytes], info: str) -> bytes:
    rows = []
    for name, data in sorted(files.items()):
        digest = base64.urlsafe_b64encode(sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(data)}")
    return ("\n".join([*rows, f"{info}/RECORD,,"]) + "\n").encode()
