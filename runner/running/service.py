"""Behind the endpoints of a process, from the first connection on: the protocol, for each token limited to its run."""

from __future__ import annotations

import socket
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from runner.errors import ProjError
from runner.protocol.answer import ApiError
from runner.protocol.application import application
from runner.protocol.gate import Entry, Gate, Head, Limits, bearer
from runner.protocol.hosts import check_browser, check_host
from runner.protocol.live import LiveRuns
from runner.protocol.scope import OneRun
from runner.protocol.serving import Server
from runner.text.secrets import Secrets
from runner.tracking.fold import TERMINAL
from runner.tracking.store import Store

__all__ = ["Served", "Service"]

LOCAL = ("127.0.0.1", "localhost", "::1", "host.docker.internal", "host.containers.internal")
LIMITS = Limits(connections=512, threads=2)
GRACE = 1.0  # s, for requests that were begun before the end


class Served(Protocol):
    """A run in progress."""

    store_root: str
    run_id: str
    token: str
    hosts: tuple[str, ...]  # by which its command reaches us
    secrets: Secrets | None  # masked in what is logged


class Service(Gate):
    def __init__(self, runs: Mapping[str, Served]) -> None:
        """`runs`: by token; may change meanwhile."""
        self._served = runs
        self._entries: dict[str, Entry] = {}
        self._requests: Counter[int] = Counter()  # that are being answered, by the id of their entry
        self.faults: list[str] = []  # of ours, with their tracebacks
        self.server = Server(application(self, LIMITS), self, LIMITS, grace=GRACE)

    def listen(self, number: int) -> socket.socket:
        """Serves this file descriptor too, by a copy of it."""
        listener = socket.socket(fileno=socket.dup(number))
        self.server.listen(listener)
        return listener

    # ---- Gate

    def enter(self, head: Head) -> Entry:
        """ApiError for a wrong token, for another Host, and for what a page of another origin sends."""
        token = bearer(head.headers)
        served = self._served.get(token)
        if served is None or not served.run_id:
            raise ApiError(
                "UNAUTHENTICATED", "The token of this run is missing or wrong (MLFLOW_TRACKING_TOKEN)."
            )
        hosts = (*served.hosts, *LOCAL)
        check_host(head, hosts)
        check_browser(head, hosts)
        entry = self._entries.get(token)
        if entry is None:
            entry = self._entries[token] = self._entry(served)
        self._requests[id(entry)] += 1
        return entry

    def _entry(self, served: Served) -> Entry:
        known = (
            each.runs
            for each in list(self._entries.values())
            if each.runs.store.root == served.store_root and each.runs.store.secrets is served.secrets
        )
        runs = next(known, None) or LiveRuns(Store(served.store_root, secrets=served.secrets))
        return Entry(runs, OneRun(runs, served.run_id))

    def done(self, head: Head | None, entry: Entry | None, status: int, sent: int) -> None:  # noqa: ARG002
        if entry is not None:
            self._requests[id(entry)] -= 1

    def failed(self, problem: BaseException) -> None:
        if len(self.faults) < 10:
            self.faults.append("".join(traceback.format_exception(problem)))

    # ---- end

    def leave(self, served: Served, last: bool) -> None:
        """Finishes what was begun for this run, and ends the runs that its command left running."""
        if last:
            self.server.stop()
            self.server.wait(2 * GRACE)
        entry = self._entries.get(served.token)
        if entry is None:
            return
        deadline = time.monotonic() + GRACE
        while not last and self._requests[id(entry)] and time.monotonic() < deadline:
            time.sleep(0.005)
        del self._entries[served.token]
        for run_id in entry.scope.made if isinstance(entry.scope, OneRun) else ():
            _end(entry.runs, run_id)
        if not any(each.runs is entry.runs for each in list(self._entries.values())):
            entry.runs.close()


def _end(runs: LiveRuns, run_id: str) -> None:
    try:
        live = runs.get(run_id)
        if live.run().status not in TERMINAL:
            message = "the command ended before this run was ended"
            live.writer.end("KILLED", reason="lost", message=message, by="endpoint")
    except (ApiError, ProjError, OSError):
        pass  # deleted meanwhile, or the disk is full: nothing more can be done here
