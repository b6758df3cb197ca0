"""Who looks at the pages: a cookie for whoever came in by a one-time code. The API takes no cookie, the pages no token.

The cookie is a random number of which only the digest is known here, and it ends with the process.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
from typing import NamedTuple
from urllib.parse import parse_qs

from starlette.requests import Request

from runner.errors import InputError
from runner.protocol.answer import ApiError
from runner.protocol.scope import Role

__all__ = ["COOKIE", "Sessions", "Visitor", "form", "visitor"]

COOKIE = "proj_session"
FIELD = "csrf"  # of every form: another site cannot know it
MOST = 1_000_000  # bytes of a form


class Visitor(NamedTuple):
    role: Role
    who: str
    csrf: str


class Sessions:
    """Of one server of pages; safe to use from threads."""

    def __init__(self) -> None:
        self._codes: dict[str, Visitor] = {}
        self._visitors: dict[str, Visitor] = {}
        self._lock = threading.Lock()

    def invite(self, role: str, who: str) -> str:
        """A code by which one browser may come in, once."""
        code = os.urandom(24).hex()
        with self._lock:
            self._codes[_digest(code)] = Visitor(Role(role), who, os.urandom(16).hex())
        return code

    def enter(self, code: str) -> str:
        """The cookie for a code. ApiError for one that is wrong or was used."""
        with self._lock:
            found = self._codes.pop(_digest(code), None)
            if found is None:
                raise ApiError("UNAUTHENTICATED", "This link has been used. `proj ui` opens a new one.")
            cookie = os.urandom(24).hex()
            self._visitors[_digest(cookie)] = found
        return cookie

    def find(self, cookie: str) -> Visitor | None:
        with self._lock:
            return self._visitors.get(_digest(cookie))

    def leave(self, cookie: str) -> None:
        with self._lock:
            self._visitors.pop(_digest(cookie), None)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def visitor(request: Request) -> Visitor:
    found: Visitor = request.scope["state"]["visitor"]
    return found


async def form(request: Request) -> dict[str, list[str]]:
    """What a form of ours sent. ApiError when it is not ours, or whoever sent it may only read."""
    who = visitor(request)
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > MOST:
            raise ApiError("INVALID_PARAMETER_VALUE", f"The form is larger than {MOST} bytes.", 413)
    try:
        fields = parse_qs(data.decode(), keep_blank_values=True, max_num_fields=10_000)
    except ValueError as error:
        raise InputError(f"the form cannot be read: {error}") from None
    given = fields.pop(FIELD, [""])[0]
    if not hmac.compare_digest(given.encode(), who.csrf.encode()):
        raise ApiError("PERMISSION_DENIED", "The form has expired. Load the page again.")
    who.role.write("runs")
    return fields
