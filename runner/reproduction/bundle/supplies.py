"""What a bundle brings along for the runs that are in it."""

from __future__ import annotations

import os
from typing import NamedTuple

__all__ = ["LOCKS", "NONE", "Supplies", "folder_of"]

# kind of environment -> beside its packages: these files with their hashes
LOCKS = {"virtualenv": "requirements.txt", "conda": "conda.lock"}


class Supplies(NamedTuple):
    inputs: str = ""  # folder of inputs, each called by its digest
    packages: str = ""  # folder of folders of packages, one for each lock

    def file(self, lock: str, name: str) -> str:
        """Of what was packed for a recorded lock; "" when it is not there."""
        path = os.path.join(self.packages, folder_of(lock), name)
        return path if self.packages and lock and os.path.exists(path) else ""

    def wheels(self, lock: str) -> tuple[str, str]:
        """Folder of the packages that a recorded lock names, and the lock of just these files; ("", "") for none."""
        path = next(filter(None, (self.file(lock, name) for name in LOCKS.values())), "")
        if not path:
            return "", ""
        with open(path, encoding="utf-8") as file:
            return os.path.dirname(path), file.read()


NONE = Supplies()


def folder_of(lock: str) -> str:
    from hashlib import sha256

    return sha256(lock.encode()).hexdigest()[:12]
