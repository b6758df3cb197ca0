"""What a command writes, kept as bytes with the time of each piece: output.log and output.times.

Both files and their format: docs/record.md. Of an endless output the first and the last part are kept: after HEAD
bytes the tail goes to two files in turn, which are joined behind a line that tells what was left out. Where a disk was
full, a line tells how much is missing.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence

__all__ = ["Capture", "Mask", "limit"]

PIECE = 10  # ms: output of one stream within this time is one piece in output.times
GAP = b"\n[... %d bytes of output were lost here: %s ...]\n"


def limit() -> int:
    """Bytes of output that are kept: PROJ_OUTPUT_LIMIT, or 1 GiB (half for the head, half for the tail)."""
    given = os.environ.get("PROJ_OUTPUT_LIMIT", "")
    return int(given) if given.isdigit() else 1 << 30


class Mask:
    """Replaces secrets in a stream of bytes, also those that are cut in two by a read."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets = sorted((secret for secret in secrets if secret), key=len, reverse=True)
        self._held = b""
        if self._secrets:
            self._any = re.compile(b"|".join(map(re.escape, self._secrets)))  # the longest is tried first

    def feed(self, data: bytes) -> bytes:
        """The data with **** for each secret, as far as no secret can have begun at its end; that is held back until
        more comes.
        """
        if not self._secrets:
            return data
        data = self._held + data
        end = len(data) - max(_overlap(data, secret) for secret in self._secrets)
        for found in self._any.finditer(data):  # what is whole is not cut in two
            if found.start() < end < found.end():
                end = found.end()
        self._held = data[end:]
        return self._any.sub(b"****", data[:end])

    def rest(self) -> bytes:
        """What was held back, at the end of the stream."""
        held, self._held = self._held, b""
        return self._any.sub(b"****", held) if held else held


def _overlap(data: bytes, secret: bytes) -> int:
    """How many bytes at the end of `data` may be the beginning of `secret`."""
    for size in range(min(len(secret) - 1, len(data)), 0, -1):
        if data.endswith(secret[:size]):
            return size
    return 0


class Capture:
    """Keeps what a command writes in the record. What a full disk does not take is counted, and named in its place."""

    def __init__(self, directory: str, most: int) -> None:
        self._directory = directory
        self._half = max(most // 2, 1)
        self._file = self._times = -1
        self._size = 0
        self._last = (0, 0)  # stream, ms
        self._tail: list[int] = []  # the two files of the tail, the current one last
        self._tail_size = 0
        self._dropped = 0
        self._gap = 0  # bytes that were lost since the last that was written
        self._lost = 0
        self._failure = ""
        self._open_files()

    @property
    def problem(self) -> str:
        """For the message of the run's end; "" when all was kept."""
        return f"output was not kept: {self._lost} bytes ({self._failure})" if self._lost else ""

    def _open_files(self) -> bool:
        try:
            if self._file < 0:
                self._file = self._open("output.log")
                self._size = os.fstat(self._file).st_size  # a resumed run goes on behind its earlier output
            if self._times < 0:
                self._times = self._open("output.times")
        except OSError as error:
            self._failure = error.strerror or str(error)
        return self._file >= 0

    def _open(self, name: str) -> int:
        path = os.path.join(self._directory, name)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)

    def write(self, data: bytes, stream: int) -> None:
        """`stream` is 1 (stdout) or 2 (stderr)."""
        if not data:
            return
        if not self._gap:
            missing = len(data) - self._append(data, stream)
        else:  # there may be room again; if not for all of this, then for none of it
            note = GAP % (self._gap, self._failure.encode())
            missing = 0 if self._append(note + data, stream, whole=True) else len(data)
        self._gap = self._gap + missing if missing else 0
        self._lost += missing

    def _append(self, data: bytes, stream: int, whole: bool = False) -> int:
        """Returns how many bytes were written; with `whole`, all or none."""
        if self._file < 0 and not self._open_files():
            return 0
        room = 0 if self._tail else max(self._half - self._size, 0)
        if whole and room < len(data):
            room = 0  # no line about a gap is cut in two
        head, tail = data[:room], data[room:]
        done, times = 0, os.fstat(self._times).st_size if whole and self._times >= 0 else -1
        if head:
            self._note_time(stream)
            done = self._fill(self._file, head, whole)
            self._size += done
        if done == len(head) and tail and self._fill_tail(tail):
            done += len(tail)
        if not done and times >= 0:
            os.ftruncate(self._times, times)
            self._last = (0, 0)
        return done

    def _note_time(self, stream: int) -> None:
        moment = time.time_ns() // 1_000_000
        last_stream, last_moment = self._last
        if self._times < 0 or (stream == last_stream and moment - last_moment < PIECE):
            return
        if self._fill(self._times, b"%d %d %d\n" % (self._size, moment, stream), whole=True):
            self._last = (stream, moment)

    def _fill(self, file: int, data: bytes, whole: bool) -> int:
        view, done = memoryview(data), 0
        try:
            while done < len(data):
                done += os.write(file, view[done:])
        except OSError as error:
            self._failure = error.strerror or str(error)
            if whole and done:
                os.ftruncate(file, os.fstat(file).st_size - done)
                done = 0
        return done

    def _fill_tail(self, data: bytes) -> bool:
        """All or nothing of what is left of `data` when only the last part is kept."""
        if not self._tail or self._tail_size >= self._half:
            try:
                self._begin_tail()
            except OSError as error:
                self._failure = error.strerror or str(error)
                return False
        kept = data[-self._half :]
        if self._fill(self._tail[-1], kept, whole=True) < len(kept):
            return False
        self._dropped += len(data) - len(kept)
        self._tail_size += len(kept)
        return True

    def _begin_tail(self) -> None:
        self._tail.append(self._open(f"output.tail.{time.time_ns()}"))
        self._tail_size = 0
        if len(self._tail) > 2:
            oldest = self._tail.pop(0)
            self._dropped += os.fstat(oldest).st_size
            os.close(oldest)
        for name in tails(self._directory)[:-2]:
            os.unlink(os.path.join(self._directory, name))

    def close(self) -> None:
        """Joins head and tail."""
        if self._gap:
            self._append(GAP % (self._gap, self._failure.encode()), 1, whole=True)
        try:
            if self._tail:
                join_tail(self._directory, self._dropped)
        except OSError:
            pass  # no room for both: readers find the tail where it is
        for file in (self._file, self._times, *self._tail):
            if file >= 0:
                os.close(file)
        self._tail = []


def tails(directory: str) -> list[str]:
    """The files with the ends of an output that was too long for output.log, oldest first."""
    return sorted(name for name in os.listdir(directory) if name.startswith("output.tail."))


def join_tail(directory: str, dropped: int) -> None:
    """Appends the kept tail to output.log; OSError when that has no room, and nothing is changed."""
    paths = [os.path.join(directory, name) for name in tails(directory)]
    log = os.open(os.path.join(directory, "output.log"), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        before = os.fstat(log).st_size
        try:
            _write_all(log, b"\n[... %d bytes of output were left out here ...]\n" % dropped)
            for path in paths:
                with open(path, "rb", buffering=0) as part:
                    while piece := part.read(1 << 20):
                        _write_all(log, piece)
        except OSError:
            os.ftruncate(log, before)
            raise
    finally:
        os.close(log)
    for path in paths:
        os.unlink(path)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
