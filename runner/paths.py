"""Every directory that `proj` uses, as functions: nothing is read at import, so a test can set the variables."""

from __future__ import annotations

import os
import stat
import sys

from runner.errors import ProjError

__all__ = ["cache", "home", "scratch", "shipped", "store", "store_here", "temporary"]


def home() -> str:
    """PROJ_HOME, or the platform's user data folder."""
    if given := os.environ.get("PROJ_HOME"):
        return os.path.abspath(os.path.expanduser(given))
    if sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Application Support")
    else:
        base = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.path.join(base, "proj")


def store(given: str = "") -> str:
    """The store: `--store`, PROJ_STORE, or `store` in PROJ_HOME. A URL is returned as it is."""
    chosen = given or os.environ.get("PROJ_STORE", "")
    if "://" in chosen:
        return chosen
    return os.path.abspath(os.path.expanduser(chosen)) if chosen else os.path.join(home(), "store")


def store_here(given: str = "") -> str:
    """The store on this machine: `store`, or the user's own when that is a server's address."""
    chosen = store(given)
    return os.path.join(home(), "store") if "://" in chosen else chosen


def cache(*parts: str) -> str:
    """PROJ_CACHE (environments, git mirrors, packages, remembered facts), or `cache` in PROJ_HOME."""
    given = os.environ.get("PROJ_CACHE")
    base = os.path.abspath(os.path.expanduser(given)) if given else os.path.join(home(), "cache")
    return os.path.join(base, *parts)


def scratch(*parts: str) -> str:
    """For what one run needs, and what is fetched or noted again at need: in the cache.

    Where that is only to be read, as one that a cluster's users share, it is a folder of the user's own in TMPDIR.
    """
    base = cache()
    there = base
    while not os.path.exists(there):
        there = os.path.dirname(there)
    return os.path.join(base if os.access(there, os.W_OK) else _own_temporary(), *parts)


def _own_temporary() -> str:
    """ProjError when somebody else has made one in our name."""
    import tempfile

    folder = os.path.join(tempfile.gettempdir(), f"proj-{os.getuid()}")
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise _unwritable(error) from error
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise ProjError(f"{folder} is not a folder of yours alone", "TMPDIR=FOLDER  uses another one")
    return folder


def _unwritable(error: OSError) -> Exception:
    return ProjError(
        f"the cache {cache()} cannot be written: {error.strerror}", "PROJ_CACHE=FOLDER  uses another one"
    )


def temporary() -> str:
    """For work in progress: in the cache, so that a rename into it is atomic, if it can be written."""
    folder = scratch("tmp")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise _unwritable(error) from error
    return folder


def shipped(*parts: str) -> str:
    """A file that comes with `proj` (templates/, MLproject.schema.json): inside the wheel, or beside the package."""
    package = os.path.dirname(os.path.abspath(__file__))
    inside = os.path.join(package, "shipped", *parts)
    return inside if os.path.exists(inside) else os.path.join(os.path.dirname(package), *parts)
