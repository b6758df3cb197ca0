"""`proj rerun`: a recorded run made again with changes, as a run of its own that is linked to the old one."""

from __future__ import annotations

from runner.errors import InputError
from runner.host.interrupts import Interrupts
from runner.reproduction import again, clean_room
from runner.reproduction.again import Changes
from runner.reproduction.clean_room import Terms
from runner.running.plan import Outcome
from runner.running.recorded import CannotRunError, load
from runner.tracking.store import Store
from runner.values import Report

__all__ = ["rerun"]


def rerun(store: Store, ref: str, changes: Changes, report: Report) -> Outcome:
    """Inputs may have changed since: that is said, and they are used as they are."""
    recorded = load(store, ref)
    terms = Terms(offline=changes.offline, anyway=True)
    with Interrupts(), clean_room.enter(recorded, terms, report) as room:
        for _, doubt in room.doubts:
            report.warn(doubt)
        try:
            if recorded.run.kind == "pipeline":
                from runner.reproduction import pipelines

                return pipelines.rerun(recorded, room, changes, report)
            return again.make(recorded, room, changes, report)
        except CannotRunError as error:
            if error.cause == "parameters":
                raise InputError(error.message, error.hint) from None
            raise
