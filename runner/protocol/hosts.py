"""Which names a server answers to: a browser lured here by another name or page is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatch

from runner.protocol.answer import ApiError
from runner.protocol.gate import Head

__all__ = ["check_browser", "check_host", "host_name"]

_ADDRESS = re.compile(r"[0-9.]+|[0-9a-f:.]*:[0-9a-f:.]*")


def host_name(head: Head) -> str:
    """Of the Host header, without its port."""
    return _without_port(head.headers.get("host", ""))


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def check_host(head: Head, allowed: Sequence[str]) -> None:
    """`allowed`: names, or patterns with *. A bare address is always good: only a name can be pointed elsewhere."""
    name = host_name(head)
    if (
        name
        and not _ADDRESS.fullmatch(name)
        and not any(name == each or fnmatch(name, each) for each in allowed)
    ):
        raise ApiError("PERMISSION_DENIED", "Invalid Host header - possible DNS rebinding attack detected")


def check_browser(head: Head, allowed: Sequence[str]) -> None:
    """A page of another site must not change anything."""
    origin = head.headers.get("origin")
    if origin is None or head.method in ("GET", "HEAD"):
        return
    name = _without_port(origin.partition("://")[2])
    if not any(name == each or fnmatch(name, each) for each in allowed):
        raise ApiError("PERMISSION_DENIED", "Cross-origin request blocked")
