"""Who changed what and when; and every request, if that is wanted. Lines of JSON.

The first of several equal changes within a second (a thousand log-metric calls to one run) is written at once; the
others follow as one line with their count.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
from typing import Any

from runner.values import JsonObject

__all__ = ["Lines"]


class Lines:
    """Appends lines to a file ("-": standard error), which is opened anew each second: it may be rotated."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lines: list[str] = []
        self._counted: dict[tuple[Any, ...], JsonObject] = {}
        self._file = -1
        self._torn = False  # the last line was not written to its end
        self._lock = threading.Lock()

    def add(self, line: JsonObject) -> None:
        self._lines.append(json.dumps(line))
        if len(self._lines) > 5000:
            self.flush()

    def count(self, key: tuple[Any, ...], line: JsonObject) -> None:
        """Of equal keys the first is written when this returns. OSError when it cannot be."""
        with self._lock:
            known = self._counted.get(key)
            if known is not None:
                known["count"] += 1
                return
            self._write([json.dumps({**line, "count": 1})])
            self._counted[key] = {**line, "count": 0}
        if len(self._counted) > 5000:
            self.flush()

    def flush(self) -> None:
        """OSError when the file cannot be written."""
        with self._lock:
            lines, self._lines = self._lines, []
            counted, self._counted = self._counted, {}
            lines += (json.dumps(line) for line in counted.values() if line["count"])
            try:
                if lines:
                    self._write(lines)
            finally:
                if self._file >= 0:
                    os.close(self._file)
                    self._file = -1

    def _write(self, lines: list[str]) -> None:
        data = ("\n".join(lines) + "\n").encode()
        if self._path == "-":
            sys.stderr.buffer.write(data)
            sys.stderr.buffer.flush()
            return
        if self._file < 0:
            os.makedirs(os.path.dirname(os.path.abspath(self._path)), exist_ok=True)
            # a pipe without a reader would hold up the server
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
            self._file = os.open(self._path, flags, 0o600)
        if self._torn:
            data = b"\n" + data
        written = os.write(self._file, data)
        self._torn = written < len(data)
        if self._torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
