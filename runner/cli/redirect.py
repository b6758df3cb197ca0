"""Keeps our standard output for our own result: what a run's command prints goes to stderr instead."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["own_stdout"]


@contextmanager
def own_stdout(wanted: bool) -> Iterator[None]:
    """While it holds, file descriptor 1 (that commands inherit) is stderr."""
    if not wanted:
        yield
        return
    sys.stdout.flush()
    real = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(real, 1)
        os.close(real)
