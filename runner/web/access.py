"""Who looks at the pages: a cookie says it. The API takes no cookie, and the pages no token but by the form for it.

A cookie is a random number, of which only the digest is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
from typing import NamedTuple, Protocol
from urllib.parse import parse_qs

from starlette.requests import Request

from runner.errors import InputError
from runner.protocol.answer import ApiError
from runner.protocol.gate import Head
from runner.protocol.scope import Role

__all__ = [
    "COOKIE",
    "Doorkeeper",
    "OneBrowser",
    "Visitor",
    "csrf_of",
    "digest",
    "form",
    "new_cookie",
    "visitor",
]

COOKIE = "proj_session"
FIELD = "csrf"  # of every form: another site cannot know it
MOST = 1_000_000  # bytes of a form


class Visitor(NamedTuple):
    role: Role
    who: str
    csrf: str = ""


class Doorkeeper(Protocol):
    """Safe to use from threads."""

    closed: (
        str  # what is said to those who have no cookie; "": the form for a token is shown, and no link opens
    )
    hint: str  # what they may do

    def enter(self, code: str, head: Head) -> str:
        """The cookie for a code or token. ApiError for one that is wrong."""

    def find(self, cookie: str, head: Head) -> Visitor | None:
        """None: whose it is may see nothing."""

    def changed(self, visitor: Visitor, head: Head, what: str, subject: str) -> None:
        """For the audit: `what` was done to the run `subject`."""

    def leave(self, cookie: str) -> None:
        """The cookie counts no more."""


class OneBrowser:
    """Of `proj ui`: one code, which works once."""

    closed = "These pages are for whoever opened them."
    hint = "proj ui  opens the pages in this browser"

    def __init__(self) -> None:
        self._code = ""
        self._visitors: dict[str, Visitor] = {}
        self._lock = threading.Lock()

    def invite(self) -> str:
        """A code for one visit: it ends with its first use, and with the next one."""
        code = new_cookie()
        with self._lock:
            self._code = digest(code)
        return code

    def enter(self, code: str, head: Head) -> str:  # noqa: ARG002
        """The cookie. ApiError for a code that has been used."""
        with self._lock:
            if not self._code or not hmac.compare_digest(digest(code), self._code):
                raise ApiError("UNAUTHENTICATED", "This link has been used. `proj ui` opens a new one.")
            self._code = ""
            cookie = new_cookie()
            self._visitors[digest(cookie)] = Visitor(Role("admin"), "you", csrf_of(cookie))
        return cookie

    def changed(self, visitor: Visitor, head: Head, what: str, subject: str) -> None:
        pass  # it is the store's owner

    def find(self, cookie: str, head: Head) -> Visitor | None:  # noqa: ARG002
        with self._lock:
            return self._visitors.get(digest(cookie))

    def leave(self, cookie: str) -> None:
        with self._lock:
            self._visitors.pop(digest(cookie), None)


def new_cookie() -> str:
    return os.urandom(24).hex()


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def csrf_of(cookie: str) -> str:
    """What the forms of a page have in them, so that no other site can send them."""
    return digest(f"csrf {cookie}")


def visitor(request: Request) -> Visitor:
    found: Visitor = request.scope["state"]["visitor"]
    return found


async def form(request: Request, *looks: str) -> dict[str, list[str]]:
    """What a form of ours sent. ApiError when it is not ours, or whoever sent it may only read.

    `looks`: values of the field `do` that change nothing.
    """
    who = visitor(request)
    fields = await fields_of(request)
    given = fields.pop(FIELD, [""])[0]
    if not hmac.compare_digest(given.encode("utf-8", "replace"), who.csrf.encode()):
        raise ApiError("PERMISSION_DENIED", "The form has expired. Load the page again.")
    if fields.get("do") not in [[look] for look in looks]:
        who.role.write("runs")
    return fields


async def fields_of(request: Request) -> dict[str, list[str]]:
    """Of a form that anybody may send. ApiError, InputError for what is none."""
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > MOST:
            raise ApiError("INVALID_PARAMETER_VALUE", f"The form is larger than {MOST} bytes.", 413)
    try:
        return parse_qs(data.decode(), keep_blank_values=True, max_num_fields=10_000)
    except ValueError as error:
        raise InputError(f"the form cannot be read: {error}") from None
