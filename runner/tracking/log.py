"""A run's event log: append-only lines of JSON, one write() per call, so that writers never mix their lines.

A process that dies in the middle of a write leaves a last line without its newline. A reader leaves that line
out; the next writer closes it with a newline first, so that its own first line is whole (the closed fragment is
then a corrupt line, which readers skip and `proj doctor` names). Format: docs/record.md.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from runner.errors import StoreError

__all__ = ["Event", "EventLog", "encode", "new_run_id", "now", "read"]

Event: TypeAlias = "dict[str, Any]"

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def now() -> int:
    """Milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def new_run_id(at: int | None = None) -> str:
    """UUIDv7 (RFC 9562) as 32 hex digits: sorted by the time it was made, in milliseconds."""
    value = (now() if at is None else at) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return f"{value:032x}"


def encode(event: Mapping[str, Any]) -> bytes:
    """One line. A lone surrogate (an undecodable byte of a file name) is kept by JSON's own escape."""
    text = _encode(event)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(event, separators=(",", ":")).encode() + b"\n"


class EventLog:
    """The writing side. Opened lazily, kept open; safe to use from several processes and threads at once."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = -1

    def append(self, *events: Mapping[str, Any]) -> None:
        """Appends the events in one write. Each gets its `time` (ms) unless it has one.

        StoreError when the disk is full or the store cannot be written; then nothing of it counts.
        """
        moment = now()
        self.append_lines(
            [encode(event if "time" in event else {**event, "time": moment}) for event in events]
        )

    def append_lines(self, lines: Iterable[bytes]) -> None:
        """Appends lines that are already encoded."""
        data = b"".join(lines)
        try:
            if self._file < 0:
                self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
                size = os.fstat(self._file).st_size
                if size and os.pread(self._file, 1, size - 1) != b"\n":
                    data = b"\n" + data
            written = os.write(self._file, data)
            while written < len(data):  # a full disk takes a part: the rest, or ENOSPC
                data = data[written:]
                written = os.write(self._file, data)
        except OSError as error:
            self.close()  # the next append looks at the last byte again
            raise StoreError(
                f"{self.path}: {error.strerror or error}", "proj doctor  checks the store"
            ) from error

    def sync(self) -> None:
        """Survives a power failure from here on."""
        if self._file >= 0:
            os.fsync(self._file)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def read(
    path: str, offset: int = 0, corrupt: Callable[[int, bytes], None] | None = None
) -> Iterator[tuple[Event, int]]:
    """Each event from byte `offset` on, with the offset after it. A torn last line is not yielded.

    A corrupt line is handed to `corrupt` as (offset, line) and skipped.
    """
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                here, offset = offset, offset + len(line)
                if line == b"\n":
                    continue
                try:
                    event = json.loads(line)
                    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
                        raise ValueError("not an event")
                except ValueError:
                    if corrupt is not None:
                        corrupt(here, line)
                    continue
                yield event, offset
    except FileNotFoundError:
        return
