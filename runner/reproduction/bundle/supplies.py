"""What a bundle brings along for the runs that are in it."""

from __future__ import annotations

import os

from runner.typed import NamedTuple

__all__ = ["NONE", "Supplies", "folder_of"]


class Supplies(NamedTuple):
    inputs: str = ""  # folder of inputs, each called by its digest
    packages: str = ""  # folder of folders of packages, one for each lock

    def wheels(self, lock: str) -> tuple[str, str]:
        """Folder of what was packed for a recorded lock, and the lock of just these files, if it is another one."""
        folder = os.path.join(self.packages, folder_of(lock))
        if not (self.packages and lock and os.path.isdir(folder)):
            return "", ""
        for name in sorted(os.listdir(folder)):
            if name.endswith(".lock") or name == "requirements.txt":
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    return folder, file.read()
        return folder, ""


NONE = Supplies()


def folder_of(lock: str) -> str:
    """The folder of the wheels of a lock: by a digest, for the runs in a bundle may have several locks."""
    from hashlib import sha256

    return sha256(lock.encode()).hexdigest()[:12]
