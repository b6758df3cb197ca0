"""Where the index of a store may lie: beside the logs if that is safe, else in the cache."""

from __future__ import annotations

import os

from runner import paths

__all__ = ["candidates", "network"]

# Several hosts write to these; SQLite's write-ahead log needs memory that all its users share.
NETWORK = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "glusterfs",
    "gpfs",
    "lustre",
)


def candidates(root: str) -> list[str]:
    """Files to try, best first. The last one is always possible: an index in memory."""
    found = []
    if os.access(root, os.W_OK) and not network(root):
        found.append(os.path.join(root, "index.sqlite"))
    return [*found, cached(root), ":memory:"]


def cached(root: str) -> str:
    import hashlib

    name = hashlib.sha256(os.path.realpath(root).encode("utf-8", "surrogateescape")).hexdigest()[:24]
    return paths.cache("index", f"{name}.sqlite")


def network(path: str) -> bool:
    """Whether `path` lies on a file system that other hosts may write to at the same time."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split() for line in file]
    except OSError:
        return False
    path, best, kind = os.path.realpath(path), -1, ""
    for fields in mounts:
        place = (
            fields[4].encode("latin-1", "ignore").decode("unicode_escape") if "\\" in fields[4] else fields[4]
        )
        if (path == place or path.startswith(place.rstrip("/") + "/")) and len(place) >= best:
            best, kind = len(place), fields[fields.index("-", 6) + 1]
    return kind in NETWORK or (kind.startswith("fuse.") and kind not in ("fuse.fuse-overlayfs", "fuse.ext4"))
