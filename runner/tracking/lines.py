"""Where the lines of a long log begin: for every piece of it, how many lines end before; derived, may be deleted.

A page jumps to line 900,000 of a million without reading what is before it, also in a log that has one line of 10 MB.
The file has JSON (inode, size, lines, checksum of the last bytes) in its first line, then `offset, lines` as int64.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from runner import paths
from runner.host import files
from runner.tracking.journal import tail

__all__ = ["LONGEST", "Found", "Lines", "Row", "Streams"]

PIECE = 256 * 1024  # bytes between two marks
KEEP = 4 * 1024 * 1024  # bytes of a log whose marks are worth a file
LONGEST = 10_000  # bytes of a line that are read; of one with carriage returns, its last ones
MOST = 4 * 1024 * 1024  # bytes of lines that are read at once
MARKS = 64 * 1024  # bytes of marks that are read at once
MARK = 64  # bytes of one, at most
FAR = 1 << 63


class Row(NamedTuple):
    number: int  # from 1
    offset: int  # of its first byte
    text: bytes  # without the newline
    size: int  # bytes in all


class Found(NamedTuple):
    hits: int  # lines with the text, as grep -c counts them
    where: int  # the first of them from the line that was asked for on; 0: none


class Streams:
    """Which stream wrote what, by the marks beside a log (docs/record.md), of which one block at a time is read."""

    def __init__(self, directory: str) -> None:
        self._offsets: list[int] = []  # of the block
        self._facts: list[tuple[int, int]] = []
        self._covered = (0, 0)  # offsets of the log for which the block tells
        self._file = -1
        self._size = 0
        try:
            self._file = files.open_handle(os.path.join(directory, "output.times"), follow=False)
            self._size = os.fstat(self._file).st_size
        except OSError:
            pass

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    __del__ = close

    def at(self, offset: int) -> tuple[int, int]:
        """ms since the epoch (0: nothing tells) and stream (1 stdout, 2 stderr) of the byte there."""
        if not self._covered[0] <= offset < self._covered[1]:
            self._load(offset)
        place = bisect_right(self._offsets, offset) - 1
        return self._facts[place] if place >= 0 else (0, 1)

    def _load(self, offset: int) -> None:
        """The last block that begins at or before this byte of the log; marks are in the order of their offsets."""
        low, high = 0, max(self._size - 1, 0) // MARKS
        while low < high:
            middle = (low + high + 1) // 2
            found = self._block(middle)
            low, high = (middle, high) if found and found[0][0] <= offset else (low, middle - 1)
        found = self._block(low)
        after = self._block(low + 1)
        self._offsets = [place for place, _, _ in found]
        self._facts = [(time, stream) for _, time, stream in found]
        self._covered = (0 if not low or not found else found[0][0], after[0][0] if after else FAR)

    def _block(self, number: int) -> list[tuple[int, int, int]]:
        """Offset, time and stream of the lines that begin in it."""
        start = number * MARKS
        if self._file < 0 or start >= self._size:
            return []
        before = min(start, 1)  # whether a line ends there
        data = os.pread(self._file, before + MARKS + MARK, start - before)
        if before:
            rest = data.partition(b"\n")[2]
            start += len(data) - len(rest) - before
            data = rest
        found = []
        for line in data.split(b"\n")[:-1]:
            if start >= (number + 1) * MARKS:
                break
            start += len(line) + 1
            fields = line.split()
            if len(line) < MARK and len(fields) == 3 and all(field.isdigit() for field in fields):
                found.append((int(fields[0]), int(fields[1]), int(fields[2])))
        return found


class Lines:
    """Of one log, as it is when this is made. OSError when it cannot be read."""

    def __init__(self, directory: str, folder: str = "") -> None:
        self._path = os.path.join(directory, "output.log")
        name = hashlib.sha256(os.path.realpath(directory).encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self._kept = os.path.join(folder or paths.scratch("lines"), name[:2], name)
        self._offsets, self._counts = array("q", [0]), array("q", [0])  # newlines before each offset
        self.size = self._newlines = 0
        self._open_end = False  # the last line has no newline
        try:
            with files.open_file(self._path, follow=False) as file:
                self._refresh(file)
        except FileNotFoundError:
            pass

    @property
    def total(self) -> int:
        return self._newlines + self._open_end

    def rows(self, first: int, most: int) -> list[Row]:
        """Lines from number `first` on."""
        found: list[Row] = []
        if first > self.total or most < 1:
            return found
        with files.open_file(self._path, follow=False) as file:
            # a mark that is inside the line before, at the latest, so that the newline is seen with which that ends
            place = max(bisect_left(self._counts, first - 1) - 1, 0)
            file.seek(self._offsets[place])
            number = self._counts[place] + 1
            while number < first and (piece := file.readline(PIECE)):
                number += piece.endswith(b"\n")
            read = 0
            while len(found) < most and read < MOST and file.tell() < self.size:
                row = self._row(file, number)
                found.append(row)
                read += len(row.text)
                number += 1
        return found

    def _row(self, file: BinaryIO, number: int) -> Row:
        offset = file.tell()
        piece = head = end = file.readline(2 * LONGEST)
        size = len(piece)
        while piece and not piece.endswith(b"\n") and offset + size < self.size:
            piece = file.readline(PIECE)
            end = (end + piece)[-4 * LONGEST :]
            size += len(piece)
        ended = end.endswith(b"\n")
        if b"\r" in end.rstrip(b"\r\n"):  # a bar that is drawn over itself: where it stood at last
            text = end.rstrip(b"\r\n").rpartition(b"\r")[2]
        else:
            text = (end if size == len(head) else head).rstrip(b"\r\n")
        return Row(number, offset, text[: 2 * LONGEST], size - ended)

    def find(self, wanted: bytes, first: int = 1, stream: int = 0, streams: Streams | None = None) -> Found:
        """Lines that have the text, of one stream or (0) of both."""
        count = where = 0
        for number, _ in self.matching(wanted, stream, streams):
            count += 1
            if not where and number >= first:
                where = number
        return Found(count, where)

    def matching(
        self, wanted: bytes, stream: int = 0, streams: Streams | None = None
    ) -> Iterator[tuple[int, int]]:
        """Numbers and offsets of lines."""
        try:
            with files.open_file(self._path, follow=False) as file:
                offset, number = 0, 1
                while line := file.readline(PIECE):
                    size, has = len(line), wanted in line
                    while line and not line.endswith(b"\n"):  # a line of any length, a piece at a time
                        rest = file.readline(PIECE)
                        has = has or wanted in line[-len(wanted) :] + rest
                        size += len(rest)
                        line = rest
                    if has and (not stream or not streams or streams.at(offset)[1] == stream):
                        yield number, offset
                    offset += size
                    number += 1
        except FileNotFoundError:
            pass

    # ---- the derived file

    def _refresh(self, file: BinaryIO) -> None:
        state = os.fstat(file.fileno())
        saved = self._load(file, state.st_ino, state.st_size) if state.st_size > KEEP else 0
        file.seek(self.size)
        last = b"\n"
        while block := file.read(min(PIECE, state.st_size - self.size)):
            self.size += len(block)
            self._newlines += block.count(b"\n")
            self._offsets.append(self.size)
            self._counts.append(self._newlines)
            last = block[-1:]
        if self.size and last == b"\n":  # also when nothing was read
            file.seek(self.size - 1)
            last = file.read(1)
        self._open_end = bool(self.size) and last != b"\n"
        if self.size - saved > KEEP:
            self._save(file, state.st_ino)

    def _load(self, file: BinaryIO, inode: int, size: int) -> int:
        """Bytes of the log that were known; 0 when it is another one, or nothing was kept."""
        try:
            data = files.read(self._kept)
            head, _, columns = data.partition(b"\n")
            facts = json.loads(head)
            numbers = array("q")
            numbers.frombytes(columns)
            if facts["inode"] != inode or facts["size"] > size or len(numbers) != 2 * facts["marks"]:
                return 0
            if tail(file.fileno(), facts["size"]) != facts["tail"]:
                return 0
            self.size, self._newlines = int(facts["size"]), int(facts["lines"])
            self._offsets, self._counts = numbers[::2], numbers[1::2]
        except (OSError, ValueError, KeyError, TypeError):
            return 0
        return self.size

    def _save(self, file: BinaryIO, inode: int) -> None:
        numbers = array("q", bytes(16 * len(self._offsets)))
        numbers[::2], numbers[1::2] = self._offsets, self._counts
        facts = {
            "inode": inode, "size": self.size, "lines": self._newlines, "marks": len(self._offsets),
            "tail": tail(file.fileno(), self.size),
        }  # fmt: skip
        try:
            os.makedirs(os.path.dirname(self._kept), exist_ok=True)
            files.write(self._kept, json.dumps(facts).encode() + b"\n" + numbers.tobytes())
        except OSError:
            pass  # the next one reads the log again
