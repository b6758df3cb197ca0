"""A run, read on from where it was left: its log, and over it what was done to it later or elsewhere, in segments.

`events.jsonl` is written while the run is in progress, on its own host; its events count in the order of its lines. The
operations of the segments count after them, in the order of their ids (segments.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

from runner.host.files import open_handle
from runner.tracking import segments
from runner.tracking.events import FORMAT, Event
from runner.tracking.fold import Run, fold
from runner.tracking.journal import tail
from runner.tracking.log import read, read_all
from runner.tracking.segments import NewerFormatError, check_format
from runner.typed import NamedTuple

__all__ = ["NOTHING", "Reading", "Skipped", "is_begun", "is_current", "read_on", "record_of"]

Skipped = Callable[[int, str], None]  # is told the byte and the reason of what cannot be understood


class Reading(NamedTuple):
    """How far a run has been read, and what it was by then."""

    log: Run | None = None  # by its events.jsonl alone
    run: Run | None = None  # with its segments. None: it has not begun
    inode: int = 0  # of events.jsonl
    position: int = 0  # bytes of it that were read
    tail: str = ""  # checksum of those before `position`
    offsets: Mapping[str, int] = {}  # bytes that were read of each segment
    last: str = ""  # id of the last operation
    start: int = 0  # byte of events.jsonl at which it was gone on with the last time
    modified: float = 0.0  # when that file was written to (s since the epoch)

    def called(self, run_id: str) -> Reading:
        """A copied folder is a run of its own."""
        log, run = (each and each._replace(run_id=run_id) for each in (self.log, self.run))
        return self._replace(log=log, run=run)


NOTHING = Reading()


def record_of(path: str) -> str:
    """The folder of the run that a file is the log of, or a segment; "" for other files."""
    folder, name = os.path.split(path)
    if os.path.basename(folder) == "segments" and name.endswith(".jsonl"):
        return os.path.dirname(folder)
    return folder if name == "events.jsonl" else ""


def is_current(directory: str, old: Reading) -> bool:
    """Whether there is nothing more to read. OSError when there is no log."""
    status = os.stat(os.path.join(directory, "events.jsonl"))
    return (status.st_ino, status.st_size) == (old.inode, old.position) and not segments.changed(
        directory, old.offsets
    )


def is_begun(directory: str) -> bool:
    """Whether there is a run in this folder that we can read."""
    path = os.path.join(directory, "events.jsonl")
    try:
        for number, (event, _) in enumerate(read(path)):
            if number == 0:
                check_format(path, event, FORMAT)
            if fold([event]) is not None:
                return True
    except (OSError, NewerFormatError):
        pass
    return False


def read_on(
    directory: str, old: Reading = NOTHING, skipped: Skipped | None = None, exact: bool = False
) -> Reading:
    """The run in this folder as it is now. OSError when its log cannot be read; NewerFormatError; StoreError.

    `exact`: see log.read.
    """
    path = os.path.join(directory, "events.jsonl")
    file = open_handle(path)
    try:
        new = _log(file, path, old, skipped, exact)
    finally:
        os.close(file)
    found = segments.names(directory)
    if not found and not old.offsets:
        return new._replace(run=new.log)
    same_log = new.position == old.position and new.start == old.position
    return _segments(directory, new, old if same_log else NOTHING, skipped, exact)


def _log(file: int, path: str, old: Reading, skipped: Skipped | None, exact: bool) -> Reading:
    status = os.fstat(file)
    start = 0
    if old.log is not None and status.st_size >= old.position and tail(file, old.position) == old.tail:
        start = old.position
    position = start

    def pieces() -> Iterator[list[Event]]:
        nonlocal position
        for events, after in read_all(file, start, None if skipped is None else corrupt, exact=exact):
            if position == 0 and events:
                check_format(path, events[0], FORMAT)
            yield events
            position = after

    def corrupt(place: int, line: bytes) -> None:
        if skipped is not None:
            skipped(place, f"a line that is not an event: {line[:80].decode(errors='replace')}")

    run = fold(chain.from_iterable(pieces()), old.log if start else None, _odd(skipped, lambda: position))
    return Reading(
        run, None, status.st_ino, position, tail(file, position), start=start, modified=status.st_mtime
    )


def _odd(skipped: Skipped | None, place: Callable[[], int]) -> Callable[[Event], None] | None:
    if skipped is None:
        return None
    return lambda event: skipped(place(), f"an event that lacks what it needs: {str(dict(event))[:200]}")


def _segments(directory: str, new: Reading, old: Reading, skipped: Skipped | None, exact: bool) -> Reading:
    """`new` with its segments. `old` has the same log: when all new operations are later, they go on top of it."""

    def corrupt(place: int, line: bytes) -> None:
        if skipped is not None:
            skipped(
                place, f"a line of a segment that is not an operation: {line[:80].decode(errors='replace')}"
            )

    def folded(operations: Iterable[Event], run: Run | None) -> Run | None:
        return None if run is None else fold(operations, run, _odd(skipped, lambda: 0))

    if old.run is not None:
        batch = segments.read(directory, old.offsets, corrupt, exact)
        found = batch.operations
        if old.offsets.keys() <= batch.offsets.keys() and (not found or found[0]["op"] > old.last):
            last = found[-1]["op"] if found else old.last
            return new._replace(run=folded(found, old.run), offsets=batch.offsets, last=last)
    batch = segments.read(directory, None, corrupt, exact)
    last = batch.operations[-1]["op"] if batch.operations else ""
    return new._replace(run=folded(batch.operations, new.log), offsets=batch.offsets, last=last)
