"""The segments that this process writes to registered models: open as long as there is something to write.

The time of the folder is set with each operation, so that a reader need not look at each segment.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from runner.errors import StoreError
from runner.tracking import segments
from runner.tracking.events import Event
from runner.tracking.segments import Segment

if TYPE_CHECKING:
    from runner.text.secrets import Secrets

__all__ = ["append"]

MOST = 32  # that are open at once

_open: OrderedDict[str, Segment] = OrderedDict()
_lock = threading.Lock()
_owner = [0]  # the process that opened them: one that was forked has its own


def append(folder: str, operations: Iterable[Event], secrets: Secrets | None, after: str) -> None:
    """To be called with the lock of the model. `after`: the last operation. StoreError."""
    with _lock:
        if _owner[0] != os.getpid():
            _open.clear()
            _owner[0] = os.getpid()
            atexit.register(_close)
        segment = _open.pop(folder, None) or Segment(folder, secrets)
    try:
        segment.append(operations, after)
    except StoreError:
        segment.close()
        raise
    try:
        os.utime(segments.folder_of(folder))
    except OSError:
        pass  # not ours to set: readers look at the segments
    with _lock:
        _open[folder] = segment
        old = _open.popitem(last=False)[1] if len(_open) > MOST else None
    if old is not None:
        old.close()


def _close() -> None:
    if _owner[0] == os.getpid():
        for segment in _open.values():
            segment.close()
        _open.clear()
