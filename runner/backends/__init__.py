"""Where a command is started. A new kind is a module with the functions of base.Backend, and one line here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from runner.errors import InputError

if TYPE_CHECKING:
    from runner.backends.base import Backend

__all__ = ["CANCEL", "KINDS", "get"]

CANCEL = "cancel"  # a file of this name in the record asks the supervisor to end the run; it says who asks
KINDS = {"local": "runner.backends.local"}


def get(kind: str) -> Backend:
    module = KINDS.get(kind)
    if module is None:
        raise InputError(f"there is no backend {kind!r}", f"known: {', '.join(KINDS)}")
    __import__(module)
    found: Any = sys.modules[module]
    backend: Backend = found
    return backend
