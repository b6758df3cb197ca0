"""What a command writes, kept as bytes with the time of each piece: output.log and output.times.

Both files and their format: docs/record.md. Of an endless output the first and the last part are kept: after HEAD
bytes the tail goes to two files in turn, which are joined behind a line that tells what was left out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

__all__ = ["Capture", "Mask", "limit"]

PIECE = 10  # ms: output of one stream within this time is one piece in output.times


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
            import re

            self._any = re.compile(b"|".join(map(re.escape, self._secrets)))  # the longest is tried first

    def feed(self, data: bytes) -> bytes:
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
        held, self._held = self._held, b""
        return self._any.sub(b"****", held) if held else held


def _overlap(data: bytes, secret: bytes) -> int:
    """How many bytes at the end of `data` may be the beginning of `secret`."""
    for size in range(min(len(secret) - 1, len(data)), 0, -1):
        if data.endswith(secret[:size]):
            return size
    return 0


class Capture:
    """Writes what a command writes into the record. A full disk ends the capture, not the run."""

    def __init__(self, directory: str, most: int) -> None:
        self._directory = directory
        self._half = max(most // 2, 1)
        self._file = self._times = -1
        self._size = 0
        self._last = (0, 0)  # stream, ms
        self._tail: list[int] = []  # the two files of the tail, the current one last
        self._tail_size = 0
        self._dropped = 0
        self.failure = ""
        try:
            self._file = self._open("output.log")
            self._times = self._open("output.times")
            self._size = os.fstat(self._file).st_size  # a resumed run goes on behind its earlier output
        except OSError as error:
            self.failure = error.strerror or str(error)

    def _open(self, name: str) -> int:
        path = os.path.join(self._directory, name)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def write(self, data: bytes, stream: int) -> None:
        """`stream` is 1 (stdout) or 2 (stderr)."""
        if self.failure or not data:
            return
        try:
            if self._size + len(data) > self._half:
                room = max(self._half - self._size, 0)
                self._write_tail(data[room:])
                data = data[:room]
                if not data:
                    return
            moment = time.time_ns() // 1_000_000
            last_stream, last_moment = self._last
            if stream != last_stream or moment - last_moment >= PIECE:
                self._last = (stream, moment)
                os.write(self._times, b"%d %d %d\n" % (self._size, moment, stream))
            view = memoryview(data)
            while view:
                written = os.write(self._file, view)
                self._size += written
                view = view[written:]
        except OSError as error:
            self.failure = error.strerror or str(error)

    def _write_tail(self, data: bytes) -> None:
        if not self._tail or self._tail_size >= self._half:
            if len(self._tail) == 2:
                oldest = self._tail.pop(0)
                self._dropped += os.fstat(oldest).st_size
                os.close(oldest)
            self._tail.append(self._open(f"output.tail.{time.time_ns()}"))
            self._tail_size = 0
            names = sorted(name for name in os.listdir(self._directory) if name.startswith("output.tail."))
            for name in names[:-2]:
                os.unlink(os.path.join(self._directory, name))
        self._dropped += max(len(data) - self._half, 0)
        data = data[-self._half :]
        os.write(self._tail[-1], data)
        self._tail_size += len(data)

    def close(self) -> None:
        """Joins head and tail."""
        try:
            if self._tail:
                join_tail(self._directory, self._dropped)
        except OSError as error:
            self.failure = self.failure or error.strerror or str(error)
        for file in (self._file, self._times, *self._tail):
            if file >= 0:
                os.close(file)
        self._tail = []


def join_tail(directory: str, dropped: int) -> None:
    """Appends the kept tail to output.log (also done by a reader when the supervisor could not)."""
    names = sorted(name for name in os.listdir(directory) if name.startswith("output.tail."))
    with open(os.path.join(directory, "output.log"), "ab") as log:
        if names:
            log.write(b"\n[... %d bytes of output were left out here ...]\n" % dropped)
        for name in names:
            path = os.path.join(directory, name)
            with open(path, "rb") as part:
                while piece := part.read(1 << 20):
                    log.write(piece)
            os.unlink(path)
