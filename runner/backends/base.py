"""A backend starts the command of a run. One module per kind; `backends.KINDS` names them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from runner.values import Ended, Job, Report

__all__ = ["CANCEL", "Backend", "Supervision"]

CANCEL = "cancel"  # a file of this name in the record asks the supervisor to end the run; it says who asks


class Supervision(Protocol):
    """What a backend calls back while the command runs."""

    def started(self, facts: dict[str, Any]) -> None:
        """The command is on: `facts` go to the record's `supervisor` section (pid, process group, job id)."""

    def listen(self) -> int:
        """File descriptor that becomes readable when the command talks to the run's endpoint; -1 for none."""

    def connect(self) -> None:
        """Called when `listen()` is readable."""

    def masked(self) -> tuple[bytes, ...]:
        """Secrets that must not be written anywhere."""


class Backend(Protocol):
    def problem(self, options: dict[str, Any]) -> str:
        """Why this backend cannot be used here and now, or ""."""

    def submit(self, job: Job, report: Report) -> Any:
        """Starts the command and returns a JSON-able handle. BackendError when it cannot be started."""

    def wait(self, handle: Any, job: Job, supervision: Supervision) -> Ended:
        """Returns when the command has ended and none of its processes is left."""

    def cancel(self, handle: Any, grace: float) -> None:
        """Asks the command to end, and ends it after `grace` seconds."""


Clock = Callable[[], float]
