"""What a bundle brings along for the runs that are in it."""

from __future__ import annotations

import os
from typing import NamedTuple

__all__ = ["LOCK", "NONE", "Supplies", "folder_of"]

LOCK = "requirements.txt"  # beside the wheels: these files with their hashes


class Supplies(NamedTuple):
    inputs: str = ""  # folder of inputs, each called by its digest
    packages: str = ""  # folder of folders of wheels, one for each lock

    def wheels(self, lock: str) -> tuple[str, str]:
        """Folder of the packages that a recorded lock names, and the lock of just these files; ("", "") for none."""
        folder = os.path.join(self.packages, folder_of(lock))
        if not self.packages or not lock or not os.path.isdir(folder):
            return "", ""
        with open(os.path.join(folder, LOCK), encoding="utf-8") as file:
            return folder, file.read()


NONE = Supplies()


def folder_of(lock: str) -> str:
    from hashlib import sha256

    return sha256(lock.encode()).hexdigest()[:12]
