"""What a kind of environment is: a module with these names, listed in KINDS (see __init__)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from runner.values import Activation, EnvironmentOptions, EnvironmentSpec, Json, Report


class Specified(NamedTuple):
    """A specification read from disk. Every field is JSON-able: it is remembered between runs."""

    content: (
        Json  # all that decides what the lock will be, by content: no credentials, no folder of this machine
    )
    identity: (
        Json  # what decides, together with the lock, what is built: interpreter, platform, local packages
    )
    files: tuple[
        str, ...
    ]  # absolute paths of all that was read or looked for: one of them changed, all is read again
    plan: Mapping[str, Any]  # what lock(), build() and activate() need to know
    details: Mapping[str, Json] = {}  # for the record
    warnings: tuple[str, ...] = ()  # shown and recorded at each run


class Kind(Protocol):
    LOCK_NAME: str  # how the lock is called in the record

    def specify(
        self, spec: EnvironmentSpec, directory: str, options: EnvironmentOptions, report: Report
    ) -> Specified:
        """Reads the specification; nothing slow, no network. A fault in it is an InputError."""

    def lock(self, specified: Specified, options: EnvironmentOptions, report: Report) -> str:
        """Resolves it to the text of a lock. Called only when none is kept for the same content."""

    def build(
        self, specified: Specified, lock: str, prefix: str, handle: int, report: Report
    ) -> Mapping[str, Json]:
        """Makes the environment in `prefix` (which does not exist yet); returns the facts for its marker.

        `handle` is the open file that locks the build: give it to every child that writes (pass_fds), so
        that an orphan of a killed build keeps the next builder out.
        """

    def problem(self, prefix: str, facts: Mapping[str, Json]) -> str:
        """Why it cannot be used any more, or "". Asked at each run: a few stats, no heavy import."""

    def activate(self, prefix: str, facts: Mapping[str, Json], plan: Mapping[str, Any]) -> Activation: ...

    def remove(self, prefix: str, facts: Mapping[str, Json]) -> None:
        """Removes what the environment keeps outside its folder (an image); the folder is the cache's."""
