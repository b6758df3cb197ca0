"""Where the index of a store may lie: beside the logs if that is safe, else in the cache."""

from __future__ import annotations

import os

from runner import paths
from runner.errors import ProjError

__all__ = ["candidates", "network", "schema"]

# Several hosts write to these; SQLite's write-ahead log needs memory that all its users share.
NETWORK = tuple("nfs nfs4 cifs smb3 smbfs 9p afs beegfs ceph glusterfs gpfs lustre".split())


def candidates(root: str) -> list[str]:
    """Files to try, best first. The last one is always possible: an index in memory."""
    found = []
    if os.access(root, os.W_OK) and not network(root):
        found.append(os.path.join(root, "index.sqlite"))
    try:
        found.append(cached(root))
    except ProjError:  # no place to write to at all
        pass
    return [*found, ":memory:"]


def cached(root: str) -> str:
    """A file of the cache for the store in this folder."""
    import hashlib

    name = hashlib.sha256(os.path.realpath(root).encode("utf-8", "surrogateescape")).hexdigest()[:24]
    return paths.scratch("index", f"{name}.sqlite")


def schema(root: str) -> str:
    """Name of this store's schema on a database server: the same for all hosts that read the store, another one
    for a copy of it. A store that may not be written has one by its path."""
    import hashlib

    path = os.path.join(root, "index.id")
    try:
        if not os.path.exists(path):
            _identify(root, path)
        with open(path, encoding="ascii") as file:
            name = f"{os.fstat(file.fileno()).st_ino}:{file.read()}"
    except OSError:
        name = f"{os.uname().nodename}:{os.path.realpath(root)}"
    return f"proj_{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:20]}"


def _identify(root: str, path: str) -> None:
    """All that do it at once end with one file, whole."""
    os.makedirs(root, exist_ok=True)
    draft = f"{path}.{os.getpid()}-{os.urandom(4).hex()}"
    with open(draft, "x", encoding="ascii") as file:
        file.write(os.urandom(16).hex())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)


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
