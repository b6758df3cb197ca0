"""What is really installed: one digest over all files of all packages, equal wherever the same wheels are installed."""

from __future__ import annotations

import base64
import csv
import os
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

from runner.host.files import digest

__all__ = ["damaged", "fingerprint"]

# Written by the installer, each in its own way: they differ between machines and tools.
LOCAL = ("INSTALLER", "REQUESTED", "direct_url.json", "RECORD")


class Entry(NamedTuple):
    path: str  # in site-packages
    digest: str  # sha256=...
    size: str


def fingerprint(site: str) -> str:
    """1 ms for each package: taken when the environment is built, and part of each run's record."""
    rows = sorted("\0".join(entry) for entry in _entries(site))
    return sha256("\n".join(rows).encode("utf-8", "surrogateescape")).hexdigest()


def damaged(site: str, *, deep: bool = False) -> list[str]:
    """Files that are gone or differ from what was installed: by size, with `deep` by content (0.5 s for 250 MB)."""
    wrong = []
    for entry in _entries(site):
        path = os.path.join(site, entry.path)
        try:
            good = not entry.size or os.stat(path).st_size == int(entry.size)
            if good and deep and entry.digest.startswith("sha256="):
                found = base64.urlsafe_b64encode(bytes.fromhex(digest(path).hex))
                good = entry.digest == f"sha256={found.rstrip(b'=').decode()}"
        except OSError:
            good = False
        if not good:
            wrong.append(entry.path)
    return wrong


def _entries(site: str) -> Iterator[Entry]:
    """The RECORD files (https://packaging.python.org/specifications/recording-installed-packages), normalized:
    without scripts, whose first line names the environment's folder, and without compiled files."""
    for folder in sorted(os.listdir(site)):
        if not folder.endswith(".dist-info"):
            continue
        try:
            with open(os.path.join(site, folder, "RECORD"), encoding="utf-8", newline="") as file:
                for row in csv.reader(file):
                    name = row[0].replace("\\", "/") if row else ""
                    own = name.rpartition("/")[2]
                    if not name or name.startswith(("..", "/")) or name.endswith(".pyc"):
                        continue
                    if ".dist-info/" in name and (own in LOCAL or own.startswith("uv_")):
                        continue
                    yield Entry(name, *(row[1:3] if len(row) > 2 else ("", "")))
        except FileNotFoundError:
            continue
