"""Who may enter a team's server: tokens, host names, rates; and what is noted about it."""

from __future__ import annotations

import time
from fnmatch import fnmatchcase
from typing import NamedTuple

from runner.protocol.answer import ApiError
from runner.protocol.counters import Counters
from runner.protocol.gate import Entry, Gate, Head, bearer
from runner.protocol.hosts import check_browser, check_host
from runner.protocol.live import LiveRuns
from runner.protocol.scope import Role
from runner.server.audit import Lines
from runner.server.locations import check_location
from runner.server.memory import collect
from runner.server.tokens import Token, Tokens

__all__ = ["Rate", "Rules", "TeamGate"]

FAILURES = 20  # wrong tokens that one address may try in a minute
KNOWN = 10_000  # addresses and tokens that are remembered


class Rules(NamedTuple):
    hosts: tuple[str, ...]  # names that the server answers to; patterns with *
    open: bool  # as long as there never was a token, everybody may do everything: only for a loopback address
    rate: float = 0  # requests a second of one token or address; 0: no limit
    no_auth: bool = False  # everybody may do everything, whatever tokens there are
    proxy_header: str = ""  # in lower case: of the address of the client, as a trusted proxy tells it
    roots: tuple[str, ...] = ()  # folders below which experiments may keep artifacts, when tokens are needed


class Rate:
    """A bucket of tokens for each key: `rate` a second, and `burst` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level: dict[str, tuple[float, float]] = {}

    def allows(self, key: str, now: float, cost: float = 1) -> bool:
        """Whether `key` may have this request now: a bucket that fills by `rate` a second up to `burst`; `now`:
        monotonic seconds.
        """
        level, last = self._level.get(key, (self._burst, now))
        level = min(self._burst, level + (now - last) * self._rate)
        if len(self._level) > KNOWN:
            self._level.clear()
        if level < max(cost, 1):
            self._level[key] = level, now
            return False
        self._level[key] = level - cost, now
        return True


class TeamGate(Gate):
    """One for each process of the server."""

    def __init__(
        self,
        runs: LiveRuns,
        rules: Rules,
        tokens: Tokens,
        counters: Counters,
        audit: Lines,
        access: Lines | None,
    ) -> None:
        self.runs = runs
        self.everything = NamedRole("admin", "")
        self._rules = rules
        self._tokens = tokens
        self._counters = counters
        self._audit = audit
        self._access = access
        self._rate = Rate(rules.rate, max(rules.rate * 5, 1)) if rules.rate else None
        self._failures = Rate(FAILURES / 60, FAILURES)
        self._roles: dict[str, NamedRole] = {}
        self._looked = float("-inf")

    def enter(self, head: Head) -> Entry:
        """ApiError for a wrong Host, origin or token, and for too many requests."""
        check_host(head, self._rules.hosts)
        check_browser(head, self._rules.hosts)
        role = self.everything if self.is_free(head) else self.holder(head, bearer(head.headers))[1]
        if self._rate is not None and not self._rate.allows(role.who or self._peer(head), head.started):
            raise ApiError("REQUEST_LIMIT_EXCEEDED", "Too many requests; try again in a moment.")
        return Entry(self.runs, role)

    def is_free(self, head: Head) -> bool:
        """Whether everybody may do everything."""
        if head.started > self._looked + 1:  # a token may have been made or revoked
            self._looked = head.started
            self._tokens.refresh()
        return self._rules.no_auth or (self._rules.open and not self._tokens.wanted)

    def holder(self, head: Head, text: str) -> tuple[str, NamedRole]:
        """Id and role of a token. ApiError for one that is wrong."""
        token = self._tokens.find(text, int(time.time() * 1000))
        if token is None:
            # only these are counted: who has a token is let in, whoever else is at that address
            if not self._failures.allows(self._peer(head), head.started):
                raise ApiError("REQUEST_LIMIT_EXCEEDED", "Too many wrong tokens; try again in a minute.")
            raise ApiError(
                "UNAUTHENTICATED",
                "A token is needed (MLFLOW_TRACKING_TOKEN); this one is missing, wrong or expired.",
            )
        return token.token_id, self._role(token)

    def role_of(self, token_id: str) -> NamedRole | None:
        """Of a token that was given before; None when it is no more good."""
        token = self._tokens.valid(token_id, int(time.time() * 1000))
        return None if token is None else self._role(token)

    def _role(self, token: Token) -> NamedRole:
        role = self._roles.get(token.token_id)
        if role is None:
            role = self._roles[token.token_id] = NamedRole(
                token.role, f"{token.token_id} {token.name}".strip(), self._rules.roots, token.models
            )
        return role

    def _peer(self, head: Head) -> str:
        """The address of the client: the last of the proxy's header, which is the one that the proxy added."""
        told = head.headers.get(self._rules.proxy_header, "") if self._rules.proxy_header else ""
        return told.rpartition(",")[2].strip()[:100] or head.peer

    def changed(self, head: Head, entry: Entry, what: str, subject: str) -> None:
        who = entry.scope.who if isinstance(entry.scope, NamedRole) else ""
        line = {
            "time": int(time.time() * 1000),
            "who": who,
            "peer": self._peer(head),
            "what": what,
            "subject": subject,
        }
        self._audit.count((who, line["peer"], what, subject), line)

    def done(self, head: Head | None, entry: Entry | None, status: int, sent: int) -> None:  # noqa: ARG002
        if not status:  # the client was gone before it was answered
            return
        seconds = 0.0 if head is None else time.monotonic() - head.started
        self._counters.request(status, seconds, sent)
        if self._access is not None:
            self._access.add(
                {
                    "time": int(time.time() * 1000),
                    "peer": "" if head is None else self._peer(head),
                    "method": "" if head is None else head.method,
                    "path": "" if head is None else head.path,
                    "status": status,
                    "bytes": sent,
                    "ms": round(seconds * 1000, 3),
                }
            )

    def failed(self, problem: BaseException) -> None:
        import traceback

        lines = Lines("-")
        lines.add({"time": int(time.time() * 1000), "fault": "".join(traceback.format_exception(problem))})
        lines.flush()

    def tick(self, connections: int) -> None:
        self._counters.flush(connections)
        collect(connections)
        try:
            self._audit.flush()
            if self._access is not None:
                self._access.flush()
        except OSError:
            pass  # a full disk: the store says so to those who write

    def metrics(self) -> bytes:
        return self._counters.shown()


class NamedRole(Role):
    """A role, whose it is, and where they may let experiments keep artifacts (None: anywhere).

    `models`: patterns of the names of registered models to which it is limited; none: all.
    """

    def __init__(
        self, name: str, who: str, roots: tuple[str, ...] | None = None, models: tuple[str, ...] = ()
    ) -> None:
        super().__init__(name)
        self.who = who
        self._roots = roots
        self._patterns = models

    def locate(self, location: str) -> None:
        if self._roots is not None:
            check_location(location, self._roots)

    def name_model(self, name: str) -> None:
        super().name_model(name)
        self._check(name)

    def write_model(self, name: str, run_id: str) -> None:
        super().write_model(name, run_id)
        self._check(name)

    def approve(self, name: str) -> str:
        self._check(name)
        return super().approve(name)

    def _check(self, name: str) -> None:
        if self._patterns and not any(fnmatchcase(name, pattern) for pattern in self._patterns):
            raise ApiError(
                "PERMISSION_DENIED",
                f"This token is for the registered models {', '.join(self._patterns)}; it may not change {name}.",
            )
