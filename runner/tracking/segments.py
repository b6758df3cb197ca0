"""Segments: what is done to one thing, in files of which each has one writer for ever.

`<folder of the thing>/segments/<UUIDv7>.jsonl`: a header that states the format, then operations. An operation is an
event with an id, `op` (UUIDv7), and counts once. A thing is a fold over the *set* of its operations in the order of
their ids, so any tool that copies files merges what was done in two places, in any order and however often.
Format: docs/record.md.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from runner.errors import StoreError
from runner.host import files
from runner.host.files import open_file, open_handle
from runner.tracking.events import Event
from runner.tracking.log import Corrupt, EventLog, dump, encode, last, new_run_id, now, read_all
from runner.typed import NamedTuple

if TYPE_CHECKING:
    from runner.text.secrets import Secrets

__all__ = [
    "Batch",
    "NewerFormatError",
    "Segment",
    "changed",
    "check_format",
    "compact",
    "dump_all",
    "folder_of",
    "names",
    "read",
    "sizes",
]

FORMAT = 1
SUFFIX = ".jsonl"
MOST = 8  # segments of one thing; more are compacted into one
BIG = 1 << 20  # bytes; a segment of this size is not copied any more
IDLE = 1.0  # s without an operation, after which a writer begins a new segment: one that was copied should not grow
TRIES = 5
FAR = 1 << 62  # ms

Keep: TypeAlias = "Callable[[list[Event]], list[Event]]"


class NewerFormatError(StoreError):
    """Of a file that a later version of proj wrote. It is not guessed what it may say."""


def check_format(path: str, first: Event, known: int) -> None:
    """NewerFormatError if the first event of a file states a format after `known`."""
    found = first.get("format", known)
    if not isinstance(found, int) or found > known:
        raise NewerFormatError(
            f"{path} was written by a newer version of proj (format {found}; this one knows {known})",
            "pip install --upgrade proj-runner",
        )


class Batch(NamedTuple):
    operations: list[Event]  # each once, in the order of their ids
    offsets: Mapping[str, int]  # bytes that were read of each segment, by name


def folder_of(thing: str) -> str:
    return os.path.join(thing, "segments")


def names(thing: str) -> list[str]:
    """Of the segments of a run, experiment or model, oldest first (their names begin with the time)."""
    try:
        found = os.listdir(folder_of(thing))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in found if name.endswith(SUFFIX) and is_id(name[: -len(SUFFIX)]))


def is_id(text: object) -> bool:
    return isinstance(text, str) and len(text) == 32 and not text.strip("0123456789abcdef")


def sizes(thing: str) -> dict[str, int]:
    """Bytes, by name."""
    found = {}
    for name in names(thing):
        try:
            found[name] = os.stat(_path(thing, name)).st_size
        except OSError:
            continue  # compacted meanwhile
    return found


def changed(thing: str, offsets: Mapping[str, int]) -> bool:
    """Whether there is more, or other, than was read. A line that its writer was killed in does not count."""
    found = sizes(thing)
    if found.keys() != offsets.keys():
        return True
    differing = [name for name, size in found.items() if size != offsets[name]]
    return any(_has_more(_path(thing, name), offsets[name]) for name in differing)


def _has_more(path: str, offset: int) -> bool:
    try:
        with open_file(path) as file:
            file.seek(offset)
            return os.fstat(file.fileno()).st_size < offset or file.readline().endswith(b"\n")
    except OSError:
        return True


def _path(thing: str, name: str) -> str:
    return os.path.join(folder_of(thing), name)


# ---- reading -----------------------------------------------------------------------------------------------


def read(
    thing: str,
    offsets: Mapping[str, int] | None = None,
    corrupt: Corrupt | None = None,
    exact: bool = False,
) -> Batch:
    """The operations after `offsets` (None: all). NewerFormatError; StoreError when a segment cannot be read.

    `exact`: see log.read.

    An operation may be among them that was read before: compacting gives it another place.
    """
    for _ in range(TRIES):
        try:
            return _read(thing, offsets or {}, corrupt, exact)
        except FileNotFoundError:
            continue  # compacted meanwhile: what was in it is in another one by now
        except OSError as error:
            raise StoreError(f"{error.filename}: {error.strerror or error}") from error
    raise StoreError(f"{folder_of(thing)} changes faster than it can be read")


def _read(thing: str, offsets: Mapping[str, int], corrupt: Corrupt | None, exact: bool) -> Batch:
    found: dict[str, Event] = {}
    reached: dict[str, int] = {}
    for name in names(thing):
        file = open_handle(_path(thing, name))
        try:
            start = offsets.get(name, 0)
            if os.fstat(file).st_size < start:  # an older copy was put in its place
                start = 0
            reached[name] = _take(found, file, _path(thing, name), start, corrupt, exact)
        finally:
            os.close(file)
    return Batch([found[op] for op in sorted(found)], reached)


def _take(
    found: dict[str, Event], file: int, path: str, start: int, corrupt: Corrupt | None, exact: bool
) -> int:
    """Adds the operations of a segment from byte `start` on; the byte after the last whole line.

    Of one that does not state its format none is taken.
    """
    offset, stated = start, start > 0
    for events, after in read_all(file, start, corrupt, exact=exact):
        if not offset and events and events[0]["type"] == "segment":
            header, *events = events
            check_format(path, header, FORMAT)
            stated = True
        for event in events:
            if stated and _is_op(event.get("op")) and _is_time(event.get("time")):
                _add(found, event["op"], event)
            elif corrupt is not None:
                corrupt(offset, dump(event))
        offset = after
    return offset


def _is_op(op: object) -> bool:
    return is_id(op) and str(op) < "f"  # later ones would leave no room for what comes after


def _is_time(time: object) -> bool:
    """ms; each operation has one."""
    return type(time) is int and -FAR < time < FAR


def _add(found: dict[str, Event], op: str, event: Event) -> None:
    other = found.setdefault(op, event)
    if other != event and dump(event) < dump(other):  # damaged somewhere: the same one is taken everywhere
        found[op] = event


# ---- writing -----------------------------------------------------------------------------------------------


def dump_all(operations: Iterable[Event]) -> bytes:
    """A segment with these operations."""
    return b"".join(map(dump, (_header(), *operations)))


def _header() -> Event:
    return {"type": "segment", "format": FORMAT, "time": now()}


class Segment:
    """Appends operations to a thing, in segments of its own. Begun at the first one; every method raises StoreError."""

    def __init__(self, thing: str, secrets: Secrets | None = None, keep: Keep | None = None) -> None:
        """`secrets` are masked. `keep`: which operations still count when they are compacted; by default all."""
        self.thing = thing
        self._secrets = secrets
        self._keep = keep
        self._log: EventLog | None = None
        self._last = ""  # id
        self._used = 0.0

    def append(self, events: Iterable[Event], after: str = "") -> bool:
        """In one write; whether a segment was begun. An operation sorts after all that were there at that moment.

        `after`: an operation that others have added since.
        """
        if self._log is not None and time.monotonic() - self._used > IDLE:
            self.close()
        lines = []
        begun = self._log is None
        if self._log is None:
            self._log = self._begin()
            lines.append(dump(_header()))
        moment = now()
        self._last = max(self._last, after)
        for event in events:
            self._last = _after(self._last, moment)
            lines.append(encode({"op": self._last, "time": moment, **event}, self._secrets))
        try:
            self._log.append_lines(lines)
        except StoreError:
            self._log = None  # what could not be written whole is not gone on with
            raise
        self._used = time.monotonic()
        return begun

    def _begin(self) -> EventLog:
        log = EventLog(_path(self.thing, new_run_id() + SUFFIX))
        try:
            make(folder_of(self.thing))
            self._last = max(self._last, _latest(self.thing))
            file = log.open(os.O_EXCL)
        except OSError as error:
            raise StoreError(
                f"{log.path}: {error.strerror or error}", "proj doctor  checks the store"
            ) from error
        try:
            files.flock(file)  # tells compaction that it is being written
        except OSError:
            pass  # a file system without locks: there nothing is compacted
        return log

    def sync(self) -> None:
        if self._log is not None:
            self._log.sync()

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None
            compact(self.thing, self._keep)

    def __enter__(self) -> Segment:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def make(folder: str) -> None:
    """The folder; what it is in has to be there, or else the thing was removed."""
    try:
        os.mkdir(folder)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise


def _after(last: str, moment: int) -> str:
    """An id of this moment, or of as soon as possible after `last`."""
    made = new_run_id(moment)
    if made > last:
        return made
    return f"{int(last, 16) + 1:032x}"


def _latest(thing: str) -> str:
    """An id before which all operations of the thing sort that can be seen."""
    latest = ""
    for name in names(thing):
        try:
            found = last(_path(thing, name)) or {}
        except FileNotFoundError:
            continue  # compacted meanwhile
        latest = max(latest, found["op"]) if _is_op(found.get("op")) else latest
    if not latest or (moment := int(latest[:12], 16)) < now():
        return latest
    return new_run_id(moment + 1)  # by a clock that is ahead: not one that somebody else takes now, too


# ---- compacting --------------------------------------------------------------------------------------------


def compact(thing: str, keep: Keep | None = None) -> None:
    """Puts segments that nobody writes to any more into one, if there are more than MOST. What fails is left as it is.

    They are removed when the new one is safe on the disk. If a later merge brings one back, its operations count once.
    """
    found = names(thing)
    if len(found) <= MOST:
        return
    taken: dict[str, int] = {}
    operations: dict[str, Event] = {}
    try:
        for name in found:
            file = os.open(_path(thing, name), os.O_RDWR | os.O_CLOEXEC)
            if not _is_closed(file) or not _take_whole(operations, file, _path(thing, name)):
                os.close(file)
                continue
            taken[name] = file
        if len(taken) > MOST and all(os.fstat(file).st_nlink for file in taken.values()):
            kept = [operations[op] for op in sorted(operations)]
            _write_whole(thing, keep(kept) if keep else kept)
            for name in taken:
                os.unlink(_path(thing, name))
    except (OSError, StoreError):
        pass  # another process was quicker, or it may not be written here
    finally:
        for file in taken.values():
            os.close(file)


def _is_closed(file: int) -> bool:
    """Small, and no writer holds it; none can take it up again."""
    return files.flock(file, wait=False) and os.fstat(file).st_size < BIG


def _take_whole(operations: dict[str, Event], file: int, path: str) -> bool:
    """Adds what is in a segment, unless there is something in it that cannot be read: that is kept as it is."""
    damaged: list[int] = []
    found: dict[str, Event] = {}
    try:
        end = _take(found, file, path, 0, lambda offset, _: damaged.append(offset), exact=True)
    except NewerFormatError:
        return False
    if damaged or end != os.fstat(file).st_size or not found:
        return False
    for op, event in found.items():
        _add(operations, op, event)
    return True


def _write_whole(thing: str, operations: list[Event]) -> None:
    files.write(_path(thing, new_run_id() + SUFFIX), dump_all(operations), durable=True)
