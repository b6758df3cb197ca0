"""prctl(2): processes that lose their parent become children of this process, not of the system's first one."""

from __future__ import annotations

import sys
from _thread import allocate_lock

__all__ = ["Backup", "become"]

PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 15, 36


def become(name: str = "") -> bool:
    """False where that is not possible. `name`, up to 15 letters of ASCII, is what `ps` and `killall` call us then."""
    done = _prctl(PR_SET_CHILD_SUBREAPER, 1)
    if done and name:
        _prctl(PR_SET_NAME, name.encode())
    return done


def _prctl(option: int, value: int | bytes) -> bool:
    if sys.platform != "linux":
        return False
    arguments = (option, value, 0, 0, 0)
    try:
        try:
            import _ctypes  # a third of a millisecond; ctypes itself takes two more

            # None: what the interpreter itself was linked with
            function = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")  # type: ignore[arg-type]
            return bool(_ctypes.call_function(function, arguments) == 0)
        except AttributeError:
            import ctypes

            return bool(ctypes.CDLL(None).prctl(*arguments) == 0)
    except (ImportError, OSError):
        return False  # a Python without it


class Backup:
    """While it is held by anybody, this process takes over the children of a guard that was killed.

    Held only while commands run: orphans of other helpers would wait for us to notice their end.
    """

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._holders = 0

    def hold(self) -> None:
        """Orphans of this process come to it as long as somebody holds (prctl(2), PR_SET_CHILD_SUBREAPER)."""
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                _prctl(PR_SET_CHILD_SUBREAPER, 1)

    def release(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                _prctl(PR_SET_CHILD_SUBREAPER, 0)
