"""What the server must know of a run to judge a write: folded from its log, as others may write to it too."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING

from runner.errors import ProjError, StoreError
from runner.host.files import flock, open_handle, unlock
from runner.protocol.answer import ApiError, invalid
from runner.protocol.entities import artifact_root

if TYPE_CHECKING:
    from runner.tracking.fold import Run
    from runner.tracking.store import Store
    from runner.tracking.writer import RunWriter

__all__ = ["HeldError", "Live", "LiveRuns"]

FOLD_AT = 8 << 20  # bytes that may wait before they are folded
SOON = 1 << 20  # bytes that are folded while everybody waits
SHOWN = 100_000  # characters of a run that are written while everybody waits
LINE = 100  # characters of a metric
KEPT = 200  # runs in memory, each with up to two open files
WEIGHT = 32_000_000  # characters of their parameters, tags and datasets


class HeldError(Exception):
    """Another process has what is wanted, or much is to be read: to be tried again in a thread, which may wait.

    Raised before anything is done.
    """


def _is_loop() -> bool:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class Live:
    """One run. Its log is read on from where it was left, and folded only when somebody wants to see it."""

    def __init__(self, writer: RunWriter) -> None:
        from runner.tracking.reading import NOTHING

        self.run_id = writer.run_id
        self.writer = writer
        self.directory = writer.directory
        self.lock = threading.RLock()
        self._file = -1
        self._file = open_handle(self.writer.log.path)
        self._seen = 0
        self._stale = False  # something was seen that has to be folded
        self._read = NOTHING
        self.gone = False  # removed from the store
        self.weight = 0  # characters that it has in memory

    def run(self) -> Run:
        """As it is now. ApiError when it is gone."""
        with self.lock:
            self._look()
            run = self._read.run
            return self._fold() if self._stale or run is None or self._read.position < self._seen else run

    def whole(self) -> Run:
        """As `run`, to be shown. HeldError where writing it as JSON takes long."""
        run = self.run()
        if self.weight + LINE * len(run.metrics) > SHOWN and _is_loop():
            raise HeldError
        return run

    def is_ready(self) -> bool:
        """Whether a write to it is quickly judged: nobody has it in hand, and nothing of it needs to be read."""
        if not self.lock.acquire(blocking=False):
            return False
        try:
            waiting = os.fstat(self._file).st_size - self._read.position
            return self._read.run is not None and waiting <= FOLD_AT
        except OSError:
            return False
        finally:
            self.lock.release()

    def check_active(self) -> None:
        """ApiError when the run is deleted or gone. Looks at what is new, and folds only when it must."""
        with self.lock:
            self._look()
            run = self._read.run
            if self._stale or run is None:
                run = self._fold()
        if run.lifecycle != "active":
            raise invalid(
                f"The run {self.run_id} must be in the 'active' state. Current state is {run.lifecycle}."
            )

    def check_settled(self) -> None:
        """HeldError where `run` would be, for those who write first."""
        if self._seen - self._read.position > SOON and _is_loop():
            raise HeldError

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else who asks for this, in any process, looks and writes at the same time.

        HeldError, instead of waiting, for the loop that answers everybody.
        """
        with self.lock:
            if not flock(self._file, wait=False):
                if _is_loop():
                    raise HeldError
                flock(self._file)
            try:
                yield
            finally:
                unlock(self._file)

    def _look(self) -> None:
        """At what is new: whether it has to be folded before the run can be judged."""
        from runner.tracking.segments import changed

        state = os.fstat(self._file)
        if not state.st_nlink:
            self.gone = True
            raise unknown(self.run_id)
        new = state.st_size - self._seen
        data = os.pread(self._file, min(new, FOLD_AT), self._seen) if new > 0 else b""
        self._seen = max(self._seen, state.st_size)
        self._stale = (
            self._stale
            or self._seen - self._read.position > FOLD_AT
            or b'"deleted"' in data
            or b'"restored"' in data
            or changed(self.directory, self._read.offsets)
        )

    def _fold(self) -> Run:
        from runner.tracking.reading import read_on

        self.check_settled()
        self._read = read_on(self.directory, self._read)
        self._stale = False
        self._seen = max(self._seen, self._read.position)
        self.weight = _weight(self._read.run)
        if self._read.run is None:
            raise unknown(self.run_id)
        return self._read.run

    def close(self) -> None:
        with self.lock:
            self.writer.close()
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    __del__ = close


def _weight(run: Run | None) -> int:
    if run is None:
        return 0
    texts = (run.tags.values(), run.param_texts.values(), *(each.values() for each in run.datasets))
    return sum(len(text) for values in texts for text in values if isinstance(text, str))


class LiveRuns:
    """The runs that were last used."""

    def __init__(self, store: Store, default_root: str = "") -> None:
        """`default_root`: where new experiments keep their artifacts; "": in the store."""
        self.store = store
        self.default_root = default_root
        self._roots: dict[str, str] = {}  # of experiments: where their artifacts are never changes
        self._runs: OrderedDict[str, Live] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, run_id: str) -> Live:
        """ApiError when there is no such run. An OSError goes on: the store cannot be read now."""
        with self._lock:
            live = self._runs.get(run_id)
            if live is not None and live.gone:
                del self._runs[run_id]
            elif live is not None:
                self._runs.move_to_end(run_id)
                return live
        try:
            return self.adopt(self.store.open_run(run_id))
        except (StoreError, FileNotFoundError):  # any other OSError: the store cannot be used now
            raise unknown(run_id) from None

    def is_ready(self, run_id: str) -> bool:
        """As Live.is_ready; False for one that is not yet open."""
        with self._lock:
            live = self._runs.get(run_id)
        return live is not None and live.is_ready()

    def adopt(self, writer: RunWriter) -> Live:
        """Keeps a run open for what follows; the one that was not used for the longest time makes room."""
        live = Live(writer)
        with self._lock:
            live = self._runs.setdefault(writer.run_id, live)
            left = WEIGHT - sum(map(attrgetter("weight"), self._runs.values()))
            while len(self._runs) > KEPT or (left < 0 and len(self._runs) > 1):
                _, old = self._runs.popitem(last=False)  # closed when the last who uses it lets go
                left += old.weight
        return live

    def artifact_root(self, experiment_id: str) -> str:
        """Where an experiment keeps the artifacts of its runs."""
        root = self._roots.get(experiment_id)
        if root is None:
            try:
                root = artifact_root(self.store.experiment(experiment_id))
            except ProjError:  # a run that was copied here without its experiment
                return f"mlflow-artifacts:/{experiment_id}"
            self._roots[experiment_id] = root
        return root

    def close(self) -> None:
        with self._lock:
            for live in self._runs.values():
                live.close()
            self._runs.clear()


def unknown(run_id: str) -> ApiError:
    return ApiError("RESOURCE_DOES_NOT_EXIST", f"Run with id={run_id} not found")
