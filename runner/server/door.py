"""Who may see the pages of a team's server: whoever gave a token to the form, as long as that token is good.

`sessions.jsonl` beside the tokens, append-only and for all processes of the server: `session` events (digest of the
cookie, id of the token) and `left` events.
"""

from __future__ import annotations

import json
import os
import time

from runner.host import files
from runner.protocol.gate import Entry, Head
from runner.server.gate import TeamGate
from runner.server.tokens import append, folder
from runner.web.access import Visitor, csrf_of, digest, new_cookie

__all__ = ["TeamDoor"]

LONGEST = 30 * 86_400_000  # ms that a session lasts


class TeamDoor:
    """See web.access.Doorkeeper."""

    closed = ""
    hint = "proj server token create  makes one, where the store is"

    def __init__(self, root: str, gate: TeamGate) -> None:
        self._path = os.path.join(folder(root), "sessions.jsonl")
        self._gate = gate
        self._stamp: files.Stamp | None = None
        self._sessions: dict[
            str, tuple[str, int]
        ] = {}  # digest of a cookie -> id of its token, ms of its end

    def enter(self, code: str, head: Head) -> str:
        """The cookie of a session for a token (`code`). ApiError for a wrong one."""
        token_id, _ = self._gate.holder(head, code)
        cookie, end = new_cookie(), int(time.time() * 1000) + LONGEST
        append(self._path, {"type": "session", "digest": digest(cookie), "token": token_id, "end": end})
        return cookie

    def find(self, cookie: str, head: Head) -> Visitor | None:
        if self._gate.is_free(head):
            return Visitor(self._gate.everything, "")
        self._refresh()
        token_id, end = self._sessions.get(digest(cookie), ("", 0))
        role = self._gate.role_of(token_id) if end > time.time() * 1000 else None
        return None if role is None else Visitor(role, role.who, csrf_of(cookie))

    def changed(self, visitor: Visitor, head: Head, what: str, subject: str) -> None:
        self._gate.changed(head, Entry(self._gate.runs, visitor.role), what, subject)

    def leave(self, cookie: str) -> None:
        append(self._path, {"type": "left", "digest": digest(cookie)})

    def _refresh(self) -> None:
        began, stamp = files.now(), files.stamp(self._path)
        if stamp is not None and stamp == self._stamp:
            return
        found: dict[str, tuple[str, int]] = {}
        try:
            for line in files.read(self._path).splitlines():
                try:
                    event = json.loads(line)
                    if event["type"] == "session":
                        found[str(event["digest"])] = str(event["token"]), int(event["end"])
                    elif event["type"] == "left":
                        found.pop(str(event["digest"]), None)
                except (ValueError, KeyError, TypeError):
                    continue  # a torn line
        except OSError:
            pass  # there is none yet, or it cannot be read: nobody comes in
        self._sessions = found
        self._stamp = stamp if stamp and files.settled(stamp, began) else None
