"""Who changed what and when; and every request, if that is wanted. Lines of JSON, appended about once a second.

Equal changes within that second (a thousand log-metric calls to one run) are one line with their count.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from runner.values import JsonObject

__all__ = ["Lines"]


class Lines:
    """Collects lines for a file ("-": standard error), which is opened anew each time: it may be rotated."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lines: list[str] = []
        self._counted: dict[tuple[Any, ...], JsonObject] = {}

    def add(self, line: JsonObject) -> None:
        self._lines.append(json.dumps(line))
        if len(self._lines) > 5000:
            self.flush()

    def count(self, key: tuple[Any, ...], line: JsonObject) -> None:
        known = self._counted.get(key)
        if known is None:
            self._counted[key] = {**line, "count": 1}
            if len(self._counted) > 5000:
                self.flush()
        else:
            known["count"] += 1

    def flush(self) -> None:
        """OSError when the file cannot be written."""
        lines, self._lines = self._lines, []
        counted, self._counted = self._counted, {}
        lines += (json.dumps(line) for line in counted.values())
        if not lines:
            return
        data = ("\n".join(lines) + "\n").encode()
        if self._path == "-":
            sys.stderr.buffer.write(data)
            sys.stderr.buffer.flush()
            return
        os.makedirs(os.path.dirname(os.path.abspath(self._path)), exist_ok=True)
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, data)
        finally:
            os.close(file)
