"""Behind the endpoint of a run, from the first connection on: the protocol, limited to that run."""

from __future__ import annotations

import _socket
import hmac
import threading

from runner.errors import ProjError
from runner.protocol.answer import ApiError, Response
from runner.protocol.api import Api, bearer
from runner.protocol.handler import Limits
from runner.protocol.hosts import check_browser, check_host
from runner.protocol.http import Head
from runner.protocol.live import LiveRuns
from runner.protocol.loop import Loop
from runner.protocol.scope import OneRun, Scope
from runner.text.secrets import Secrets
from runner.tracking.fold import TERMINAL
from runner.tracking.store import Store

__all__ = ["Service"]

LOCAL = ("127.0.0.1", "localhost", "::1", "host.docker.internal", "host.containers.internal")


class Service:
    def __init__(
        self,
        store_root: str,
        run_id: str,
        token: str,
        host: str,
        listener: _socket.socket,
        secrets: Secrets | None = None,
    ) -> None:
        store = Store(store_root, secrets=secrets)
        self._runs = LiveRuns(store)
        self._scope = OneRun(self._runs, run_id)
        self._token = token.encode()
        self.faults: list[str] = []  # of ours, with their tracebacks
        self._hosts = (host, *LOCAL)
        self._loop = Loop(Api(store, self._runs, self), Limits(connections=512, threads=2))
        self._loop.listen(listener)
        self._thread = threading.Thread(target=self._loop.run, args=(1.0,), name="endpoint", daemon=True)
        self._thread.start()

    # ---- Gate

    def enter(self, head: Head, peer: str) -> Scope:  # noqa: ARG002
        if not hmac.compare_digest(bearer(head.headers).encode(), self._token):
            raise ApiError(
                "UNAUTHENTICATED", "The token of this run is missing or wrong (MLFLOW_TRACKING_TOKEN)."
            )
        check_host(head, self._hosts)
        check_browser(head, self._hosts)
        return self._scope

    def done(self, head: Head | None, response: Response, peer: str) -> None:
        pass

    def changed(self, scope: Scope, peer: str, what: str, subject: str) -> None:
        pass

    def tick(self, connections: int) -> None:
        pass

    def metrics(self) -> bytes:
        raise ApiError("ENDPOINT_NOT_FOUND", "There is no such endpoint.")

    def failed(self, problem: Exception) -> None:
        import traceback

        if len(self.faults) < 10:
            self.faults.append("".join(traceback.format_exception(problem)))

    # ---- end

    def close(self) -> None:
        self._loop.stop()
        self._thread.join(2.0)
        for run_id in self._scope.made:
            try:
                live = self._runs.get(run_id)
                if live.run().status not in TERMINAL:
                    live.writer.end(
                        "KILLED",
                        reason="lost",
                        message="the command ended before this run was ended",
                        by="endpoint",
                    )
            except (ApiError, ProjError, OSError):
                continue  # deleted meanwhile, or the disk is full: nothing more can be done here
        self._runs.close()
