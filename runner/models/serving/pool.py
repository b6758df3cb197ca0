"""The workers of a served model: started, asked one request after another, replaced when they die.

All of it in the event loop of the front. What waits is bounded; a worker that dies takes only its own requests with it.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeAlias

from runner.errors import ProjError
from runner.models.serving import worker as frames
from runner.models.serving.starting import Command, start
from runner.models.serving.worker import Item

__all__ = [
    "BusyError",
    "GoneError",
    "LateError",
    "Left",
    "LeftError",
    "Pool",
    "UnreadyError",
]

Check: TypeAlias = "Callable[[], object]"
Left: TypeAlias = "Callable[[], Awaitable[object]]"

FIRST, LONGEST = 0.5, 30.0  # s, before a worker that could not be started is started again
ENDING = 2.0  # s, for a worker to end by itself


class BusyError(Exception):
    """As many requests wait as may."""


class UnreadyError(Exception):
    """The model is not loaded yet, or not any more."""


class LateError(Exception):
    """The answer took longer than it may."""


class LeftError(Exception):
    """Nobody waits for the answer any more, and the model was not asked."""


class GoneError(Exception):
    """The worker ended while it answered."""


class Events(NamedTuple):
    """What the pool tells; called in the event loop."""

    ready: Callable[[Mapping[str, str]], None]  # for each worker: mlflow, python
    failed: Callable[[str], None]  # a worker could not load the model
    ended: Callable[[str], None]  # a worker that was ready ended by itself


class Job(NamedTuple):
    item: Item
    answer: asyncio.Future[Item]


class Pool:
    def __init__(
        self, command: Command, size: int, queue: int, timeout: float, check: Check, events: Events
    ) -> None:
        """`queue`: requests that may wait; `timeout`: s, for one from its arrival to its answer, and
        for what a worker was sent.

        `check` is called in a thread before each start of a worker: an error of it is why there is none.
        """
        self._command = command
        self._size = size
        self._queue = queue
        self.timeout = timeout
        self._check = check
        self._events = events
        self._starting: set[asyncio.Future[None]] = set()
        self._workers: set[Worker] = set()
        self._idle: deque[Worker] = deque()
        self._waiting: OrderedDict[asyncio.Future[Item], Job] = OrderedDict()  # by its answer
        self._pause = FIRST
        self._stopping = False
        self.restarts = 0

    def start(self) -> None:
        while len(self._workers) + len(self._starting) < self._size and not self._stopping:
            task = asyncio.ensure_future(self._start())
            self._starting.add(task)

    async def _start(self) -> None:
        """Whatever goes wrong is told and tried again: nobody else would see an error of this task."""
        problem = ""
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._check)
            if not self._stopping:
                self._workers.add(Worker(self._command, self))
        except ProjError as error:
            problem = error.message
        except Exception as error:  # noqa: BLE001
            problem = f"{type(error).__name__}: {error}"
        self._starting.discard(asyncio.current_task())
        if problem and not self._stopping:
            self._unstarted(problem)

    @property
    def ready(self) -> int:
        """Workers that have the model."""
        return sum(each.is_ready for each in self._workers)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def ask(self, item: Item, left: Left) -> Item:
        """BusyError, UnreadyError, LateError, LeftError or GoneError where there is no answer.

        `left` returns when nobody waits for it any more.
        """
        if not self.ready:
            raise UnreadyError
        loop = asyncio.get_running_loop()
        job = Job(item, loop.create_future())
        if self._idle:
            self._idle.popleft().take([job])
            return await self._answer(job)
        if len(self._waiting) >= self._queue:
            raise BusyError
        self._waiting[job.answer] = job
        watching = asyncio.ensure_future(self._watch(job, left))
        try:
            return await self._answer(job)
        finally:
            watching.cancel()
            self._waiting.pop(job.answer, None)

    async def _answer(self, job: Job) -> Item:
        timer = asyncio.get_running_loop().call_later(self.timeout, self._give_up, job, LateError())
        try:
            return await job.answer
        finally:
            timer.cancel()

    async def _watch(self, job: Job, left: Left) -> None:
        await left()
        self._give_up(job, LeftError())

    def _give_up(self, job: Job, why: Exception) -> None:
        """One that still waits is not asked; a worker that has it goes on, until it has had it for too long itself."""
        self._waiting.pop(job.answer, None)
        if not job.answer.done():
            job.answer.set_exception(why)

    def free(self, worker: Worker) -> None:
        """It has nothing to do."""
        jobs: list[Job] = []
        while self._waiting and len(jobs) < self._command.batch:
            _, job = self._waiting.popitem(last=False)
            if not job.answer.done():  # else the server has just ended the request
                jobs.append(job)
        if jobs:
            worker.take(jobs)
        else:
            self._idle.append(worker)

    def loaded(self, worker: Worker, facts: Mapping[str, str]) -> None:
        self._pause = FIRST
        self._events.ready(facts)
        self.free(worker)

    def withdraw(self, worker: Worker) -> None:
        """It is asked nothing more."""
        if worker in self._idle:
            self._idle.remove(worker)

    def lost(self, worker: Worker, was_ready: bool, how: str) -> None:
        self._workers.discard(worker)
        if self._stopping:
            return
        if was_ready:
            self._events.ended(how)
            self.restarts += 1
            self.start()
        else:
            self._unstarted(how)

    def _unstarted(self, how: str) -> None:
        self._events.failed(how)
        asyncio.get_running_loop().call_later(self._pause, self.start)
        self._pause = min(2 * self._pause, LONGEST)
        if not self.ready:
            self._refuse_waiting()

    def _refuse_waiting(self) -> None:
        while self._waiting:
            _, job = self._waiting.popitem(last=False)
            if not job.answer.done():
                job.answer.set_exception(UnreadyError())

    async def stop(self) -> None:
        """Ends all of them; who still waits is refused."""
        self._stopping = True
        self._refuse_waiting()
        await asyncio.gather(*self._starting)
        workers = list(self._workers)
        for each in workers:
            each.close()
        await asyncio.gather(*(each.gone() for each in workers))


class Worker(asyncio.Protocol):
    """One process, by its socket."""

    def __init__(self, command: Command, pool: Pool) -> None:
        self._pool = pool
        self.is_ready = False  # it has the model, and may be asked
        self._was_ready = False
        self._jobs: list[Job] = []  # that it has been sent
        self._timer: asyncio.TimerHandle | None = None  # runs while it has some
        self._problem = ""
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None
        self._closing = False
        self._ended = asyncio.get_running_loop().create_future()
        self._process, ours = start(command)
        self._connecting = asyncio.ensure_future(self._connect(ours))

    async def _connect(self, link: socket.socket) -> None:
        link.setblocking(False)
        await asyncio.get_running_loop().create_connection(lambda: self, sock=link)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        if self._closing:
            transport.abort()

    def take(self, jobs: list[Job]) -> None:
        self._jobs = jobs
        self._timer = asyncio.get_running_loop().call_later(self._pool.timeout, self._overdue)
        if self._transport is not None:
            self._transport.write(frames.pack([job.item for job in jobs]))

    def _overdue(self) -> None:
        """Whatever it does, nobody waits for it any more; but others do."""
        self.is_ready = False
        for job in self._done():
            if not job.answer.done():
                job.answer.set_exception(LateError())
        self.kill()

    def _done(self) -> list[Job]:
        """What it had been asked."""
        jobs, self._jobs = self._jobs, []
        if self._timer is not None:
            self._timer.cancel()
        return jobs

    def data_received(self, data: bytes) -> None:
        self._data += data
        head = frames.FRAME.size
        if len(self._data) < head:
            return
        length, count = frames.FRAME.unpack_from(self._data)
        if len(self._data) < head + length:
            return
        items = frames.unpack(bytes(self._data[head : head + length]), count)
        del self._data[: head + length]
        if self._was_ready:
            self._answered(items)
        elif items[0].status == 0:
            self.is_ready = self._was_ready = True
            self._pool.loaded(self, json.loads(items[0].body))
        else:
            self._problem = items[0].body.decode("utf-8", "replace")

    def _answered(self, items: list[Item]) -> None:
        if not self.is_ready:  # it was just killed
            return
        for job, item in zip(self._done(), items, strict=True):
            if not job.answer.done():
                job.answer.set_result(item)
        self._pool.free(self)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._pool.withdraw(self)
        asyncio.ensure_future(self._reap())  # noqa: RUF006  the loop outlives it: `gone` waits for it

    async def _reap(self) -> None:
        loop = asyncio.get_running_loop()
        self.is_ready = False
        try:
            code = await loop.run_in_executor(None, self._process.wait, ENDING)
        except subprocess.TimeoutExpired:
            self.kill()
            code = await loop.run_in_executor(None, self._process.wait)
        how = self._problem or (f"it was ended by {_named(-code)}" if code < 0 else f"it exited with {code}")
        for job in self._done():
            if not job.answer.done():
                job.answer.set_exception(GoneError(how))
        self._pool.lost(self, self._was_ready, how)
        self._ended.set_result(None)

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()

    def close(self) -> None:
        """It ends when it has answered."""
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    async def gone(self) -> None:
        await self._ended


def _named(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
