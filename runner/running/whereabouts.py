"""Which project a folder belongs to, and which runs are its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from runner.errors import ProjError
from runner.project.discovery import find
from runner.running.plan import source_of
from runner.running.planning import load_project
from runner.sources import fetch
from runner.sources.git import history, repository
from runner.tracking.index import places
from runner.values import Silent

if TYPE_CHECKING:
    from runner.tracking.index.places import Place, Scope
    from runner.tracking.store import Store
    from runner.values import Project

__all__ = ["Here", "here", "scope_of"]


class Here(NamedTuple):
    directory: str  # of the project; of the folder itself when there is none
    project: Project | None  # None when there is none, or it has faults
    fault: str
    place: Place

    @property
    def is_project(self) -> bool:
        return bool(self.project or self.fault)


def here(directory: str = ".") -> Here:
    """The project that a folder is in: by the nearest MLproject file upwards, or the folder itself."""
    try:
        real = os.path.realpath(directory)
        folder = _project_folder(real)
        checkout = fetch(folder, "", Silent())
        source = source_of(checkout)
        if not source.get("first_commit") and (found := repository.find(folder)):
            source["first_commit"] = history.first_commit(found)
    except (ProjError, OSError) as error:
        return Here(os.path.abspath(os.sep), None, _told(error), places.NOWHERE)
    try:
        project = load_project(checkout)
    except (ProjError, OSError) as error:
        return Here(folder, None, _told(error), places.of_source(source, ""))
    is_one = project.file or project.entry_points or os.path.exists(os.path.join(folder, "main.py"))
    return Here(folder, project if is_one else None, "", places.of_source(source, project.name))


def _told(error: ProjError | OSError) -> str:
    if isinstance(error, ProjError):
        return error.message
    return f"{error.strerror}: {error.filename}" if error.filename else str(error)


def _project_folder(real: str) -> str:
    """Upwards, but not out of a repository, into the user's home, or into what is somebody else's."""
    found = repository.find(real)
    last = (found.root if found else "", os.path.realpath(os.path.expanduser("~")))
    folder, owner = real, os.stat(real).st_uid
    while not find(folder):
        above = os.path.dirname(folder)
        if folder in last or above in (folder, last[1]) or os.stat(above).st_uid != owner:
            return real
        folder = above
    return folder


def scope_of(store: Store, where: Here) -> Scope | None:
    """The runs of that project; None in a folder that is none and in which nothing was run: there, all are meant."""
    found = store.index.scope(where.place)
    return found if where.is_project or found.keys else None
