"""The output of a run, read back piece by piece with the time and the stream of each (docs/record.md)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from runner.host.files import IrregularError, open_file

__all__ = ["Line", "Piece", "Reader", "by_line", "last_lines"]

BLOCK = 1 << 20
TAIL = 65_536  # bytes


def last_lines(directory: str) -> list[str]:
    """Those in the last TAIL bytes that a run wrote. `directory`: of the record."""
    try:
        with open_file(os.path.join(directory, "output.log")) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []


class Piece(NamedTuple):
    time: int  # ms since the epoch; 0 when nothing tells
    stream: int  # 1 stdout, 2 stderr
    data: bytes


class Line(NamedTuple):
    time: int  # of its first byte
    stream: int
    text: bytes  # without the newline
    ended: bool  # by a newline


class Reader:
    """Remembers how far it has read: `read` gives what came since."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._log = os.path.join(directory, "output.log")
        self._times = os.path.join(directory, "output.times")
        self._offset = 0  # in the log
        self._read = 0  # bytes of the times
        self._marks: list[
            tuple[int, int, int]
        ] = []  # (offset, ms, stream) not yet passed, and the one before
        self._current = (0, 1)

    def read(self) -> Iterator[Piece]:
        """The pieces that came since the last call, each with its time and stream."""
        try:
            with open_file(self._log) as log:
                size = os.fstat(log.fileno()).st_size  # before the times: what has a byte has its time
                self._read_times()
                log.seek(self._offset)
                while self._offset < size:
                    end = min(self._end_of_piece(), size, self._offset + BLOCK)
                    data = log.read(end - self._offset)
                    if not data:
                        return
                    self._offset += len(data)
                    yield Piece(*self._current, data)
        except (FileNotFoundError, IrregularError):
            return

    def tail(self) -> Iterator[Piece]:
        """What was kept of the end of a very long output while its supervisor has not joined it to the log."""
        names = [name for name in os.listdir(self._directory) if name.startswith("output.tail.")]
        if names:
            yield Piece(0, 1, b"\n[... output was left out here ...]\n")
        for name in sorted(names):
            try:
                with open_file(os.path.join(self._directory, name)) as file:
                    while data := file.read(BLOCK):
                        yield Piece(0, 1, data)
            except (FileNotFoundError, IrregularError):
                continue

    def _read_times(self) -> None:
        try:
            with open_file(self._times) as file:
                file.seek(self._read)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._read += len(line)
                    fields = line.split()
                    if len(fields) == 3 and all(field.isdigit() for field in fields):
                        self._marks.append((int(fields[0]), int(fields[1]), int(fields[2])))
        except (FileNotFoundError, IrregularError):
            pass

    def _end_of_piece(self) -> int:
        """Makes the mark that we stand at the current one; where the next begins."""
        passed = 0
        for offset, time, stream in self._marks:
            if offset > self._offset:
                break
            self._current = (time, stream)
            passed += 1
        del self._marks[:passed]
        return self._marks[0][0] if self._marks else self._offset + BLOCK


def by_line(pieces: Iterator[Piece], kept: dict[int, tuple[int, bytes]]) -> Iterator[Line]:
    """Whole lines of each stream. `kept` holds the unfinished ones: hand it over again, or read it at the end."""
    for piece in pieces:
        time, rest = kept.pop(piece.stream, (piece.time, b""))
        *whole, last = (rest + piece.data).split(b"\n")
        for number, text in enumerate(whole):
            yield Line(time if number == 0 else piece.time, piece.stream, text, True)
        if last:
            kept[piece.stream] = (piece.time if whole else time, last)
