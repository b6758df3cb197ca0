"""A run's event log: append-only lines of JSON, one write() per call, so that writers never mix their lines.

A process that dies in the middle of a write leaves a last line without its newline. A reader leaves that line
out; the next writer closes it with a newline first, so that its own first line is whole (the closed fragment
is then a corrupt line, which readers skip and `proj doctor` names). Format: docs/record.md.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator

from runner.errors import StoreError
from runner.host.files import open_file
from runner.tracking.events import Event
from runner.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

    from runner.text.secrets import Secrets

__all__ = ["EventLog", "dump", "encode", "kept", "last", "new_run_id", "now", "read", "read_all"]

Corrupt: TypeAlias = "Callable[[int, bytes], None]"

ESCAPE = b"\\u"  # JSON's, of a surrogate: but for control characters, our own lines have no others
CHUNK = 1 << 20  # bytes that are parsed at once
TAIL = 1024  # bytes at the end of a log in which a writer looks for its closing line

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def now() -> int:
    """Milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def new_run_id(at: int | None = None) -> str:
    """UUIDv7 (RFC 9562) as 32 hex digits: sorted by the time it was made, in milliseconds."""
    value = (now() if at is None else at) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return f"{value:032x}"


def encode(event: Event, secrets: Secrets | None = None) -> bytes:
    """One line, without the credentials in its addresses and without `secrets`.

    Lone surrogates are kept by JSON's own escape: see text/encoding.py.
    """
    text = _encode(event)
    if secrets and secrets.within(text):
        text = _encode(event := secrets.event(event))
    if "://" in text:  # whoever writes an event: none forgets it
        from runner.text.credentials import cleaned, suspected

        if suspected(text):
            return dump(cleaned(event))
    return _line(text, event)


def dump(event: Event) -> bytes:
    """One line of an event that was in a log before: as it was."""
    return _line(_encode(event), event)


def _line(text: str, event: Event) -> bytes:
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def kept(text: str, secrets: Secrets | None = None) -> str:
    """A text as the readers of a log get it: to be compared with what is there."""
    text = secrets.masked(text) if secrets else text
    if "://" in text:
        from runner.text.credentials import redact

        text = redact(text)
    return text if text.isascii() else _visible(text)


def _visible(text: str) -> str:
    from runner.text.encoding import visible

    return visible(text)


def _all_visible(event: Event) -> Event:
    from runner.text.encoding import visible_values

    return visible_values(event)  # type: ignore[no-any-return]


class EventLog:
    """The writing side. Opened lazily, kept open; safe to use from several processes at once."""

    def __init__(self, path: str, secrets: Secrets | None = None) -> None:
        """`secrets` are masked in what is written."""
        self.path = path
        self.secrets = secrets
        self._file = -1

    def append(self, *events: Event) -> None:
        """Appends the events in one write. Each gets its `time` (ms) unless it has one.

        StoreError when the disk is full or the store cannot be written: then the last of them do not count.
        """
        self.append_lines(self.encoded(*events))

    def encoded(self, *events: Event) -> list[bytes]:
        """The lines of these events, for `append_lines`."""
        moment = now()
        return [
            encode(event if "time" in event else {**event, "time": moment}, self.secrets) for event in events
        ]

    def append_lines(self, lines: Iterable[bytes], unless: bytes = b"") -> bool:
        """Appends lines that are already encoded. False, and nothing is written, when `unless` is near its end."""
        data = b"".join(lines)
        try:
            file = self.open()
            # Looked at each time: another writer of this log may have been killed within its line.
            if size := os.fstat(file).st_size:
                length = min(size, TAIL) if unless else 1
                tail = os.pread(file, length, size - length)
                if unless and unless in tail:
                    return False
                if not tail.endswith(b"\n"):
                    data = b"\n" + data
            written = os.write(file, data)
            while written < len(data):  # a full disk takes a part: the rest, or ENOSPC
                data = data[written:]
                written = os.write(file, data)
        except OSError as error:
            self.close()
            hint = "proj doctor  checks the store"
            raise StoreError(f"{self.path}: {error.strerror or error}", hint) from error
        return True

    def open(self, flags: int = 0) -> int:
        """Its file, made if it is not there. OSError."""
        if self._file < 0:
            flags |= os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(self.path, flags, 0o666)  # less the umask: a group may share a store
        return self._file

    def sync(self) -> None:
        """Survives a power failure from here on."""
        if self._file >= 0:
            try:
                os.fsync(self._file)
            except OSError:
                pass  # what was written is there; only its safety cannot be promised

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def read(
    path: str, offset: int = 0, corrupt: Corrupt | None = None, exact: bool = False
) -> Iterator[tuple[Event, int]]:
    """Each event from byte `offset` on, with the offset after it. A torn last line is not yielded.

    A corrupt line is handed to `corrupt` as (offset, line) and skipped. Texts that UTF-8 cannot write are visible;
    with `exact` they are as they were: for whoever opens the file, or gives the command the argument, again.
    """
    try:
        with open_file(path) as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                here, offset = offset, offset + len(line)
                event = _event(line, exact)
                if event is not None:
                    yield event, offset
                elif corrupt is not None and line != b"\n":
                    corrupt(here, line)
    except FileNotFoundError:
        return


def last(path: str) -> Event | None:
    """The last event of a log; None when it has none. OSError."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        for length in (min(size, 8 * TAIL), size):
            file.seek(size - length)
            lines = file.read(length).split(b"\n")
            for line in reversed(lines[length < size : -1]):  # neither a part of one nor a torn one
                if (event := _event(line, False)) is not None:
                    return event
    return None


def _event(line: bytes, exact: bool) -> Event | None:
    try:
        event = json.loads(line.decode())  # bytes may be UTF-16 for json.loads, and UTF-8 with surrogates
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            return None
        return event if exact or ESCAPE not in line else _all_visible(event)
    except (ValueError, RecursionError):
        return None


def read_all(
    file: int,
    offset: int = 0,
    corrupt: Corrupt | None = None,
    containing: bytes = b"",
    exact: bool = False,
) -> Iterator[tuple[list[Event], int]]:
    """As `read`, of an open file and quicker: lists of events with the offset after each list.

    `containing`: only lines with these bytes in them are looked at. Memory is bounded by CHUNK or by the longest line.
    """
    rest = b""
    size = os.fstat(file).st_size  # no more room is asked for than that: most logs are short
    while data := os.pread(file, min(CHUNK, max(size - offset - len(rest), 0)), offset + len(rest)):
        head, newline, tail = (rest + data).rpartition(b"\n") if rest else data.rpartition(b"\n")
        rest = tail if newline else rest + data
        if newline:
            after = offset + len(head) + 1
            if containing:
                head = b"\n".join([line for line in head.split(b"\n") if containing in line])
            yield _parse(head, offset, corrupt, exact) if head else [], after
            offset = after


def _parse(text: bytes, offset: int, corrupt: Corrupt | None, exact: bool) -> list[Event]:
    """Whole lines at once; one by one only where something is wrong, or may be invisible, in one of them."""
    try:
        found = json.loads((b"[" + text.replace(b"\n", b",") + b"]").decode())
        whole = len(found) == text.count(b"\n") + 1 and all(
            isinstance(each.get("type"), str) for each in found
        )
        if whole and (exact or ESCAPE not in text):
            return found  # type: ignore[no-any-return]
    except (ValueError, AttributeError, RecursionError):
        pass
    events = []
    for line in text.split(b"\n"):
        event = _event(line, exact)
        if event is not None:
            events.append(event)
        elif line and corrupt is not None:
            corrupt(offset, line)
        offset += len(line) + 1
    return events
