"""A backend starts the command of a run. One module per kind; `backends.KINDS` names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from runner.values import Ended, Job, Report

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from runner.backends.outcome import Exit

__all__ = ["Backend", "Command", "Supervision"]


class Supervision(Protocol):
    """What a backend calls back while the command runs."""

    def started(self, facts: dict[str, Any]) -> None:
        """The command runs: `facts` go to the record's `supervisor` section (pid, process group, job id)."""

    def listen(self) -> int:
        """File descriptor that becomes readable when the command talks to the run's endpoint; -1 for none."""

    def connect(self) -> None:
        """Called when `listen()` is readable."""

    def masked(self) -> tuple[bytes, ...]:
        """Secrets that must not be written anywhere."""


class Backend(Protocol):
    def problem(self, options: dict[str, Any]) -> str:
        """Why this backend cannot be used here and now, or ""."""

    def prepared(self) -> AbstractContextManager[None]:
        """Around what comes before `submit`, in the same thread: what takes time and knows no command yet is begun."""

    def submit(self, job: Job, report: Report) -> Any:
        """Starts the command and returns a JSON-able handle. BackendError when it cannot be started."""

    def wait(self, handle: Any, job: Job, supervision: Supervision) -> Ended:
        """Returns when the command has ended and none of its processes is left."""

    def cancel(self, handle: Any, grace: float) -> None:
        """Asks the command to end, and ends it after `grace` seconds."""


class Command(Protocol):
    """A command that was started, as supervise.Supervisor sees it: what only one kind of place knows of it."""

    outputs: tuple[tuple[int, int], ...]  # (descriptor to read, stream: 1 stdout, 2 stderr)
    exit: Exit | None  # once it has ended
    gone: bool  # nothing of it is left

    def facts(self) -> dict[str, Any]:
        """For Supervision.started."""

    def descriptor(self) -> int:
        """Readable when `look` will find something; another one after some looks."""

    def look(self) -> None:
        """Takes notice of what has happened; called now and then, too."""

    def signal(self, number: int) -> None:
        """To all processes of its group."""

    def hear(self, number: int) -> None:
        """Of a signal that was sent to us, before it is passed on."""

    def end_rest(self, grace: float) -> None:
        """Begins to end what is left, which has `grace` seconds for it; `gone` when that is done. Again: with less."""

    def close(self) -> None:
        """What is still on is ended."""

    def corrected(self, ended: Ended) -> Ended:
        """With what is known better here, once it has gone."""
