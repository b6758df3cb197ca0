"""Whose is a file that lies where outputs are to be put? One that a recorded run of the project left so may be removed,
unless it is committed; any other one is the user's.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from runner.data.inputs import digest_of
from runner.data.outputs import inside
from runner.host import git
from runner.host.files import remove_tree

if TYPE_CHECKING:
    from runner.running.plan import Plan
    from runner.tracking.fold import Run
    from runner.tracking.store import Store
    from runner.values import Report

__all__ = ["Earlier"]

LOOKED_AT = 1000  # runs, newest first
LINK, FOLDER = "-> ", "/"


class Earlier:
    """What the runs of a project have left in it. The records are read when the first file is in question."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self._project = plan.project.name.replace("'", "''")
        self._store = store
        self._left: set[tuple[str, str]] | None = None
        self._asked: list[str] = []  # folders, with "/", of which it is known what is committed
        self._committed: set[str] = set()

    def is_left(self, path: str, name: str) -> bool:
        """Whether the file, link or empty folder `path`, which a record calls `name`, is as a run left it."""
        if self._is_committed(path):
            return False
        if self._left is None:
            runs = self._store.search(f"project = '{self._project}'", limit=LOOKED_AT).runs
            self._left = {each for run in runs for each in _left(run)}
        if os.path.islink(path) and (name, LINK + os.readlink(path)) in self._left:
            return True
        what = FOLDER if os.path.isdir(path) and not os.listdir(path) else digest_of(path)[0]
        return (name, what) in self._left

    def _is_committed(self, path: str) -> bool:
        """Of the project's repository, or of one of its own that the folder is in."""
        folder = os.path.dirname(path)
        if not f"{folder}/".startswith(tuple(self._asked)):
            self._ask(folder)
        return path in self._committed

    def _ask(self, folder: str) -> None:
        self._asked.append(f"{folder}/")
        if git.program():
            done = git.run("ls-files", "-z", folder=folder)
            names = [] if done.code else filter(None, done.out.split("\0"))
            self._committed.update(os.path.join(folder, name) for name in names)

    def others(self, folder: str, name: str, new: str = "") -> list[str]:
        """Files and empty folders below a folder that no run left so, by their paths in it; not what `new` has, too."""
        self._ask(folder)
        found = [os.path.relpath(each, folder) for each in (*inside(folder), *_empty(folder))]
        return [
            each
            for each in found
            if not (new and os.path.lexists(os.path.join(new, each)))
            and not self.is_left(os.path.join(folder, each), f"{name}/{each}")
        ]

    def clear(
        self,
        path: str,
        name: str,
        report: Report,
        inputs: Sequence[str] = (),
        new: Collection[str] = (),
    ) -> None:
        """Removes an old output, but not what no run left in it. OSError.

        By their names: `inputs`, which stay; `new`: files that are about to be replaced.
        """
        is_folder = os.path.isdir(path) and not os.path.islink(path)
        if any(f"{name}/".startswith(f"{each}/") for each in inputs) or (name in new and not is_folder):
            return
        if not is_folder:
            if self.is_left(path, name):
                os.unlink(path)
            else:
                _tell(report, name)
        elif any(each.startswith(f"{name}/") for each in (*inputs, *new)):
            for each in sorted(os.listdir(path)):
                self.clear(os.path.join(path, each), f"{name}/{each}", report, inputs, new)
        elif others := self.others(path, name):
            for each in list(inside(path)):
                if os.path.relpath(each, path) not in others:
                    os.unlink(each)  # folders stay
            for each in others:
                _tell(report, f"{name}/{each}")
        else:
            remove_tree(path)


def _tell(report: Report, name: str) -> None:
    report.warn(f"{name} is no output of this run, but is named like one: it was left there")


def _empty(folder: str) -> Iterator[str]:
    return (place for place, folders, names in os.walk(folder) if place != folder and not (folders or names))


def _left(run: Run) -> Iterator[tuple[str, str]]:
    """By its path in the project, or its absolute one: the digest of each file, or where a link leads."""
    for output in run.outputs:
        path = str(output["path"])
        kept = os.path.basename(path) if os.path.isabs(path) else path
        yield path, str(output.get("digest"))
        standing = {str(name) for name in output.get("found") or ()}  # before the command started
        found = {
            name: str(facts.get("digest")) for name, facts in run.artifacts.items() if name not in standing
        }
        links = {str(name): str(leads) for name, leads in (output.get("links") or {}).items()}
        found |= {name: f"{LINK}{leads}" for name, leads in links.items() if name not in standing}
        found |= {str(name): FOLDER for name in output.get("folders") or ()}
        for name, what in found.items():
            if name == kept or name.startswith(f"{kept}/"):
                yield path + name[len(kept) :], what
