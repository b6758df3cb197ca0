"""What differs when a run's command is a container: its words, its guard's last act, its true end."""

from __future__ import annotations

from runner.errors import ProjError
from runner.typed import TYPE_CHECKING, NamedTuple
from runner.values import Ended, Job

if TYPE_CHECKING:
    from runner.containers import command

__all__ = ["Farewell", "argv", "corrected", "farewell", "finish", "is_container"]


class Farewell(NamedTuple):
    """What the guard of a killed supervisor does last."""

    argv: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


def is_container(job: Job) -> bool:
    return job.activation.container is not None


def argv(job: Job) -> list[str]:
    from runner.containers import command

    return command.argv(job)


def farewell(job: Job) -> Farewell:
    """What ends the container when nobody else does: empty for a command without one."""
    if not is_container(job):
        return Farewell()
    from runner.containers import command

    return Farewell(tuple(command.farewell(job.run_id)), tuple(command.farewell_variables().items()))


def finish(job: Job) -> command.Finished | None:
    """Ends and removes the run's container; None when the run has none."""
    if not is_container(job):
        return None
    from runner.containers import command

    try:
        return command.finish(job.run_id)
    except ProjError as error:
        return command.Finished(message=error.message)


def corrected(ended: Ended, finished: command.Finished | None) -> Ended:
    """With what the container's client could not know; its memory and processor time are not the command's."""
    if finished is None:
        return ended
    resources = {name: value for name, value in ended.resources.items() if name == "duration"}
    ended = ended._replace(resources=resources)
    if finished.killed:  # the client gave up before
        ended = ended._replace(exit_code=137, signal="SIGKILL")
    if ended.status == "FINISHED" or ended.reason in ("cancelled", "timeout", "interrupted"):
        return ended
    if finished.out_of_memory:
        text = "ended by the kernel: out of the container's memory"
        return ended._replace(status="FAILED", reason="memory", signal="SIGKILL", message=text)
    if not finished.started:
        text = finished.message or "the container could not be started"
        return ended._replace(status="FAILED", reason="error", message=text)
    return ended._replace(message=ended.message or finished.message)
