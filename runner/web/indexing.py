"""What is shown while the index of a large store is made: how far it is, and the newest runs, from their own logs."""

from __future__ import annotations

import os
import re
import threading
from typing import NoReturn

from starlette.requests import Request

from runner.errors import ProjError
from runner.running.reconcile import close_lost, concluded
from runner.tracking.fold import Run
from runner.tracking.store import Store, is_run_id
from runner.values import Silent

__all__ = ["Indexing", "StillIndexing", "newest", "ready", "wait"]

PATIENCE = 0.5  # s that a page waits for it
NEWEST = 50


class StillIndexing(Exception):
    """`done` of `total` runs have been read; both 0 when that is not known yet."""

    def __init__(self, done: int, total: int) -> None:
        super().__init__(f"{done} of {total}")
        self.done, self.total = done, total


class _Progress(Silent):
    """A Report, and its Step, that remembers how far it is."""

    def __init__(self) -> None:
        self.counts = (0, 0)

    def step(self, text: str) -> _Progress:  # noqa: ARG002
        return self

    def update(self, text: str, done: float = 0, total: float = 0) -> None:  # noqa: ARG002
        if found := re.match(r"(\d+) of (\d+) runs", text):
            self.counts = int(found[1]), int(found[2])


class Indexing:
    """Brings the index of a store up to the logs for the first time, in a thread of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._progress = _Progress()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._failed: BaseException | None = None
        self._ready = False
        if store.report is None:
            store.report = self._progress

    def wait(self) -> None:
        """StillIndexing while that takes longer than a page may; whatever went wrong."""
        if self._ready:
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._make, name="indexing", daemon=True)
                self._thread.start()
            thread = self._thread
        thread.join(PATIENCE)
        if thread.is_alive():
            raise StillIndexing(*self._progress.counts)
        if self._failed is not None:
            self._fail(self._failed)
        self._ready = True

    def _fail(self, problem: BaseException) -> NoReturn:
        with self._lock:
            self._thread = self._failed = None  # the next page tries again
        raise problem

    def _make(self) -> None:
        try:
            self._store.index.refresh()
            close_lost(self._store)
        except BaseException as problem:  # noqa: BLE001 - it is raised where somebody waits
            self._failed = problem


def wait(request: Request) -> None:
    indexing: Indexing = request.app.state.indexing
    indexing.wait()


def ready(request: Request) -> bool:
    """Whether the index can be asked, after PATIENCE at most."""
    try:
        wait(request)
    except StillIndexing:
        return False
    return True


def newest(store: Store) -> tuple[list[Run], int]:
    """By their ids, which are sorted by time, and their logs: no index is needed. And how many runs there are."""
    try:
        ids = sorted(filter(is_run_id, os.listdir(os.path.join(store.root, "runs"))), reverse=True)
    except OSError:
        return [], 0
    found = []
    for run_id in ids[:NEWEST]:
        try:
            run = concluded(store.read(run_id))
        except (ProjError, OSError):
            continue
        if run.lifecycle == "active":
            found.append(run)
    return found, len(ids)
