"""What a backend calls back for while the command of a run runs."""

from __future__ import annotations

import os
from _thread import allocate_lock, start_new_thread

from runner import paths
from runner.errors import ProjError
from runner.host import process
from runner.running.endpoint import warm
from runner.running.observation import Observation
from runner.tracking import events
from runner.typed import TYPE_CHECKING
from runner.values import Environment

if TYPE_CHECKING:
    from typing import Any

    from runner.running.code import Code
    from runner.running.endpoint import Endpoint
    from runner.running.plan import Plan
    from runner.running.record import Record
    from runner.running.surroundings import Surroundings

__all__ = ["Supervision"]


class Supervision:
    """backends.base.Supervision of one run; on leaving, what was still being found out is noted."""

    def __init__(
        self,
        plan: Plan,
        record: Record,
        code: Code,
        seen: Surroundings,
        endpoint: Endpoint,
        environment: Environment,
    ) -> None:
        self._plan = plan
        self._record = record
        self._code = code
        self._seen = seen
        self._keeping = allocate_lock()
        self._endpoint = endpoint
        self._activation = environment.activation
        self._likely_to_log = "mlflow" in environment.lock
        self._observation = Observation(record.writer, record.note)

    def __enter__(self) -> Supervision:
        return self

    def started(self, facts: dict[str, Any]) -> None:
        """The command runs; what was not needed for starting it is found out now."""
        record, request = self._record, self._plan.request
        group = int(facts.get("group") or 0)
        start = process.pid_start(group) if group else ""
        record.note(events.section("supervisor", {**facts, "group_start": start}))
        self._observation.begin(group, self._activation, request.sample_resources)
        server = paths.store(request.store)
        if "://" in server or "MLFLOW_TRACKING_URI" in os.environ or "MLFLOW_REGISTRY_URI" in os.environ:
            from runner.tracking.mlflow import follower

            record.follower = follower.begin(record.store, record.run_id, os.environ, server)
        if self._likely_to_log:
            warm()
        self._keeping.acquire()
        start_new_thread(self._keep, ())

    def _keep(self) -> None:
        """Beside the command: the code is copied, and with it the key of the run is known."""
        try:
            self._code.keep()
            self._record.note(self._record.key(self._seen, self._activation).event())
            self._code.first_commit()
        except (ProjError, OSError):
            pass  # without its code, or its log, a run has no key: nothing is taken over from it
        finally:
            self._keeping.release()

    def listen(self) -> int:
        return self._endpoint.fileno()

    def connect(self) -> None:
        record = self._record
        self._endpoint.accept(record.store.root, record.run_id, record.writer.log.secrets)

    def masked(self) -> tuple[bytes, ...]:
        secrets = self._record.writer.log.secrets
        return secrets.as_bytes() if secrets else ()

    def __exit__(self, *error: object) -> None:
        with self._keeping:
            self._record.note(*self._observation.end())
