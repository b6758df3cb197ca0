"""Where a command is started. A new kind is a module with the functions of base.Backend, and one line here."""

from __future__ import annotations

from importlib import import_module

from runner.errors import InputError
from runner.typed import TYPE_CHECKING, cast

if TYPE_CHECKING:  # holds the module to the protocol
    from runner.backends import local
    from runner.backends.base import Backend

    _kinds: tuple[Backend, ...] = (local,)

__all__ = ["KINDS", "get"]

KINDS = {"local": "runner.backends.local"}


def get(kind: str) -> Backend:
    """InputError for a kind that there is none of."""
    module = KINDS.get(kind)
    if module is None:
        raise InputError(f"there is no backend {kind!r}", f"known: {', '.join(KINDS)}")
    return cast("Backend", import_module(module))
