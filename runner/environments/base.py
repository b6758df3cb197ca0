"""What a kind of environment is: two modules with these names (one, where it is small), named in `kinds`.

`Kind` is what every run needs: it is imported on the way of a warm run, so it imports next to nothing. `Maker` is
imported when a specification is read, resolved or built, and for what else is done with locks and bundles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias

from runner.environments.keys import EnvironmentKey
from runner.values import Activation, Environment, EnvironmentOptions, EnvironmentSpec, Json, Report

__all__ = ["Facts", "Kind", "Maker", "Plan", "Specified", "Use"]

# Each kind has types of its own for these; nobody else looks into them.
Plan: TypeAlias = Any  # what lock() and build() need to know
Facts: TypeAlias = Any  # what build() found, a TypedDict: kept as JSON beside the environment
Use: TypeAlias = Any  # what activate() needs of the specification, JSON: kept between runs; None for nothing


class Specified(NamedTuple):
    """A specification read from disk."""

    content: Json  # all that decides what the lock will be: no credentials, no folder of this machine
    identity: (
        Json  # what decides, together with the lock, what is built: interpreter, platform, local packages
    )
    files: tuple[
        str, ...
    ]  # absolute paths of all that was read or looked for: one changed, all is read again
    plan: Plan
    use: Use = None
    details: Mapping[str, Json] = {}  # for the record
    warnings: tuple[str, ...] = ()  # shown and recorded at each run
    varying: bool = False  # what a variable means is in it: it is read again at each run
    followed: Json = None  # decides what is built as `identity` does, and not what the lock will be


class Kind(Protocol):
    NAMES: tuple[str, ...]  # for --env-manager and `environment:`; the first is the one in records
    ABOUT: str  # in a few words
    FILES: tuple[str, ...]  # by which a folder has such an environment, the plainest first
    READS: tuple[str, ...]  # kinds whose files it can be made from, where there is none of its own
    HINT: str  # what to add to a project that has none; "": it can be made from nothing
    LOCK_NAME: str  # how the lock is called in the record
    LOCKS_PYTHON: bool  # whether the lock says which Python it is for

    def key(self) -> EnvironmentKey | None:
        """The key of MLproject that states it, if there is one."""

    def has(self, directory: str, file: str) -> bool:
        """Whether this one of FILES, which is there, really states such an environment."""

    def problem(self, prefix: str, facts: Facts) -> str:
        """Why it cannot be used any more, or "". Asked at each run: a few stats."""

    def activate(self, prefix: str, facts: Facts, use: Use) -> Activation: ...


class Maker(Protocol):
    def check(self, spec: EnvironmentSpec, directory: str) -> tuple[str, ...]:
        """InputError for a specification that cannot be read; else what a run warns of. Looks at the project only."""

    def specify(
        self, spec: EnvironmentSpec, directory: str, options: EnvironmentOptions, report: Report
    ) -> Specified:
        """Reads the specification; nothing slow, no network. A fault in it is an InputError."""

    def lock(self, plan: Plan, report: Report) -> str:
        """Resolves it to the text of a lock. Called only when none is kept for the same content."""

    def outdated(self, lock: str) -> bool:
        """Whether a kept lock names what is gone for ever."""

    def build(
        self, plan: Plan, lock: str, prefix: str, handle: int, report: Report
    ) -> tuple[Facts, Mapping[str, Json]]:
        """Makes the environment in `prefix` (which does not exist yet); returns facts, and details for the record.

        `handle` is the open file that locks the build: give it to every child that writes (pass_fds), so
        that an orphan of a killed build keeps the next builder out.
        """

    def remove(self, prefix: str, facts: Facts) -> None:
        """Removes what the environment keeps outside its folder (an image); the folder is the cache's."""

    def sweep(self) -> None:
        """Removes what killed builds left a day ago or earlier, outside of the cache's folders."""

    def packages(self, lock: str) -> dict[str, str] | None:
        """Name -> version (or URL, or path) of what a lock names; None when it is no lock of this kind."""

    def collect(
        self,
        lock: str,
        spec: EnvironmentSpec,
        directory: str,
        folder: str,
        prepared: Callable[[], Environment],
        report: Report,
    ) -> tuple[str, ...]:
        """Fills `folder` with all that the lock names, for a bundle: `wheels` of the options of a later run.

        A file *.lock or requirements.txt in it is the lock to use there. `prepared` makes the environment, if it
        has to be there for this. Returns what is lacking; EnvironmentFailure for what is not to be had.
        """
