"""Runs that are on at the same time, in one folder, with the same declared outputs: whose files are whose?

A file in the cache for each folder lists the runs that are on in it. Both of two that overlap are told, their records
have it, and neither is ever taken for another run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from runner import paths
from runner.host import files
from runner.host.process import pid_start
from runner.running import key
from runner.running.marks import short_digest
from runner.text.globs import matcher
from runner.tracking import events
from runner.typed import NamedTuple

if TYPE_CHECKING:
    from runner.running.plan import Plan
    from runner.running.record import Record
    from runner.values import Report

__all__ = ["Writing"]


class Writer(NamedTuple):
    """A run that is on."""

    run_id: str
    parent: str  # run id of the run that started it
    pid: int  # of its supervisor
    start: str  # of that process: numbers are given again
    outputs: tuple[str, ...]  # patterns
    met: tuple[str, ...] = ()  # the runs that were on with the same outputs

    def is_on(self) -> bool:
        return pid_start(self.pid) == self.start


class Writing:
    """`with Writing(...):` the run is on."""

    def __init__(
        self, plan: Plan, record: Record, report: Report, outputs: Sequence[str] | None = None
    ) -> None:
        """`outputs`: of a pipeline, what all of its steps write."""
        self._plan, self._record, self._report = plan, record, report
        self._outputs = outputs
        folder = os.path.realpath(plan.checkout.directory)
        name = short_digest(os.fsencode(folder)).partition(":")[2]
        self._file = paths.scratch("work", "writing", f"{name}.json")
        self._told: tuple[str, ...] = ()

    def __enter__(self) -> None:
        outputs = key.outputs(self._plan) if self._outputs is None else self._outputs
        pid, parent = os.getpid(), self._plan.request.parent or os.environ.get("PROJ_RUN_ID", "")
        own = Writer(self._record.run_id, parent, pid, pid_start(pid), tuple(outputs))
        try:
            with _listed(self._file) as listed:
                above = set(_above(own, listed))
                others = [
                    at
                    for at, each in enumerate(listed)
                    if each.run_id not in above
                    and own.run_id not in _above(each, listed)
                    and _meet(each.outputs, own.outputs)
                ]
                for at in others:
                    listed[at] = listed[at]._replace(met=(*listed[at].met, own.run_id))
                own = own._replace(met=tuple(listed[at].run_id for at in others))
                listed.append(own)
        except OSError:
            return  # a cache that cannot be written: the run goes on
        self._tell(own.met)
        if own.met:
            names = ", ".join(each[:12] for each in own.met)
            then = "each may find the other's files; --workdir=fresh  keeps them apart"
            if self._outputs is not None:
                then = (
                    "a step that would read the other's files fails; a clone of the project keeps them apart"
                )
            self._report.warn(f"another run with the same outputs is on in this folder ({names}): {then}")

    def _tell(self, met: tuple[str, ...]) -> None:
        if met != self._told:
            self._told = met
            self._record.append(events.section("workdir", {"beside": [*met]}))

    def __exit__(self, *error: object) -> None:
        own = self._record.run_id
        try:
            with _listed(self._file) as listed:
                met = next((each.met for each in listed if each.run_id == own), ())
                listed[:] = [each for each in listed if each.run_id != own]
        except OSError:
            return
        self._tell(met)


@contextmanager
def _listed(path: str) -> Iterator[list[Writer]]:
    """The runs that are on, to be changed by one process at a time; those whose supervisors are gone are not there."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle = files.lock(path)
    try:
        found = [each for each in _read(handle) if each.is_on()]
        yield found
        text = json.dumps(found).encode() if found else b""
        os.ftruncate(handle, 0)
        os.pwrite(handle, text, 0)
        if not text:
            os.unlink(path)
    finally:
        os.close(handle)


def _read(handle: int) -> list[Writer]:
    try:
        rows: list[list[Any]] = json.loads(os.pread(handle, 1 << 24, 0) or b"[]")
        return [Writer(*each[:4], *map(tuple, each[4:])) for each in rows]
    except (ValueError, TypeError, IndexError):
        return []  # its writer was killed in the middle


def _above(run: Writer, listed: Sequence[Writer]) -> Iterator[str]:
    """The runs that it was started in: what it writes, they have told it to write."""
    parents = {each.run_id: each.parent for each in listed}
    parent = run.parent
    while parent:
        yield parent
        parent = parents.pop(parent, "")


def _meet(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether a file may be an output of both."""
    found = matcher(one), matcher(other)
    return any(found[0](each) for each in other) or any(found[1](each) for each in one)
